package simnet

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReadDeadlineEndsAWaitingRead(t *testing.T) {
	run(t, Config{}, func(t *testing.T, b *bed) {
		start := time.Now()
		require.NoError(t, b.b.SetReadDeadline(start.Add(time.Second)))
		_, _, err := b.b.ReadFrom(make([]byte, 1))
		require.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var ne net.Error
		require.ErrorAs(t, err, &ne)
		require.True(t, ne.Timeout())

		b.send(0, 10)
		_, _, err = b.b.ReadFrom(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "also if there is something to read")
		require.NoError(t, b.b.SetReadDeadline(time.Time{}))
		_, _, err = b.b.ReadFrom(make([]byte, 1))
		require.NoError(t, err)
	})
}

func TestReadDeadlineCanMoveWhileWaiting(t *testing.T) {
	for name, to := range map[string]time.Duration{"later": 3 * time.Second, "earlier": 700 * time.Millisecond, "past": -1} {
		t.Run(name, func(t *testing.T) {
			run(t, Config{}, func(t *testing.T, b *bed) {
				start := time.Now()
				require.NoError(t, b.b.SetDeadline(start.Add(time.Second)))
				failed := make(chan time.Duration)
				go func() {
					_, _, err := b.b.ReadFrom(make([]byte, 1))
					require.ErrorIs(t, err, os.ErrDeadlineExceeded)
					failed <- time.Since(start)
				}()
				time.Sleep(500 * time.Millisecond)
				require.NoError(t, b.b.SetDeadline(start.Add(to)))
				require.Equal(t, max(to, 500*time.Millisecond), <-failed)
			})
		})
	}
}

func TestWriteDeadline(t *testing.T) {
	run(t, Config{}, func(t *testing.T, b *bed) {
		require.NoError(t, b.a.SetWriteDeadline(time.Now().Add(time.Second)))
		b.send(0, 10)
		time.Sleep(time.Second)
		_, err := b.a.WriteTo([]byte("x"), b.b.LocalAddr())
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, b.a.SetWriteDeadline(time.Time{}))
		b.send(1, 10)
		require.Equal(t, []int{0, 1}, numbers(b.drain()))
	})
}

func TestCloseOfAConn(t *testing.T) {
	run(t, Config{}, func(t *testing.T, b *bed) {
		failed := make(chan error)
		go func() {
			_, _, err := b.b.ReadFrom(make([]byte, 1))
			failed <- err
		}()
		synctest.Wait()
		require.NoError(t, b.b.SetDeadline(time.Now().Add(time.Hour)))
		require.NoError(t, b.b.Close())

		_, _, readErr := b.b.ReadFrom(make([]byte, 1))
		_, writeErr := b.b.WriteTo([]byte("x"), b.a.LocalAddr())
		for op, err := range map[string]error{
			"read": <-failed, "write": writeErr, "set": b.b.SetDeadline(time.Time{}), "close": b.b.Close(),
		} {
			var oe *net.OpError
			require.ErrorAs(t, err, &oe)
			require.Equal(t, op, oe.Op)
			require.Equal(t, "udp", oe.Net)
			require.ErrorIs(t, err, net.ErrClosed)
		}
		require.ErrorIs(t, readErr, net.ErrClosed)
	})
}

func TestReadTruncatesLikeUDP(t *testing.T) {
	run(t, Config{}, func(t *testing.T, b *bed) {
		for _, s := range []string{"", "long one", "next"} {
			_, err := b.a.WriteTo([]byte(s), b.b.LocalAddr())
			require.NoError(t, err)
		}
		buf := make([]byte, 4)
		for _, want := range []string{"", "long", "next"} {
			n, from, err := b.b.ReadFrom(buf)
			require.NoError(t, err)
			require.Equal(t, want, string(buf[:n]))
			require.IsType(t, new(net.UDPAddr), from)
		}
	})
}

func TestWriteErrors(t *testing.T) {
	run(t, Config{}, func(t *testing.T, b *bed) {
		_, err := b.a.WriteTo(nil, nil)
		require.Error(t, err)
		_, err = b.a.WriteTo(nil, (*net.UDPAddr)(nil))
		require.Error(t, err)
		_, err = b.a.WriteTo(nil, &net.TCPAddr{})
		require.Error(t, err)
		_, err = b.a.WriteToUDPAddrPort(nil, netip.AddrPort{})
		require.Error(t, err)
		_, err = b.a.WriteTo(make([]byte, 65508), b.b.LocalAddr())
		require.ErrorIs(t, err, syscall.EMSGSIZE)
		_, err = b.a.WriteTo(make([]byte, 65507), b.b.LocalAddr())
		require.NoError(t, err)
		require.Equal(t, uint64(1), b.net.Stats().Sent)
	})
}
