//go:build unix

package udpio

import (
	"net/netip"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// closedPort returns a loopback address where no socket is bound.
func closedPort(t testing.TB, addr string) netip.AddrPort {
	t.Helper()
	s := listen(t, "udp", addr, Options{})
	require.NoError(t, s.Close())
	return s.LocalAddr()
}

// A connected socket reports a refusal, and goes on working.
func TestConnectedSocketReportsRefusal(t *testing.T) {
	for _, sends := range []int{1, 2, 10} {
		addr := closedPort(t, "127.0.0.1:0")
		s := connect(t, addr, Options{})
		for range sends {
			// A send may come upon the refusal of the one before: the reader
			// must hear of it all the same.
			n, err := s.Send(to(addr), []Run{{B: []byte("hello")}}, true)
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
		_, err := s.Recv(make([]byte, 64<<10))
		var refused *RefusedError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, addr, refused.Addr)
		require.Contains(t, refused.Error(), addr.String())

		peer := listen(t, "udp", addr.String(), Options{})
		_, err = peer.Send(to(s.LocalAddr()), []Run{{B: []byte("at last")}}, true)
		require.NoError(t, err)
		b := make([]byte, 64<<10)
		got, err := s.Recv(b)
		for err != nil { // the refusals of the other sends
			require.ErrorAs(t, err, &refused)
			got, err = s.Recv(b)
		}
		require.Equal(t, "at last", string(b[:got.N]))
	}
}

// A reader that already waits hears of a refusal that a send takes from the socket.
func TestWaitingReaderHearsOfRefusal(t *testing.T) {
	addr := closedPort(t, "127.0.0.1:0")
	s := connect(t, addr, Options{})
	done := make(chan error)
	go func() {
		_, err := s.Recv(make([]byte, 64<<10))
		done <- err
	}()
	for range 2 {
		_, err := s.Send(to(addr), []Run{{B: []byte("hello")}}, false)
		require.NoError(t, err)
	}
	var refused *RefusedError
	require.ErrorAs(t, <-done, &refused)
}

// Without NotifyRefused an unconnected socket reports nothing.
func TestUnconnectedSocketIsSilent(t *testing.T) {
	addr := closedPort(t, "127.0.0.1:0")
	s := listen(t, "udp", "127.0.0.1:0", Options{})
	for _, d := range []netip.AddrPort{addr, addr, s.LocalAddr()} {
		_, err := s.Send(to(d), []Run{{B: []byte("x")}}, false)
		require.NoError(t, err)
	}
	receive(t, s, 1)
	require.Zero(t, s.Info().TransientErrors)
}

// NotifyRefused never disturbs, whether or not the system can do it.
func TestNotifyRefusedKeepsTraffic(t *testing.T) {
	s := listen(t, "udp", "127.0.0.1:0", Options{})
	dst := listen(t, "udp", "127.0.0.1:0", Options{})
	nobody := to(closedPort(t, "127.0.0.1:0"))
	peer := to(dst.LocalAddr())
	s.NotifyRefused(true)
	defer s.NotifyRefused(false)
	for range 200 {
		for _, p := range []*Peer{nobody, peer} {
			n, err := s.Send(p, []Run{{B: pattern(300), Segment: 100}}, true)
			require.NoError(t, err)
			require.Equal(t, 3, n)
		}
		got, _ := receive(t, dst, 3)
		require.Len(t, got, 3)
	}
	if runtime.GOOS == "linux" && s.Info().GSO {
		require.NotZero(t, s.Info().TransientErrors, "the refusals must have met the sends")
	}
}
