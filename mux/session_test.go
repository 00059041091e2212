package mux_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/mux/internal/frame"
	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// near is a link without loss, in virtual time.
var near = simnet.Config{Default: simnet.Link{Delay: 10 * time.Millisecond}}

// inBubble runs f with both sides of a session in virtual time.
func inBubble(t *testing.T, m pipes.Maker, config *mux.Config, f func(t *testing.T, client, server *mux.Session)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server, stop, err := pipes.MuxSessions(m, config)
		require.NoError(t, err)
		defer stop()
		f(t, client, server)
	})
}

func overMessages(t *testing.T, config *mux.Config, f func(t *testing.T, client, server *mux.Session)) {
	t.Helper()
	inBubble(t, pipes.Simnet(messages, near), config, f)
}

// Ping measures the path.
func TestPing(t *testing.T) {
	overMessages(t, nil, func(t *testing.T, client, server *mux.Session) {
		for _, s := range []*mux.Session{client, server} {
			rtt, err := s.Ping(t.Context())
			require.NoError(t, err)
			require.Equal(t, 20*time.Millisecond, rtt.Round(time.Millisecond))
		}
	})
}

// OpenStream waits while the peer allows no more, until its context ends or the
// peer's application has closed a stream.
func TestOpenStreamWaits(t *testing.T) {
	overMessages(t, &mux.Config{MaxStreams: 20}, func(t *testing.T, client, server *mux.Session) {
		var first *mux.Stream
		for range 20 {
			st, err := client.OpenStream(t.Context())
			require.NoError(t, err)
			if first == nil {
				first = st
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.OpenStream(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var ne net.Error
		require.ErrorAs(t, err, &ne)
		require.True(t, ne.Timeout())

		require.NoError(t, first.Close()) // is not enough: the peer's application has it
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = client.OpenStream(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		for range 5 {
			st, err := server.AcceptStream(t.Context())
			require.NoError(t, err)
			require.NoError(t, st.Reset(0))
		}
		_, err = client.OpenStream(t.Context())
		require.NoError(t, err)
	})
}

// After GoAway the peer opens no more streams; those that are open go on.
func TestGoAway(t *testing.T) {
	overMessages(t, nil, func(t *testing.T, client, server *mux.Session) {
		a, b := pairOf(t, client, server)
		require.NoError(t, server.GoAway())
		time.Sleep(time.Second)
		_, err := client.OpenStream(t.Context())
		require.ErrorIs(t, err, mux.ErrGoAway)
		_, err = io.WriteString(a, "x")
		require.NoError(t, err)
		require.NoError(t, a.Close())
		_, err = io.ReadAll(b)
		require.NoError(t, err)
		require.NoError(t, b.Close())
		time.Sleep(time.Second)
		require.Zero(t, server.NumStreams())
		_, _ = pairOf(t, server, client) // the other direction is open
	})
}

// A peer that vanished is noticed within the idle timeout; one that is there keeps
// the session alive for as long as one likes.
func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c1, c2 := net.Pipe()
		client, err := mux.Client(c1, nil)
		require.NoError(t, err)
		server, err := mux.Server(c2, nil)
		require.NoError(t, err)
		time.Sleep(24 * time.Hour)
		require.NoError(t, client.Err())
		require.NoError(t, server.Err())
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())

		c1, c2 = net.Pipe()
		client, err = mux.Client(c1, nil)
		require.NoError(t, err)
		go func() { _, _ = io.Copy(io.Discard, c2) }()
		start := time.Now()
		<-client.Done()
		require.ErrorIs(t, client.Err(), mux.ErrPeerTimeout)
		require.ErrorIs(t, client.Err(), syscall.ETIMEDOUT)
		require.Equal(t, 45*time.Second, time.Since(start))
		require.NoError(t, client.Close())
		c2.Close()
	})
}

// A peer that speaks something else, or has the same role, ends the session.
func TestForeignPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c1, c2 := net.Pipe()
		client, err := mux.Client(c1, nil)
		require.NoError(t, err)
		go func() { _, _ = io.Copy(io.Discard, c2) }()
		_, err = io.WriteString(c2, "\x00\x10GET / HTTP/1.1\r\n")
		require.NoError(t, err)
		<-client.Done()
		var e *mux.SessionError
		require.ErrorAs(t, client.Err(), &e)
		require.EqualValues(t, mux.CodeProtocolError, e.Code)
		require.NoError(t, client.Close())

		c1, c2 = net.Pipe()
		client, err = mux.Client(c1, nil)
		require.NoError(t, err)
		other, err := mux.Client(c2, nil)
		require.NoError(t, err)
		<-client.Done()
		require.Error(t, client.Err())
		require.NoError(t, client.Close())
		require.NoError(t, other.Close())
	})
}

// Datagrams arrive while the path does not lose them, and byte streams have none.
func TestDatagrams(t *testing.T) {
	overMessages(t, nil, func(t *testing.T, client, server *mux.Session) {
		most := client.Stats().MaxDatagram
		for _, n := range []int{0, 1, most} {
			require.NoError(t, client.SendDatagram(make([]byte, n), time.Second))
		}
		require.ErrorIs(t, client.SendDatagram(make([]byte, most+1), 0), mux.ErrDatagramTooLarge)
		sizes := make(map[int]bool)
		for range 3 {
			b, err := server.ReceiveDatagram(t.Context())
			require.NoError(t, err)
			sizes[len(b)] = true
		}
		require.Equal(t, map[int]bool{0: true, 1: true, most: true}, sizes)

		for range 200 { // nobody receives: the oldest go
			require.NoError(t, client.SendDatagram([]byte("x"), 0))
		}
		time.Sleep(time.Second)
		require.EqualValues(t, 200-128, server.Stats().DatagramsDropped)
	})
	inBubble(t, memoryPipe, nil, func(t *testing.T, client, _ *mux.Session) {
		require.ErrorIs(t, client.SendDatagram(nil, 0), errors.ErrUnsupported)
		_, err := client.ReceiveDatagram(t.Context())
		require.ErrorIs(t, err, mux.ErrNoDatagrams)
		require.Zero(t, client.Stats().MaxDatagram)
	})
}

// A datagram is not sent any more when its time to live has passed; one that lives for
// ever arrives when the path is back.
func TestDatagramsExpire(t *testing.T) {
	var down atomic.Bool
	filter := func([]byte, netip.AddrPort, netip.AddrPort) simnet.Verdict {
		if down.Load() {
			return simnet.Drop
		}
		return simnet.Pass
	}
	network := near
	network.Filter = filter
	inBubble(t, pipes.Simnet(messages, network), nil, func(t *testing.T, client, server *mux.Session) {
		time.Sleep(time.Second)
		down.Store(true)
		require.NoError(t, client.SendDatagram([]byte("short"), 100*time.Millisecond))
		require.NoError(t, client.SendDatagram([]byte("long"), 0))
		time.Sleep(2 * time.Second)
		down.Store(false)
		b, err := server.ReceiveDatagram(t.Context())
		require.NoError(t, err)
		require.Equal(t, "long", string(b))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err = server.ReceiveDatagram(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, client.Err())
	})
}

// An application that has read a stream to its end and called CloseWrite may forget
// Close: the stream does not count any more.
func TestForgottenClose(t *testing.T) {
	overMessages(t, &mux.Config{MaxStreams: 16}, func(t *testing.T, client, server *mux.Session) {
		for range 100 {
			a, b := pairOf(t, client, server)
			require.NoError(t, a.CloseWrite())
			for _, st := range []*mux.Stream{b, a} {
				_, err := io.ReadAll(st)
				require.NoError(t, err)
				if st == b {
					require.NoError(t, b.CloseWrite())
				}
			}
		}
		time.Sleep(time.Second)
		require.Zero(t, client.NumStreams()+server.NumStreams())
	})
}

// A short IdleTimeout alone makes nobody who is there look dead.
func TestShortIdleTimeout(t *testing.T) {
	overMessages(t, &mux.Config{IdleTimeout: time.Second}, func(t *testing.T, client, server *mux.Session) {
		time.Sleep(time.Minute)
		require.NoError(t, client.Err())
		require.NoError(t, server.Err())
	})
}

// The peer's Close ends a Write at once, even one inside a connection that is stuck.
func TestStopReachesStuckWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c1, c2, stop, err := pipes.Simnet(messages, near)()
		require.NoError(t, err)
		defer stop()
		session, err := mux.Client(c1, nil)
		require.NoError(t, err)
		peer := c2.(*udt.Conn)
		require.NoError(t, peer.WriteMessage(generous(true), udt.MessageOptions{Unordered: true}))
		time.Sleep(time.Second)
		st, err := session.OpenStream(t.Context())
		require.NoError(t, err)
		wrote := make(chan error, 1)
		go func() { wrote <- pour(st) }()
		time.Sleep(5 * time.Second) // the buffers of both sides are full
		require.NoError(t, peer.WriteMessage(frame.Append(nil, frame.Frame{Type: frame.StopSending, Value: 5}), udt.MessageOptions{Unordered: true}))
		requireReset(t, <-wrote, 5, true)
		stop()
		require.NoError(t, session.Close())
	})
}

// steady is a congestion control that does nothing, so that what is seen is not its
// answer to losses.
type steady struct{}

func (steady) Init(_ time.Time, s *udt.CongestionState) { s.Window = 1000 }

func (steady) OnAck(time.Time, *udt.CongestionState, *udt.AckSample)   {}
func (steady) OnLoss(time.Time, *udt.CongestionState, *udt.LossSample) {}
func (steady) OnTimeout(time.Time, *udt.CongestionState)               {}

// A lost packet delays only the streams whose bytes it carried: with messages a
// stream goes on while another one waits for a retransmission.
func TestNoHeadOfLineBlocking(t *testing.T) {
	// slow returns how many of many small exchanges at the same time took longer than
	// the path and a little.
	slow := func(m pipes.Maker) (n int) {
		inBubble(t, m, nil, func(t *testing.T, client, server *mux.Session) {
			go func() {
				for {
					st, err := server.AcceptStream(context.Background())
					if err != nil {
						return
					}
					go func() {
						_, _ = io.Copy(st, st)
						_ = st.Close()
					}()
				}
			}()
			late := make(chan bool)
			const streams, rounds = 50, 20
			for i := range streams {
				go func() {
					st, err := client.OpenStream(context.Background())
					if err != nil {
						return
					}
					defer st.Close()
					buf := make([]byte, 1000)
					time.Sleep(time.Duration(i) * time.Millisecond)
					for range rounds {
						start := time.Now()
						_, _ = st.Write(buf)
						_, _ = io.ReadFull(st, buf)
						late <- time.Since(start) > 55*time.Millisecond
					}
				}()
			}
			for range streams * rounds {
				if <-late {
					n++
				}
			}
		})
		return n
	}
	link := simnet.Config{Default: simnet.Link{Delay: 25 * time.Millisecond, Loss: 0.01}, Seed: 3}
	carrier := func(mode udt.Mode) pipes.Maker {
		config := &udt.Config{Mode: mode, CongestionControl: func() udt.CongestionControl { return steady{} }}
		return pipes.Simnet(config, link)
	}
	byMessages, byStream := slow(carrier(udt.ModeMessage)), slow(carrier(udt.ModeStream))
	t.Logf("%d late over messages, %d over a stream", byMessages, byStream)
	require.Less(t, byMessages, byStream/3, "late exchanges over messages and over a stream")
}

// A session without traffic costs little memory per stream.
func TestIdleStreamMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's memory counts")
	}
	client, server := sessions(t, pipes.Stream(messages), nil)
	const streams = 1000
	measure := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	hold := make([]*mux.Stream, 0, 2*streams)
	before := measure()
	for range streams {
		a, b := pairOf(t, client, server)
		_, err := a.Write([]byte("once"))
		require.NoError(t, err)
		_, err = io.ReadFull(b, make([]byte, 4))
		require.NoError(t, err)
		hold = append(hold, a, b)
	}
	after := measure()
	runtime.KeepAlive(hold)
	each := (float64(after) - float64(before)) / (2 * streams)
	t.Logf("%.0f bytes per stream and side", each)
	require.Less(t, each, 2048.0)
}
