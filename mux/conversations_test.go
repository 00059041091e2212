package mux_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/nettest/pipes"
)

var conversations = flag.Int("conversations", 3, "how many times to run TestConversations; a third under the race detector")

// An ending is how a conversation on a stream ends.
type ending byte

const (
	endBoth     ending = iota // both sides say all they have
	endReset                  // the opener resets in the middle
	endStop                   // the acceptor reads no more in the middle
	endDeadline               // as endBoth, with deadlines that pass now and then
	endings
)

// plan is what a conversation is about. The opener sends it first.
type plan struct {
	up, down uint32 // bytes each way
	end      ending
}

const planSize = 9

func (p plan) encode() []byte {
	b := binary.BigEndian.AppendUint32(nil, p.up)
	b = binary.BigEndian.AppendUint32(b, p.down)
	return append(b, byte(p.end))
}

func decodePlan(b []byte) plan {
	return plan{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), ending(b[8])}
}

// say writes n bytes of a pattern in pieces.
func say(st *mux.Stream, n int, rng *rand.Rand, deadlines bool) error {
	for off := 0; off < n; {
		b := make([]byte, min(n-off, 1+rng.IntN(30_000)))
		for i := range b {
			b[i] = byte((off + i) * 7 >> 3)
		}
		if deadlines {
			_ = st.SetWriteDeadline(time.Now().Add(time.Duration(rng.IntN(20)) * time.Millisecond))
		}
		k, err := st.Write(b)
		off += k
		var timeout interface{ Timeout() bool }
		if err != nil && !(deadlines && errors.As(err, &timeout) && timeout.Timeout()) {
			return err
		}
	}
	return nil
}

// hear reads n bytes of the pattern.
func hear(st *mux.Stream, n int) error {
	buf := make([]byte, 20_000)
	for off := 0; off < n; {
		k, err := st.Read(buf[:min(len(buf), n-off)])
		for i := range k {
			if buf[i] != byte((off+i)*7>>3) {
				return fmt.Errorf("wrong byte at %d", off+i)
			}
		}
		if off += k; err != nil {
			return fmt.Errorf("after %d of %d bytes: %w", off, n, err)
		}
	}
	return nil
}

// ended requires the end of the stream.
func ended(st *mux.Stream) error {
	if n, err := st.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return fmt.Errorf("%d bytes and %v instead of the end", n, err)
	}
	return nil
}

func wantStreamError(err error, code uint64) error {
	var e *mux.StreamError
	if !errors.As(err, &e) || !e.Remote || e.Code != code {
		return fmt.Errorf("%v instead of a reset with %d", err, code)
	}
	return nil
}

// open leads a conversation.
func lead(s *mux.Session, p plan, rng *rand.Rand) error {
	st, err := s.OpenStream(context.Background())
	if err != nil {
		return err
	}
	defer st.Close()
	if rng.IntN(3) == 0 {
		st.SetPriority(rng.IntN(8), rng.IntN(2) == 0)
	}
	if _, err := st.Write(p.encode()); err != nil {
		return err
	}
	switch p.end {
	case endReset:
		if err := say(st, int(p.up)/2, rng, false); err != nil {
			return err
		}
		return st.Reset(uint64(p.up))
	case endStop:
		for err == nil {
			_, err = st.Write(make([]byte, 10_000))
		}
		return wantStreamError(err, 0)
	}
	said := make(chan error, 1)
	go func() { said <- errors.Join(say(st, int(p.up), rng, p.end == endDeadline), st.CloseWrite()) }()
	return errors.Join(hear(st, int(p.down)), ended(st), <-said)
}

// follow is the acceptor's part.
func follow(st *mux.Stream, rng *rand.Rand) error {
	defer st.Close()
	head := make([]byte, planSize)
	if _, err := io.ReadFull(st, head); err != nil {
		var e *mux.StreamError
		if errors.As(err, &e) {
			return nil // a reset may overtake everything
		}
		return err
	}
	p := decodePlan(head)
	switch p.end {
	case endReset:
		_, err := io.Copy(io.Discard, st)
		return wantStreamError(err, uint64(p.up))
	case endStop:
		_, _ = io.CopyN(io.Discard, st, int64(p.up)/2)
		return st.CloseRead()
	}
	said := make(chan error, 1)
	go func() { said <- errors.Join(say(st, int(p.down), rng, p.end == endDeadline), st.CloseWrite()) }()
	return errors.Join(hear(st, int(p.up)), ended(st), <-said)
}

// Many conversations at once, in both directions, over paths that lose and reorder:
// each is what its plan says, none hangs, and no stream is left.
func TestConversations(t *testing.T) {
	seeds := uint64(*conversations)
	if raceEnabled {
		seeds = max(1, seeds/3)
	}
	for _, c := range virtual {
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s/%d", c.name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { converse(t, c.make, seed) })
			})
		}
	}
}

func converse(t *testing.T, m pipes.Maker, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	config := &mux.Config{MaxStreams: 30, AcceptBacklog: 20, MaxSessionWindow: 1 << 20, InitialStreamWindow: 64 << 10}
	client, server, stop, err := pipes.MuxSessions(m, config)
	require.NoError(t, err)
	defer stop()
	var mu sync.Mutex
	var errs []error
	var all, accepting sync.WaitGroup
	do := func(name string, f func() error) {
		all.Go(func() {
			if err := f(); err != nil {
				mu.Lock()
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
				mu.Unlock()
			}
		})
	}
	fork := func() *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), 3)) }
	const each = 40
	for _, s := range []*mux.Session{client, server} {
		seeds := rand.New(rand.NewPCG(rng.Uint64(), 3))
		accepting.Go(func() {
			for range each {
				st, err := s.AcceptStream(context.Background())
				if err != nil {
					return
				}
				r := rand.New(rand.NewPCG(seeds.Uint64(), 4))
				do(fmt.Sprintf("accepted stream %d", st.ID()), func() error { return follow(st, r) })
			}
		})
		for i := range each {
			p := plan{uint32(rng.IntN(200_000)), uint32(rng.IntN(200_000)), ending(rng.IntN(int(endings)))}
			r, wait := fork(), time.Duration(rng.IntN(500))*time.Millisecond
			do(fmt.Sprintf("plan %d %+v", i, p), func() error {
				time.Sleep(wait)
				return lead(s, p, r)
			})
		}
	}
	accepting.Wait()
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	time.Sleep(10 * time.Second)
	require.Zero(t, client.NumStreams())
	require.Zero(t, server.NumStreams())
	require.NoError(t, client.Err())
	require.NoError(t, server.Err())
}
