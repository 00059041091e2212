package udt_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

var legacy = &udt.Config{DisableExtensions: true}

// write writes n bytes of content from position zero on.
func write(t require.TestingT, c *udt.Conn, n int) {
	b := make([]byte, n)
	fillContent(b, 0)
	k, err := c.Write(b)
	require.NoError(t, err)
	require.Equal(t, n, k)
}

// requireContent reads n bytes of content and then end.
func requireContent(t require.TestingT, c *udt.Conn, n int, end error) {
	b, err := io.ReadAll(c)
	if end == io.EOF {
		require.NoError(t, err)
	} else {
		require.ErrorIs(t, err, end)
	}
	require.Len(t, b, n)
	require.True(t, checkContent(b, 0))
}

// requireGone checks that nothing of the connections is left.
func (l *lab) requireGone(conns ...*udt.Conn) {
	l.Helper()
	for _, c := range conns {
		require.Zero(l, c.Endpoint().Stats().Connections)
		require.Zero(l, c.Endpoint().Stats().MemoryHeld)
	}
}

// Close delivers what Write has accepted and costs one round trip; the peer reads
// all of it, then io.EOF, and its writes fail.
func TestCloseDeliversWithinARoundTrip(t *testing.T) {
	for _, config := range []*udt.Config{nil, legacy} {
		inLab(t, wan, func(l *lab) {
			a, b := l.pair(config, config)
			write(l, b, 5000) // a never reads it: that is no reset
			time.Sleep(time.Second)
			write(l, a, 1000)
			start := time.Now()
			require.NoError(l, a.Close())
			l.requireTook(start, 20*time.Millisecond, 31*time.Millisecond, "Close")
			requireContent(l, b, 1000, io.EOF)
			_, err := b.Write([]byte("x"))
			require.ErrorIs(l, err, syscall.EPIPE)
			require.NoError(l, b.Close())
			time.Sleep(time.Second)
			l.requireGone(a, b)
		})
	}
}

// Close does not wait if nothing is unacknowledged.
func TestCloseOfAnIdleConnectionDoesNotWait(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(nil, nil)
		write(l, a, 1000)
		time.Sleep(time.Second)
		start := time.Now()
		require.NoError(l, a.Close())
		l.requireTook(start, 0, 0, "Close")
		requireContent(l, b, 1000, io.EOF)
	})
}

// Close makes blocked calls, and all later ones, fail with net.ErrClosed.
func TestCloseEndsBlockedCalls(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		small := &udt.Config{SendBuffer: 64 << 10, RecvBuffer: 64 << 10}
		a, _ := l.pair(small, small)
		errs := make(chan error, 4)
		go func() {
			_, err := a.Read(make([]byte, 1))
			errs <- err
		}()
		go func() {
			_, err := a.Write(make([]byte, 1<<20))
			errs <- err
		}()
		time.Sleep(time.Second)
		go func() {
			_, err := a.Write(make([]byte, 1))
			errs <- err
		}()
		go func() { errs <- a.Flush(context.Background()) }()
		time.Sleep(time.Second)
		require.Empty(l, errs)
		start := time.Now()
		go a.Close()
		for range 4 {
			require.ErrorIs(l, <-errs, net.ErrClosed)
		}
		l.requireTook(start, 0, 0, "waking")
		for name, call := range map[string]func() error{
			"Close":            a.Close,
			"CloseContext":     func() error { return a.CloseContext(context.Background()) },
			"SetDeadline":      func() error { return a.SetDeadline(time.Time{}) },
			"SetLinger":        func() error { return a.SetLinger(1) },
			"SetKeepAlive":     func() error { return a.SetKeepAlive(true) },
			"SetNoDelay":       func() error { return a.SetNoDelay(true) },
			"SetReadBuffer":    func() error { return a.SetReadBuffer(1 << 20) },
			"SetMaxBandwidth":  func() error { return a.SetMaxBandwidth(1) },
			"CloseRead":        a.CloseRead,
			"SetWriteDeadline": func() error { return a.SetWriteDeadline(time.Now()) },
		} {
			require.ErrorIs(l, call(), net.ErrClosed, name)
		}
		require.Equal(l, addrA.String(), a.LocalAddr().String())
		require.Equal(l, addrB.String(), a.RemoteAddr().String())
	})
}

// Close returns while the peer's window is closed, and what is left is delivered
// in the background when the peer reads.
func TestCloseGoesOnInTheBackground(t *testing.T) {
	for _, config := range []*udt.Config{{}, legacy} {
		inLab(t, wan, func(l *lab) {
			small := config.Clone()
			small.RecvBuffer = 64 << 10
			a, b := l.pair(config, small)
			write(l, a, 200_000)
			start := time.Now()
			require.NoError(l, a.Close())
			l.requireTook(start, 0, 5*time.Second, "Close")
			time.Sleep(2 * time.Minute)
			requireContent(l, b, 200_000, io.EOF)
			time.Sleep(time.Minute)
			l.requireGone(a)
		})
	}
}

// With a dead peer Close returns after a few probe times, and the connection is
// given up within Config.PeerTimeout.
func TestCloseWithADeadPeerReturnsSoon(t *testing.T) {
	for _, config := range []*udt.Config{nil, legacy} {
		inLab(t, wan, func(l *lab) {
			a, _ := l.pair(config, config)
			write(l, a, 1000)
			time.Sleep(time.Second)
			l.cut()
			write(l, a, 100_000)
			start := time.Now()
			require.NoError(l, a.Close())
			l.requireTook(start, 40*time.Millisecond, time.Second, "Close")
			time.Sleep(12 * time.Second)
			l.requireGone(a)
		})
	}
}

// What is still not delivered when Config.Linger ends is discarded, and the peer
// sees a reset behind what did arrive.
func TestLingerEndsTheBackground(t *testing.T) {
	for _, config := range []*udt.Config{{Linger: 5 * time.Second}, {Linger: 5 * time.Second, DisableExtensions: true}} {
		inLab(t, wan, func(l *lab) {
			small := config.Clone()
			small.RecvBuffer = 64 << 10
			a, b := l.pair(config, small)
			write(l, a, 200_000)
			require.NoError(l, a.Close())
			time.Sleep(4 * time.Second)
			require.Equal(l, 1, a.Endpoint().Stats().Connections)
			time.Sleep(3 * time.Second)
			l.requireGone(a)
			got, err := io.ReadAll(b)
			require.Less(l, len(got), 200_000)
			require.True(l, checkContent(got, 0))
			if !config.DisableExtensions {
				require.ErrorIs(l, err, udt.ErrReset)
			}
		})
	}
}

// With a negative Config.Linger, Close discards at once.
func TestNegativeLingerDiscards(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(&udt.Config{Linger: -1}, nil)
		write(l, a, 200_000)
		start := time.Now()
		require.NoError(l, a.Close())
		l.requireTook(start, 0, 0, "Close")
		_, err := drain(b)
		require.ErrorIs(l, err, udt.ErrReset)
	})
}

// SetLinger works as for net.TCPConn: zero discards, a positive number bounds the
// delivery, a negative one restores the default.
func TestSetLinger(t *testing.T) {
	small := &udt.Config{RecvBuffer: 64 << 10}
	for _, test := range []struct {
		name    string
		set     []int
		arrives bool
	}{
		{"zero", []int{0}, false},
		{"positive", []int{3}, false},
		{"negative", []int{-1}, true},
		{"negative after zero", []int{0, -1}, true},
		{"negative after positive", []int{3, -1}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			inLab(t, wan, func(l *lab) {
				a, b := l.pair(nil, small)
				for _, sec := range test.set {
					require.NoError(l, a.SetLinger(sec))
				}
				write(l, a, 200_000)
				start := time.Now()
				require.NoError(l, a.Close())
				l.requireTook(start, 0, 3*time.Second, "Close")
				time.Sleep(10 * time.Second)
				n, err := drain(b)
				if test.arrives {
					require.NoError(l, err)
					require.EqualValues(l, 200_000, n)
				} else {
					require.ErrorIs(l, err, udt.ErrReset)
					require.Less(l, n, int64(200_000))
				}
			})
		})
	}
}

// A positive linger time that is long enough changes nothing.
func TestPositiveLingerDelivers(t *testing.T) {
	inLab(t, simnet.Link{Delay: 50 * time.Millisecond, Loss: 0.2}, func(l *lab) {
		a, b := l.pair(nil, nil)
		require.NoError(l, a.SetLinger(60))
		write(l, a, 200_000)
		go a.Close()
		requireContent(l, b, 200_000, io.EOF)
	})
}

// CloseContext returns nil only when everything was acknowledged.
func TestCloseContext(t *testing.T) {
	t.Run("acknowledged", func(t *testing.T) {
		inLab(t, simnet.Link{Delay: 10 * time.Millisecond, Loss: 0.2}, func(l *lab) {
			a, b := l.pair(nil, nil)
			write(l, a, 100_000)
			require.NoError(l, a.CloseContext(context.Background()))
			require.Equal(l, 100_000, b.Stats().RecvBuffered)
			requireContent(l, b, 100_000, io.EOF)
		})
	})
	t.Run("context", func(t *testing.T) {
		inLab(t, wan, func(l *lab) {
			a, b := l.pair(nil, &udt.Config{RecvBuffer: 64 << 10})
			write(l, a, 200_000)
			start := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), 7*time.Second)
			defer cancel()
			require.ErrorIs(l, a.CloseContext(ctx), context.DeadlineExceeded)
			l.requireTook(start, 7*time.Second, 7*time.Second, "CloseContext")
			requireContent(l, b, 200_000, io.EOF)
		})
	})
	t.Run("peer vanished", func(t *testing.T) {
		inLab(t, wan, func(l *lab) {
			a, _ := l.pair(nil, nil)
			l.cut()
			write(l, a, 1000)
			start := time.Now()
			require.ErrorIs(l, a.CloseContext(context.Background()), udt.ErrPeerTimeout)
			l.requireTook(start, 9*time.Second, 11*time.Second, "CloseContext")
		})
	})
	t.Run("peer aborted", func(t *testing.T) {
		inLab(t, wan, func(l *lab) {
			a, b := l.pair(nil, &udt.Config{RecvBuffer: 64 << 10})
			write(l, a, 200_000)
			time.AfterFunc(time.Second, func() { b.Abort() })
			require.ErrorIs(l, a.CloseContext(context.Background()), udt.ErrReset)
		})
	})
	t.Run("linger ended", func(t *testing.T) {
		inLab(t, wan, func(l *lab) {
			a, _ := l.pair(&udt.Config{Linger: time.Second}, &udt.Config{RecvBuffer: 64 << 10})
			write(l, a, 200_000)
			require.ErrorIs(l, a.CloseContext(context.Background()), udt.ErrReset)
		})
	})
}

// Flush returns when what was written before it has been acknowledged, and fails
// if it never will be.
func TestFlush(t *testing.T) {
	t.Run("acknowledged", func(t *testing.T) {
		inLab(t, simnet.Link{Delay: 10 * time.Millisecond, Rate: 10e6}, func(l *lab) {
			a, b := l.pair(nil, nil)
			require.NoError(l, a.Flush(context.Background()), "nothing to wait for")
			write(l, a, 100_000)
			require.NoError(l, a.Flush(context.Background()))
			require.Equal(l, 100_000, b.Stats().RecvBuffered)
			require.Zero(l, a.Stats().SendBuffered)
			write(l, a, 1)
		})
	})
	t.Run("context", func(t *testing.T) {
		inLab(t, wan, func(l *lab) {
			a, b := l.pair(nil, nil)
			l.net.SetDefault(simnet.Link{Down: true})
			write(l, a, 1000)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			require.ErrorIs(l, a.Flush(ctx), context.DeadlineExceeded)
			l.net.SetDefault(wan)
			require.NoError(l, a.Flush(context.Background()), "the connection goes on")
			require.NoError(l, a.Close())
			requireContent(l, b, 1000, io.EOF)
		})
	})
	for name, test := range map[string]struct {
		end  func(l *lab, b *udt.Conn)
		want error
	}{
		"peer vanishes": {func(l *lab, b *udt.Conn) { l.cut() }, udt.ErrPeerTimeout},
		"peer aborts":   {func(l *lab, b *udt.Conn) { b.Abort() }, udt.ErrReset},
		"peer closes":   {func(l *lab, b *udt.Conn) { b.Close() }, syscall.EPIPE},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, wan, func(l *lab) {
				a, b := l.pair(nil, &udt.Config{RecvBuffer: 64 << 10})
				write(l, a, 200_000)
				time.AfterFunc(time.Second, func() {
					// What has still to arrive is lost with the connection.
					l.net.SetLink(addrA.Addr(), addrB.Addr(), simnet.Link{Down: true})
					test.end(l, b)
				})
				require.ErrorIs(l, a.Flush(context.Background()), test.want)
				require.ErrorIs(l, a.Flush(context.Background()), test.want, "and again")
			})
		})
	}
}

// Abort ends the connection at once: the peer reads what it had, then ErrReset,
// and its writes fail with that too.
func TestAbort(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(nil, nil)
		write(l, a, 1000)
		time.Sleep(time.Second)
		write(l, a, 200_000)
		start := time.Now()
		require.NoError(l, a.Abort())
		l.requireTook(start, 0, 0, "Abort")
		require.ErrorIs(l, a.Close(), net.ErrClosed)
		_, err := a.Read(make([]byte, 1))
		require.ErrorIs(l, err, net.ErrClosed)
		n, err := drain(b)
		require.ErrorIs(l, err, udt.ErrReset)
		require.ErrorIs(l, err, syscall.ECONNRESET)
		require.GreaterOrEqual(l, n, int64(1000))
		_, err = b.Write([]byte("x"))
		require.ErrorIs(l, err, udt.ErrReset)
		b.Close()
		time.Sleep(time.Second)
		l.requireGone(a, b)
	})
}

// Abort cuts short what Close goes on with in the background.
func TestAbortAfterClose(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(nil, &udt.Config{RecvBuffer: 64 << 10})
		write(l, a, 200_000)
		require.NoError(l, a.Close())
		require.NoError(l, a.Abort())
		require.ErrorIs(l, a.Abort(), net.ErrClosed)
		time.Sleep(time.Second)
		l.requireGone(a)
		_, err := drain(b)
		require.ErrorIs(l, err, udt.ErrReset)
	})
}

// CloseRead gives io.EOF, also to blocked reads; the other direction goes on, and
// the peer is not held up.
func TestCloseRead(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(&udt.Config{RecvBuffer: 64 << 10}, nil)
		write(l, b, 1000)
		time.Sleep(time.Second)
		require.NoError(l, a.CloseRead())
		_, err := a.Read(make([]byte, 1))
		require.Equal(l, io.EOF, err)
		b.SetWriteDeadline(time.Now().Add(time.Minute))
		write(l, b, 3<<20)
		require.NoError(l, b.Flush(context.Background()))
		write(l, a, 5000)
		require.NoError(l, a.Close())
		requireContent(l, b, 5000, io.EOF)
	})
}

// Both sides may close at the same time: nobody waits for the other's
// application.
func TestSimultaneousClose(t *testing.T) {
	for _, config := range []*udt.Config{nil, legacy} {
		inLab(t, wan, func(l *lab) {
			a, b := l.pair(config, config)
			write(l, a, 10_000)
			write(l, b, 10_000)
			done := make(chan error, 2)
			start := time.Now()
			go func() { done <- a.Close() }()
			go func() { done <- b.Close() }()
			require.NoError(l, <-done)
			require.NoError(l, <-done)
			l.requireTook(start, 0, 100*time.Millisecond, "both")
			time.Sleep(time.Second)
			l.requireGone(a, b)
		})
	}
}

// The end arrives even if the network loses Shutdowns: whoever still speaks is
// told again.
func TestLostShutdownsAreRepeated(t *testing.T) {
	for _, config := range []*udt.Config{nil, legacy} {
		inLab(t, wan, func(l *lab) {
			a, b := l.pair(config, config)
			write(l, a, 1000)
			require.NoError(l, a.Flush(context.Background()))
			l.net.SetDefault(simnet.Link{Down: true})
			require.NoError(l, a.Close())
			time.Sleep(3 * time.Second) // all repetitions are lost
			l.requireGone(a)
			l.net.SetDefault(wan)
			start := time.Now()
			write(l, b, 1)
			requireContent(l, b, 1000, io.EOF)
			l.requireTook(start, 0, time.Second, "learning the end")
			require.NoError(l, b.Close())
		})
	}
}

// A day of silence costs a bounded number of packets, and the connection still
// works.
func TestIdleConnectionsStayUp(t *testing.T) {
	for name, c := range map[string][2]*udt.Config{
		"extended":               {nil, nil},
		"legacy":                 {legacy, legacy},
		"one without keep-alive": {{KeepAlivePeriod: -1}, nil},
		"both without":           {{KeepAlivePeriod: -1}, {KeepAlivePeriod: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, wan, func(l *lab) {
				a, b := l.pair(c[0], c[1])
				write(l, a, 1000)
				time.Sleep(time.Minute)
				before := l.net.Stats().Sent
				hours := 2
				if name == "extended" {
					hours = 24
				}
				time.Sleep(time.Duration(hours) * time.Hour)
				sent := l.net.Stats().Sent - before
				require.LessOrEqual(l, sent, uint64(hours*3600), "one per second of both sides together")
				require.NotZero(l, sent)
				write(l, b, 1000)
				require.NoError(l, a.Close())
				requireContent(l, b, 1000, io.EOF)
			})
		})
	}
}

// The default keep-alive period is 20 s, give or take a fifth.
func TestKeepAlivePeriod(t *testing.T) {
	for _, test := range []struct {
		set    func(c *udt.Conn) error
		period time.Duration
	}{
		{func(c *udt.Conn) error { return nil }, 20 * time.Second},
		{func(c *udt.Conn) error { return c.SetKeepAlivePeriod(5 * time.Second) }, 5 * time.Second},
		{func(c *udt.Conn) error {
			return errors.Join(c.SetKeepAlivePeriod(5*time.Second), c.SetKeepAlive(false), c.SetKeepAlive(true))
		}, 5 * time.Second},
		{func(c *udt.Conn) error {
			return c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 8 * time.Second})
		}, 8 * time.Second},
	} {
		inLab(t, wan, func(l *lab) {
			a, _ := l.pair(nil, nil)
			require.NoError(l, test.set(a))
			before := l.net.LinkStats(addrA.Addr(), addrB.Addr()).Sent
			time.Sleep(100 * test.period)
			sent := l.net.LinkStats(addrA.Addr(), addrB.Addr()).Sent - before
			require.GreaterOrEqual(l, sent, uint64(80))
			most := uint64(125)
			if test.period == 20*time.Second {
				most *= 2 // the peer, with the same period, may ask at the same moments and be answered
			}
			require.LessOrEqual(l, sent, most)
		})
	}
}

// A peer that vanished is noticed within Config.PeerTimeout if data are on their
// way, otherwise within Config.IdleTimeout.
func TestVanishedPeerIsNoticed(t *testing.T) {
	for _, test := range []struct {
		name      string
		config    udt.Config
		data      bool
		low, high time.Duration
	}{
		{"data", udt.Config{}, true, 9 * time.Second, 11 * time.Second},
		{"data, 3 s", udt.Config{PeerTimeout: 3 * time.Second}, true, 2 * time.Second, 4 * time.Second},
		{"data, never, but idle", udt.Config{PeerTimeout: -1}, true, 55 * time.Second, 61 * time.Second},
		{"idle", udt.Config{}, false, 30 * time.Second, 61 * time.Second},
		{"idle, 10 s", udt.Config{IdleTimeout: 10 * time.Second}, false, 5 * time.Second, 11 * time.Second},
		{"legacy data", udt.Config{DisableExtensions: true}, true, 8 * time.Second, 11 * time.Second},
		{"legacy idle", udt.Config{DisableExtensions: true}, false, 5 * time.Second, 61 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			inLab(t, wan, func(l *lab) {
				a, _ := l.pair(&test.config, &test.config)
				time.Sleep(time.Second)
				l.cut()
				start := time.Now()
				if test.data {
					write(l, a, 1000)
				}
				_, err := a.Read(make([]byte, 1))
				require.ErrorIs(l, err, udt.ErrPeerTimeout)
				require.ErrorIs(l, err, syscall.ETIMEDOUT)
				requireTimeout(l, err)
				require.NotErrorIs(l, err, os.ErrDeadlineExceeded)
				l.requireTook(start, test.low, test.high, "noticing")
				_, err = a.Write([]byte("x"))
				require.ErrorIs(l, err, udt.ErrPeerTimeout)
				require.NoError(l, a.Close())
				l.requireGone(a)
			})
		})
	}
}

// Without time-outs a connection outlives any outage.
func TestNegativeTimeoutsMeanNever(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		never := &udt.Config{PeerTimeout: -1, IdleTimeout: -1}
		a, b := l.pair(never, never)
		l.net.SetDefault(simnet.Link{Down: true})
		write(l, a, 1000)
		time.Sleep(24 * time.Hour)
		l.net.SetDefault(wan)
		require.NoError(l, a.CloseContext(context.Background()))
		requireContent(l, b, 1000, io.EOF)
	})
}

// An outage shorter than Config.PeerTimeout loses nothing.
func TestOutageIsSurvived(t *testing.T) {
	for _, config := range []*udt.Config{nil, legacy} {
		inLab(t, wan, func(l *lab) {
			a, b := l.pair(config, config)
			time.AfterFunc(100*time.Millisecond, func() { l.net.SetDefault(simnet.Link{Down: true}) })
			time.AfterFunc(8*time.Second, func() { l.net.SetDefault(wan) })
			go func() {
				for range 100 {
					a.Write(make([]byte, 1000))
					time.Sleep(5 * time.Millisecond)
				}
				a.Close()
			}()
			n, err := drain(b)
			require.NoError(l, err)
			require.EqualValues(l, 100_000, n)
		})
	}
}

// On a path that loses everything we send while the peer is heard all the time,
// our unanswered data still end the connection within Config.PeerTimeout.
func TestHalfDeadPath(t *testing.T) {
	for _, config := range []*udt.Config{nil, legacy} {
		inLab(t, wan, func(l *lab) {
			a, b := l.pair(config, config)
			time.Sleep(time.Second)
			l.net.SetLink(addrA.Addr(), addrB.Addr(), simnet.Link{Down: true})
			stop := make(chan struct{})
			go func() {
				defer close(stop)
				for {
					if _, err := b.Write(make([]byte, 100)); err != nil {
						return
					}
					time.Sleep(100 * time.Millisecond)
				}
			}()
			start := time.Now()
			write(l, a, 1000)
			_, err := drain(a)
			require.ErrorIs(l, err, udt.ErrPeerTimeout)
			l.requireTook(start, 9*time.Second, 11*time.Second, "noticing")
			<-stop
		})
	}
}
