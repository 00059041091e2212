package mux_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/mux/internal/frame"
	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/udt"
)

// generous is the greeting of a server that lets everything come.
func generous(overMessages bool) []byte {
	return frame.AppendHello(nil, frame.Greeting{
		Version: frame.Version, Server: true, Messages: overMessages,
		StreamWindow: 1 << 40, SessionWindow: 1 << 40, Streams: 100, UniStreams: 100,
	})
}

// A Write that waits for the connection itself keeps its deadline, and what it had
// counted arrives once, with what is written after it.
func TestDeadlineInsideTheConnection(t *testing.T) {
	for name, pipe := range map[string]pipes.Maker{
		"TCP": pipes.TCP, "stream": pipes.Stream(nil), "TLS": pipes.TLS(pipes.TCP),
	} {
		t.Run(name, func(t *testing.T) {
			c1, c2, stop, err := pipe()
			require.NoError(t, err)
			defer stop()
			session, err := mux.Client(c1, nil)
			require.NoError(t, err)
			hello := generous(false)
			_, err = c2.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(hello))), hello...))
			require.NoError(t, err)
			st, err := session.OpenUniStream(t.Context())
			require.NoError(t, err)
			all := plenty()
			require.NoError(t, st.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
			n := 0
			for b := slices.Clone(all[:1<<20]); err == nil; { // nobody reads
				var k int
				if k, err = st.Write(b); err != nil {
					clear(b) // it is ours again
				}
				n += k
			}
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Less(t, n, len(all))

			all = all[:n+1<<20]
			require.NoError(t, st.SetWriteDeadline(time.Time{}))
			wrote := writeAll(st, all[n:])
			requireStream(t, c2, st.ID(), all)
			require.NoError(t, <-wrote)
			stop()
			require.NoError(t, session.Close())
		})
	}
}

// Calls of other streams, and Close, do not wait for a connection that is stuck.
func TestStuckConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c1, c2, stop, err := pipes.Simnet(messages, near)()
		require.NoError(t, err)
		session, err := mux.Client(c1, nil)
		require.NoError(t, err)
		require.NoError(t, c2.(*udt.Conn).WriteMessage(generous(true), udt.MessageOptions{Unordered: true}))
		time.Sleep(time.Second)
		stuck, err := session.OpenStream(t.Context())
		require.NoError(t, err)
		results := make(chan error, 3)
		write := func(st *mux.Stream) { results <- pour(st) }
		go write(stuck)
		time.Sleep(5 * time.Second) // the buffers of both sides are full

		start := time.Now()
		other, err := session.OpenStream(t.Context())
		require.NoError(t, err)
		require.NoError(t, other.SetWriteDeadline(start.Add(time.Second)))
		go write(other)
		require.ErrorIs(t, <-results, os.ErrDeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))

		require.NoError(t, stuck.Close())
		require.ErrorIs(t, <-results, net.ErrClosed)
		require.Equal(t, time.Second, time.Since(start))
		stop()
		require.NoError(t, session.Close())
	})
}

// plenty is a pattern that is longer than all buffers of a connection.
var plenty = sync.OnceValue(func() []byte {
	const period = 2048
	b := make([]byte, 256<<20)
	for i := range period {
		b[i] = byte(i * 7 >> 3)
	}
	for n := period; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
	return b
})

// pour writes until that fails.
func pour(st *mux.Stream) error {
	b := make([]byte, 1<<20)
	for {
		if _, err := st.Write(b); err != nil {
			return err
		}
	}
}

func writeAll(w io.Writer, b []byte) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := w.Write(b)
		done <- err
	}()
	return done
}

// requireStream reads packets until stream id has all bytes of want, each once.
func requireStream(t testing.TB, c net.Conn, id int64, want []byte) {
	t.Helper()
	r := bufio.NewReader(c)
	for at := 0; at < len(want); {
		var prefix [2]byte
		_, err := io.ReadFull(r, prefix[:])
		require.NoError(t, err)
		p := make([]byte, binary.BigEndian.Uint16(prefix[:]))
		_, err = io.ReadFull(r, p)
		require.NoError(t, err)
		for len(p) > 0 {
			f, rest, err := frame.Parse(p)
			require.NoError(t, err)
			if p = rest; f.Type != frame.Stream || f.Stream != id {
				continue
			}
			require.EqualValues(t, at, f.Value)
			require.True(t, bytes.Equal(want[at:at+len(f.Data)], f.Data), "bytes from %d on", at)
			at += len(f.Data)
		}
	}
}
