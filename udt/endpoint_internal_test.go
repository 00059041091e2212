package udt

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
)

// stranger is whom events of these tests are about.
var stranger = netip.MustParseAddrPort("10.0.0.9:9")

func inBubble(t *testing.T, f func(t *testing.T, n *simnet.Network)) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{Default: simnet.Link{Delay: 150 * time.Millisecond}})
		defer n.Close()
		f(t, n)
	})
}

func endpointAt(t *testing.T, n *simnet.Network, addr string, config *EndpointConfig) *Endpoint {
	t.Helper()
	pc, err := n.Listen(netip.MustParseAddrPort(addr))
	require.NoError(t, err)
	e, err := NewEndpoint(pc, config)
	require.NoError(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

// What is at level Debug happens all the time: it leaves room for warnings, also where
// the Logger does not want it.
func TestDebugEventsLeaveRoomForWarnings(t *testing.T) {
	inBubble(t, func(t *testing.T, n *simnet.Network) {
		var text bytes.Buffer
		e := endpointAt(t, n, "10.0.0.1:1", &EndpointConfig{Logger: slog.New(slog.NewTextHandler(&text, nil))})
		now := time.Now()
		for range 2 * maxEvents {
			e.events.add(0, event{at: now, kind: eventRefused, peer: stranger}) // before any is logged
		}
		e.events.add(0, event{at: now, kind: eventForged, peer: stranger})
		e.logEvents()
		require.Contains(t, text.String(), "forged packet")
	})
}

// A Logger that does not want level Debug is not asked for every event, but again after
// a while: its level may change.
func TestUnwantedDebugEventsAreNotQueued(t *testing.T) {
	inBubble(t, func(t *testing.T, n *simnet.Network) {
		var text bytes.Buffer
		level := new(slog.LevelVar)
		e := endpointAt(t, n, "10.0.0.1:1", &EndpointConfig{
			Logger: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: level})),
		})
		refused := func() {
			e.event(time.Now(), eventRefused, stranger)
			synctest.Wait()
		}
		refused()
		require.Zero(t, testing.AllocsPerRun(100, func() { e.event(time.Now(), eventRefused, stranger) }))
		level.Set(slog.LevelDebug)
		time.Sleep(quietFor)
		refused()
		require.Contains(t, text.String(), "connection refused")
	})
}

// gridStep is that of the timers of idle connections.
const gridStep = 100 * time.Millisecond

// A connection that leaves idleness just before the time that its shared timer is for
// does not wait for the tick of the grid: pacing goes on.
func TestPacingDoesNotWaitForTheGrid(t *testing.T) {
	for early := 200 * time.Microsecond; early < gridStep; early += 4 * time.Millisecond {
		inBubble(t, func(t *testing.T, n *simnet.Network) {
			time.Sleep(13 * time.Millisecond)
			a, b := endpointAt(t, n, "10.0.0.1:1", nil), endpointAt(t, n, "10.0.0.2:2", nil)
			l, err := b.Listen(nil)
			require.NoError(t, err)
			c, err := a.DialContext(context.Background(), "udt", "10.0.0.2:2", &Config{KeepAlivePeriod: 20 * time.Second})
			require.NoError(t, err)
			s, err := l.AcceptUDT()
			require.NoError(t, err)
			require.NoError(t, c.SetMaxBandwidth(1_500_000)) // a packet each ms
			time.Sleep(5 * time.Second)
			synctest.Wait()
			c.mu.Lock()
			tick := a.started.Add((c.tx.timerAt.Sub(a.started) + gridStep - 1).Truncate(gridStep))
			c.mu.Unlock()
			time.Sleep(time.Until(tick) - early)

			const size = 20_000
			gap := make(chan time.Duration)
			go func() {
				var most time.Duration
				buf := make([]byte, size)
				var last time.Time
				for got := 0; got < size; last = time.Now() {
					k, err := s.Read(buf)
					if err != nil {
						break
					}
					if got += k; !last.IsZero() {
						most = max(most, time.Since(last))
					}
				}
				gap <- most
			}()
			_, err = c.Write(make([]byte, size))
			require.NoError(t, err)
			require.Less(t, <-gap, 10*time.Millisecond)
			require.NoError(t, c.Abort())
			require.NoError(t, s.Abort())
		})
	}
}

// The functions of the user that a new connection calls may use its endpoint.
func TestCongestionControlMayUseTheEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T, n *simnet.Network) {
		a, b := endpointAt(t, n, "10.0.0.1:1", nil), endpointAt(t, n, "10.0.0.2:2", nil)
		config := func(e *Endpoint) *Config {
			return &Config{CongestionControl: func() CongestionControl {
				require.True(t, e.mu.TryLock())
				e.mu.Unlock()
				return NewNative()
			}}
		}
		l, err := b.Listen(config(b))
		require.NoError(t, err)
		c, err := a.DialContext(context.Background(), "udt", "10.0.0.2:2", config(a))
		require.NoError(t, err)
		s, err := l.AcceptUDT()
		require.NoError(t, err)
		require.NoError(t, c.Abort())
		require.NoError(t, s.Abort())
	})
}

// A net.PacketConn of the user's is closed without a lock.
func TestPacketConnIsClosedWithoutALock(t *testing.T) {
	inBubble(t, func(t *testing.T, n *simnet.Network) {
		pc, err := n.Listen(netip.MustParseAddrPort("10.0.0.1:1"))
		require.NoError(t, err)
		w := &closeWatcher{Conn: pc}
		e, err := NewEndpoint(w, nil)
		require.NoError(t, err)
		w.close = func() {
			require.True(t, e.mu.TryLock())
			e.mu.Unlock()
		}
		require.NoError(t, e.Close())
		require.True(t, w.closed)
	})
}

type closeWatcher struct {
	*simnet.Conn
	close  func()
	closed bool
}

func (w *closeWatcher) Close() error {
	w.close()
	w.closed = true
	return w.Conn.Close()
}

// A PacketConn forgets a connection that has ended while others use it: one goroutine
// writes to its peer and another reads its last message. The race detector looks on.
func TestPacketConnForgetsWhileOthersRead(t *testing.T) {
	for range 20 {
		inBubble(t, func(t *testing.T, n *simnet.Network) {
			open := func(addr string) *PacketConn {
				p, err := endpointAt(t, n, addr, nil).ListenPacket(nil)
				require.NoError(t, err)
				return p
			}
			a, b := open("10.0.0.1:1"), open("10.0.0.2:2")
			n.SetDefault(simnet.Link{Delay: 10 * time.Millisecond})
			toB := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.2:2"))
			toA := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.1:1"))
			_, err := a.WriteTo([]byte("x"), toB)
			require.NoError(t, err)
			time.Sleep(time.Second)
			_, err = b.WriteTo([]byte("unread"), toA)
			require.NoError(t, err)
			time.Sleep(time.Second)
			_, err = a.WriteTo(make([]byte, 100_000), toB) // under way when b ends
			require.NoError(t, err)
			for _, peer := range b.peers {
				for _, c := range peer.conns {
					require.NoError(t, c.Abort())
				}
			}
			time.Sleep(15 * time.Millisecond)
			synctest.Wait()
			var both sync.WaitGroup
			both.Go(func() { _, _ = a.WriteTo([]byte("y"), toB) })
			both.Go(func() {
				_ = a.SetReadDeadline(time.Now().Add(time.Second))
				_, _, _ = a.ReadFrom(make([]byte, 100))
			})
			both.Wait()
			both.Go(func() { a.Close() })
			both.Go(func() { b.Close() })
			both.Wait()
		})
	}
}
