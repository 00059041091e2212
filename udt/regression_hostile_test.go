package udt_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// Empty and garbled loss lists, of which some look valid, harm nobody.
func TestRegressionGarbledNak(t *testing.T) {
	inBothLabs(t, wan, func(l *lab, c *udt.Config) {
		var mu sync.Mutex
		to := make(map[netip.AddrPort][]byte) // socket ID of each side, as on the wire
		l.net.SetFilter(func(b []byte, _, dest netip.AddrPort) simnet.Verdict {
			mu.Lock()
			defer mu.Unlock()
			to[dest] = append(to[dest][:0], b[12:16]...)
			return simnet.Pass
		})
		a, b := l.pair(c, c)
		ended := make(chan struct{})
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			r := rand.New(rand.NewPCG(1, 2))
			for i := 0; ; i++ {
				select {
				case <-ended:
					return
				case <-time.After(time.Millisecond):
				}
				p := make([]byte, 16+r.IntN(60))
				for j := range p[16:] {
					p[16+j] = byte(r.Uint32())
				}
				if i%3 == 0 && len(p) >= 24 {
					p[16], p[20] = 0x80, 0 // a range from a small number
				}
				p[0], p[1] = 0x80, typeNak
				from, dest := addrA, addrB
				if i%2 == 0 {
					from, dest = dest, from
				}
				mu.Lock()
				copy(p[12:16], to[dest])
				mu.Unlock()
				l.net.Inject(p, from, dest)
			}
		}()
		l.requireTransfer(a, b, noise(1<<20), 64<<10, time.Minute)
		close(ended)
		<-stopped
	})
}

// Nothing is divided by the time between two packets, which is zero on a network
// without delay whose clock stands still meanwhile.
func TestRegressionZeroIntervals(t *testing.T) {
	inBothLabs(t, simnet.Link{}, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		l.requireTransfer(a, b, noise(2<<20), 64<<10, time.Minute)
		for _, c := range []*udt.Conn{a, b} {
			s := c.Stats()
			require.GreaterOrEqual(l, s.RTT, time.Duration(0))
			require.GreaterOrEqual(l, s.RecvRate, int64(0))
		}
	})
}

// Any number of Closes at a time, with calls under way, is one Close.
func TestRegressionConcurrentClose(t *testing.T) {
	inBothLabs(t, wan, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		var all sync.WaitGroup
		var mu sync.Mutex
		closed := make(map[*udt.Conn]int)
		for _, c := range []*udt.Conn{a, b} {
			all.Go(func() {
				for {
					if _, err := c.Write(make([]byte, 10_000)); err != nil {
						return
					}
				}
			})
			all.Go(func() {
				for {
					if _, err := c.Read(make([]byte, 10_000)); err != nil {
						return
					}
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		for i := range 200 {
			c := a
			if i%2 == 1 {
				c = b
			}
			all.Go(func() {
				err := c.Close()
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					closed[c]++
					return
				}
				if !errors.Is(err, net.ErrClosed) {
					l.Errorf("one of many Closes returned %v", err)
				}
			})
		}
		all.Wait()
		require.Equal(l, map[*udt.Conn]int{a: 1, b: 1}, closed)
	})
}

// A Close right after Write cuts nothing off under loss.
func TestRegressionCloseTooFast(t *testing.T) {
	inBothLabs(t, simnet.Link{Delay: 10 * time.Millisecond, Loss: 0.1}, func(l *lab, c *udt.Config) {
		e, listener := l.endpoint(addrA), l.listen(addrB, c)
		for size := 1; size < 100_000; size *= 7 {
			a, b := l.dial(e, c, listener)
			l.requireTransfer(a, b, noise(size), size, time.Minute)
		}
	})
}

// Nothing is sent once both sides have closed.
func TestRegressionSilenceAfterClose(t *testing.T) {
	inBothLabs(t, simnet.Link{Delay: 10 * time.Millisecond, Loss: 0.05}, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		l.requireTransfer(a, b, noise(500<<10), 64<<10, time.Minute)
		time.Sleep(10 * time.Second)
		sent := l.net.Stats().Sent
		time.Sleep(10 * time.Minute)
		require.Equal(l, sent, l.net.Stats().Sent, "datagrams")
	})
}

// A Read that waits learns that the peer has vanished, within the time that
// Config says.
func TestRegressionReaderHangs(t *testing.T) {
	inBothLabs(t, wan, func(l *lab, c *udt.Config) {
		c = c.Clone()
		c.IdleTimeout = 20 * time.Second
		_, b := l.pair(c, c)
		start := time.Now()
		l.cut()
		_, err := b.Read(make([]byte, 1))
		require.ErrorIs(l, err, syscall.ETIMEDOUT)
		require.ErrorIs(l, err, udt.ErrPeerTimeout)
		requireTimeout(l, err)
		l.requireTook(start, time.Second, 25*time.Second, "to notice that the peer has vanished")
	})
}

// The window follows the path: 1 Gbit/s over 100 ms is not limited to the 64
// packets of a window that nobody has set.
func TestRegressionWindowOfTheSender(t *testing.T) {
	link := simnet.Link{Rate: 1e9, Delay: 50 * time.Millisecond, Queue: 10_000}
	inLab(t, link, func(l *lab) {
		a, b := l.pair(nil, nil)
		written := make(chan error, 1)
		go func() {
			_, err := a.Write(noise(24 << 20))
			written <- err
		}()
		most := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = drain(b)
		}()
		for len(written) == 0 {
			time.Sleep(10 * time.Millisecond)
			most = max(most, a.Stats().InFlight)
		}
		require.NoError(l, <-written)
		require.Greater(l, most, 1000, "packets on their way at a time")
		require.NoError(l, a.Close())
		<-done
	})
}

// failingSocket is a socket whose sends fail now and then, each time otherwise.
type failingSocket struct {
	net.PacketConn
	mu sync.Mutex
	n  int
}

func (s *failingSocket) WriteTo(b []byte, addr net.Addr) (int, error) {
	s.mu.Lock()
	s.n++
	n := s.n
	s.mu.Unlock()
	if n%7 == 0 {
		errs := []syscall.Errno{syscall.ENOBUFS, syscall.EPERM, syscall.EIO, syscall.ENETUNREACH}
		return 0, &net.OpError{Op: "write", Net: "udp", Err: errs[n/7%len(errs)]}
	}
	return s.PacketConn.WriteTo(b, addr)
}

// An error of the system when a datagram is sent ends nothing.
func TestRegressionSendErrors(t *testing.T) {
	inBothLabs(t, wan, func(l *lab, c *udt.Config) {
		e, err := udt.NewEndpoint(&failingSocket{PacketConn: l.socket(addrA)}, nil)
		require.NoError(l, err)
		defer e.Close()
		a, b := l.dial(e, c, l.listen(addrB, c))
		l.requireTransfer(a, b, noise(500<<10), 64<<10, time.Minute)
	})
}

// Old packets do not bring a connection back: all that was ever sent is sent
// again, and the listener has nothing to accept.
func TestRegressionStalePacketsAfterClose(t *testing.T) {
	inBothLabs(t, wan, func(l *lab, c *udt.Config) {
		type datagram struct {
			b        []byte
			from, to netip.AddrPort
		}
		var mu sync.Mutex
		var sent []datagram
		l.net.SetFilter(func(b []byte, from, to netip.AddrPort) simnet.Verdict {
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, datagram{append([]byte(nil), b...), from, to})
			return simnet.Pass
		})
		e, listener := l.endpoint(addrA), l.listen(addrB, c)
		a, b := l.dial(e, c, listener)
		l.requireTransfer(a, b, noise(50<<10), 64<<10, time.Minute)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for e.Stats().Connections+listener.Endpoint().Stats().Connections > 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		require.NoError(l, ctx.Err(), "end of the connections")
		l.net.SetFilter(nil)
		for _, pause := range []time.Duration{0, 5 * time.Second, 50 * time.Second} {
			time.Sleep(pause)
			for _, d := range sent {
				l.net.Inject(d.b, d.from, d.to)
			}
			require.NoError(l, listener.SetDeadline(time.Now().Add(time.Second)))
			_, err := listener.Accept()
			requireTimeout(l, err)
			require.Zero(l, e.Stats().Connections)
			require.Zero(l, listener.Endpoint().Stats().Connections)
		}
	})
}

// Timers and goroutines do not come with packets: three hundred idle connections
// that have carried data have no goroutines of their own, and in ten minutes they send no more
// than their keep-alives.
func TestRegressionTickerPerPacket(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		const conns = 300
		e, listener := l.endpoint(addrA), l.listen(addrB, nil)
		synctest.Wait()
		before := runtime.NumGoroutine()
		for range conns {
			a, b := l.dial(e, nil, listener)
			_, err := a.Write(noise(10_000))
			require.NoError(l, err)
			_, err = io.ReadFull(b, make([]byte, 10_000))
			require.NoError(l, err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Less(l, runtime.NumGoroutine(), before+conns/10, "goroutines, those of other tests included")
		sent := l.net.Stats().Sent
		const minutes = 10
		time.Sleep(minutes * time.Minute)
		// A keep-alive each 16 s at the earliest, from both ends.
		require.LessOrEqual(l, l.net.Stats().Sent-sent, uint64(2*conns*minutes*60/16+2*conns), "datagrams")
		require.Equal(l, conns, e.Stats().Connections, "connections that live")
	})
}
