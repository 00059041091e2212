//go:build !udtnooffload

package udpio

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// With NotifyRefused each refusal comes with its destination and the datagram.
func TestNotifyRefused(t *testing.T) {
	for listenAt, closedAt := range map[string]string{
		"0.0.0.0:0":   "127.0.0.1:0",
		"127.0.0.1:0": "127.0.0.1:0",
		"[::]:0":      "127.0.0.1:0",
		"[::1]:0":     "[::1]:0",
	} {
		s := listen(t, "udp", listenAt, Options{})
		s.NotifyRefused(true)
		first, second := closedPort(t, closedAt), closedPort(t, closedAt)
		for addr, text := range map[netip.AddrPort]string{first: "first request", second: "second request"} {
			_, err := s.Send(to(addr), []Run{{B: []byte(text)}}, false)
			require.NoError(t, err)
		}
		got := map[netip.AddrPort]string{}
		for len(got) < 2 {
			_, err := s.Recv(make([]byte, 64<<10))
			var refused *RefusedError
			require.ErrorAs(t, err, &refused, listenAt)
			got[refused.Addr] = string(refused.Request)
		}
		require.Equal(t, map[netip.AddrPort]string{first: "first request", second: "second request"}, got, listenAt)
	}
}

// "It is off again after as many calls with off as with on", and off for good after
// more.
func TestNotifyRefusedIsCounted(t *testing.T) {
	s := listen(t, "udp", "127.0.0.1:0", Options{})
	other := listen(t, "udp", "127.0.0.1:0", Options{})
	peer, nobody := to(s.LocalAddr()), to(closedPort(t, "127.0.0.1:0"))
	reports := func() bool {
		_, err := s.Send(nobody, []Run{{B: []byte("x")}}, false)
		require.NoError(t, err)
		_, err = other.Send(peer, []Run{{B: []byte("x")}}, false)
		require.NoError(t, err)
		got := false
		for {
			if _, err := s.Recv(make([]byte, 64<<10)); err == nil {
				return got
			}
			got = true
		}
	}
	s.NotifyRefused(false)
	require.False(t, reports())
	s.NotifyRefused(true)
	s.NotifyRefused(true)
	require.True(t, reports())
	s.NotifyRefused(false)
	require.True(t, reports())
	s.NotifyRefused(false)
	require.False(t, reports())
}

// A reader that already waits hears of refusals when they are turned on.
func TestNotifyRefusedReachesWaitingReader(t *testing.T) {
	s := listen(t, "udp", "[::]:0", Options{})
	done := make(chan error)
	go func() {
		_, err := s.Recv(make([]byte, 64<<10))
		done <- err
	}()
	s.NotifyRefused(true)
	nobody := closedPort(t, "127.0.0.1:0")
	_, err := s.Send(to(nobody), []Run{{B: []byte("x")}}, false)
	require.NoError(t, err)
	var refused *RefusedError
	require.ErrorAs(t, <-done, &refused)
	require.Equal(t, nobody, refused.Addr)
}

// Errors of a read are counted and the read is repeated.
func TestTransientReadErrors(t *testing.T) {
	s := listen(t, "udp", "127.0.0.1:0", Options{}).(*systemSocket)
	script := []unix.Errno{unix.EHOSTUNREACH, unix.ECONNREFUSED, unix.EINTR, unix.ENOBUFS, unix.EMSGSIZE}
	call := s.recv.recvmsg
	s.recv.recvmsg = func(fd uintptr, m *unix.Msghdr, flags int) (int, unix.Errno) {
		if len(script) > 0 {
			errno := script[0]
			script = script[1:]
			return -1, errno
		}
		return call(fd, m, flags)
	}
	_, err := s.Send(to(s.LocalAddr()), []Run{{B: []byte("x")}}, false)
	require.NoError(t, err)
	receive(t, s, 1)
	require.EqualValues(t, 4, s.Info().TransientErrors, "all but EINTR")
}

// A blindConn is a RawConn whose poller reports an error until seen.
type blindConn struct {
	syscall.RawConn
	left int
	seen func()
}

func (c *blindConn) Read(f func(uintptr) bool) error {
	if c.left == 0 {
		return c.RawConn.Read(f)
	}
	if c.left--; c.left == 0 {
		c.seen()
	}
	return errors.New("not pollable")
}

// While the poller reports ErrNotPollable the socket is read without it, with pauses.
func TestReadWithoutPoller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := listen(t, "udp", "127.0.0.1:0", Options{}).(*systemSocket)
		blind := &blindConn{RawConn: s.raw, left: 1000}
		blind.seen = func() {
			_, err := s.Send(to(s.LocalAddr()), []Run{{B: []byte("x")}}, false)
			require.NoError(t, err)
		}
		s.raw = blind
		got, _ := receive(t, s, 1)
		require.Equal(t, [][]byte{[]byte("x")}, got)
		require.EqualValues(t, 1000, s.Info().TransientErrors)
	})
}

// What does not fit into the buffer is lost, whole datagrams before it are not.
func TestTruncatedRead(t *testing.T) {
	s := listen(t, "udp", "127.0.0.1:0", Options{})
	if !s.Info().GRO || !s.Info().GSO {
		t.Skip("no GRO")
	}
	for _, size := range []int{2500, 1000} {
		_, err := s.Send(to(s.LocalAddr()), []Run{{B: pattern(4000), Segment: size}}, false)
		require.NoError(t, err)
		if size == 2500 {
			// Only a part of the first: nothing of use. The next one counts.
			_, err = s.Send(to(s.LocalAddr()), []Run{{B: []byte("x")}}, false)
			require.NoError(t, err)
		}
		b := make([]byte, 2400)
		got, err := s.Recv(b)
		require.NoError(t, err)
		if size == 2500 {
			require.Equal(t, "x", string(b[:got.N]))
			continue
		}
		require.Equal(t, 2000, got.N)
		require.Equal(t, 1000, got.Segment)
		require.Equal(t, pattern(2000), b[:got.N])
	}
}
