package udt_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// requireCut requires an end that is not that of a whole stream.
func requireCut(t require.TestingT, err error) {
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF)
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// However a protected stream is cut off, its reader does not take it for whole.
func TestProtectedTruncation(t *testing.T) {
	small := psk(udt.ModeStream)
	small.RecvBuffer = 64 << 10
	for name, cut := range map[string]func(l *lab, a *udt.Conn){
		"Abort": func(_ *lab, a *udt.Conn) { a.Abort() },
		"linger expired": func(_ *lab, a *udt.Conn) {
			a.SetLinger(1)
			a.Close()
		},
		"no linger": func(_ *lab, a *udt.Conn) {
			a.SetLinger(0)
			a.Close()
		},
		"endpoint closed": func(_ *lab, a *udt.Conn) { a.Endpoint().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, wan, func(l *lab) {
				a, b := l.pair(psk(udt.ModeStream), small)
				write(l, a, 200_000) // more than fits
				cut(l, a)
				time.Sleep(5 * time.Second)
				n, err := drain(b)
				requireCut(l, err)
				require.Less(l, n, int64(200_000))
				_, err = b.Write([]byte("x"))
				require.Error(l, err)
			})
		})
	}
	t.Run("path cut", func(t *testing.T) {
		inLab(t, wan, func(l *lab) {
			a, b := l.pair(psk(udt.ModeStream), psk(udt.ModeStream))
			write(l, a, 200_000)
			l.cut()
			_, err := drain(b)
			require.ErrorIs(l, err, udt.ErrPeerTimeout)
		})
	})
	t.Run("tail lost", func(t *testing.T) {
		inLab(t, wan, func(l *lab) {
			// Somebody lets everything pass but the last data: the Shutdown says that
			// they are missing.
			a, b := l.pair(psk(udt.ModeStream), psk(udt.ModeStream))
			a.SetLinger(1)
			write(l, a, 1000)
			time.Sleep(time.Second)
			l.net.SetFilter(func(p []byte, from, _ netip.AddrPort) simnet.Verdict {
				if from == addrA && len(p) > 200 {
					return simnet.Drop
				}
				return simnet.Pass
			})
			write(l, a, 1000)
			a.Close()
			time.Sleep(5 * time.Second)
			n, err := drain(b)
			require.EqualValues(l, 1000, n)
			requireCut(l, err)
		})
	})
}

// A peer to which every copy of the Shutdown was lost learns of the end when it
// speaks again, from a tombstone that has no keys any more. Two tombstones do not
// talk with each other.
func TestProtectedTombstone(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(psk(udt.ModeStream), psk(udt.ModeStream))
		write(l, a, 1000)
		time.Sleep(time.Second)
		var deaf atomic.Bool
		deaf.Store(true)
		l.net.SetFilter(func(_ []byte, from, _ netip.AddrPort) simnet.Verdict {
			if deaf.Load() && from == addrA {
				return simnet.Drop
			}
			return simnet.Pass
		})
		require.NoError(l, a.Close())
		time.Sleep(10 * time.Second)
		require.Zero(l, a.Endpoint().Stats().Connections, "it has given up to tell")
		deaf.Store(false)
		start := time.Now()
		requireContent(l, b, 1000, io.EOF)
		l.requireTook(start, 0, 25*time.Second, "the end")
		require.NoError(l, b.Close())
		sent := func() uint64 {
			return l.net.LinkStats(addrA.Addr(), addrB.Addr()).Sent + l.net.LinkStats(addrB.Addr(), addrA.Addr()).Sent
		}
		before := sent()
		time.Sleep(2 * time.Minute)
		require.LessOrEqual(l, sent()-before, uint64(10))
		l.requireGone(a, b)
	})
}

// Deadlines, Close with what is in the buffers, CloseRead and CloseContext are as in
// plain mode; the rest of their contract is tested by the tests of rows.
func TestProtectedEnds(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(psk(udt.ModeStream), psk(udt.ModeStream))
		start := time.Now()
		require.NoError(l, a.SetReadDeadline(start.Add(time.Second)))
		_, err := a.Read(make([]byte, 1))
		require.ErrorIs(l, err, os.ErrDeadlineExceeded)
		l.requireTook(start, time.Second, time.Second, "Read")

		require.NoError(l, b.CloseRead())
		write(l, a, 8<<20)
		require.NoError(l, a.Flush(context.Background()))
		write(l, b, 1000)
		start = time.Now()
		require.NoError(l, b.CloseContext(context.Background()))
		l.requireTook(start, 20*time.Millisecond, 31*time.Millisecond, "CloseContext")
		require.NoError(l, a.SetReadDeadline(time.Time{}))
		requireContent(l, a, 1000, io.EOF)
		_, err = a.Write([]byte("x"))
		require.ErrorIs(l, err, syscall.EPIPE)
		require.NoError(l, a.Close())
		_, err = a.Read(make([]byte, 1))
		require.ErrorIs(l, err, net.ErrClosed)
		time.Sleep(time.Minute)
		l.requireGone(a, b)
	})
}

// Shutdown of an endpoint waits until protected connections have delivered.
func TestProtectedShutdownDrains(t *testing.T) {
	inLab(t, simnet.Link{Delay: 10 * time.Millisecond, Rate: 10e6}, func(l *lab) {
		a, b := l.pair(psk(udt.ModeStream), psk(udt.ModeStream))
		write(l, a, 1<<20)
		go a.Close()
		ended := make(chan error, 1)
		go func() { ended <- a.Endpoint().Shutdown(context.Background()) }()
		requireContent(l, b, 1<<20, io.EOF)
		require.NoError(l, b.Close())
		require.NoError(l, <-ended)
	})
}
