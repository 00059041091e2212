//go:build !udtnooffload

package udpio

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// countReceives counts the calls of recvmmsg that found something.
func countReceives(s Socket) *int {
	r, n := &s.(*systemSocket).recv, 0
	call := r.recvmmsg
	r.recvmmsg = func(fd uintptr, m []message, flags int) (int, unix.Errno) {
		got, errno := call(fd, m, flags)
		if errno == 0 {
			n++
		}
		return got, errno
	}
	return &n
}

// Without GRO one call reads all that has arrived, from whomever and of any size, and
// it leaves in order as runs of one peer; empty datagrams are nothing.
func TestOneCallReceivesMany(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		dst := listen(t, "udp", addr, Options{DisableOffload: true})
		calls := countReceives(dst)
		x, y := listen(t, "udp4", "127.0.0.1:0", Options{}), listen(t, "udp4", "127.0.0.2:0", Options{})
		send := func(s Socket, local string, sizes ...int) {
			at := netip.AddrPortFrom(netip.MustParseAddr(local), dst.LocalAddr().Port())
			conn, err := s.SyscallConn()
			require.NoError(t, err)
			require.NoError(t, conn.Control(func(fd uintptr) {
				for _, n := range sizes {
					require.NoError(t, unix.Sendto(int(fd), pattern(n), 0, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}))
				}
			}))
		}
		other := "127.0.0.1"
		if !dst.LocalAddr().Addr().Is4() || dst.LocalAddr().Addr().IsUnspecified() {
			other = "127.0.0.9"
		}
		send(x, "127.0.0.1", 1472, 1472, 0, 1472, 16, 40, 1472, 0)
		send(y, "127.0.0.1", 1000)
		send(x, "127.0.0.1", 1472, 20000)
		send(x, other, 20000, 0)

		src1, src2 := x.LocalAddr(), y.LocalAddr()
		here, there := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr(other)
		want := []Received{
			{3*1472 + 16, 1472, src1, here},
			{40, 40, src1, here},
			{1472, 1472, src1, here},
			{1000, 1000, src2, here},
			{1472, 1472, src1, here},
			{20000, 20000, src1, there}, // the first of two that exceed their slots is lost
		}
		for _, w := range want {
			b := make([]byte, 64<<10)
			got, err := dst.Recv(b)
			require.NoError(t, err, addr)
			require.Equal(t, w, got, addr)
			for _, d := range split([]Run{{B: b[:got.N], Segment: got.Segment}}) {
				require.Equal(t, pattern(len(d)), d, addr)
			}
		}
		require.Equal(t, 1, *calls, addr)
		require.EqualValues(t, 1, dst.Info().TransientErrors, addr)

		// Slots have grown: now all of that size arrive.
		send(y, "127.0.0.1", 20000, 20000, 30000, 30000)
		for _, w := range []Received{{40000, 20000, src2, here}, {60000, 30000, src2, here}} {
			b := make([]byte, 64<<10)
			got, err := dst.Recv(b)
			require.NoError(t, err, addr)
			require.Equal(t, w, got, addr)
			require.Equal(t, pattern(w.Segment), b[w.Segment:w.N], addr)
		}
		require.Equal(t, 2, *calls, addr)
	}
}

// What does not fit into the buffer is lost, and nothing else.
func TestManyTooLargeForTheBuffer(t *testing.T) {
	src, dst, peer := plainPair(t)
	_, err := src.Send(peer, []Run{{B: pattern(900)}, {B: pattern(1100)}, {B: pattern(600)}}, false)
	require.NoError(t, err)
	for _, n := range []int{900, 600} {
		b := make([]byte, 1000)
		got, err := dst.Recv(b)
		require.NoError(t, err)
		require.Equal(t, pattern(n), b[:got.N])
	}
	require.EqualValues(t, 1, dst.Info().TransientErrors)
}

// Interrupt comes before what is still to be handed out, and loses nothing of it.
func TestInterruptKeepsArrivals(t *testing.T) {
	src, dst, peer := plainPair(t)
	_, err := src.Send(peer, []Run{{B: pattern(100)}, {B: pattern(200)}}, false)
	require.NoError(t, err)
	b := make([]byte, 64<<10)
	got, err := dst.Recv(b)
	require.NoError(t, err)
	require.Equal(t, 100, got.N)
	dst.Interrupt()
	_, err = dst.Recv(b)
	require.ErrorIs(t, err, ErrInterrupted)
	got, err = dst.Recv(b)
	require.NoError(t, err)
	require.Equal(t, pattern(200), b[:got.N])

	// The wake-up is over: a Recv waits again until there is something.
	_, err = src.Send(peer, []Run{{B: pattern(300)}}, false)
	require.NoError(t, err)
	got, err = dst.Recv(b)
	require.NoError(t, err)
	require.Equal(t, 300, got.N)
	require.Zero(t, dst.Info().TransientErrors)
}

// Errors of a read without GRO are counted and the read is repeated.
func TestTransientErrorsOfMany(t *testing.T) {
	src, dst, peer := plainPair(t)
	script := []unix.Errno{unix.EHOSTUNREACH, unix.ECONNREFUSED, unix.EINTR, unix.ENOBUFS}
	r := &dst.(*systemSocket).recv
	call := r.recvmmsg
	r.recvmmsg = func(fd uintptr, m []message, flags int) (int, unix.Errno) {
		if len(script) > 0 {
			errno := script[0]
			script = script[1:]
			return -1, errno
		}
		return call(fd, m, flags)
	}
	_, err := src.Send(peer, []Run{{B: []byte("x")}}, false)
	require.NoError(t, err)
	receive(t, dst, 1)
	require.EqualValues(t, 3, dst.Info().TransientErrors, "all but EINTR")
}

// Refusals are reported without offload as with it, and the socket is closed as any.
func TestManyRefused(t *testing.T) {
	plain := Options{DisableOffload: true}
	nobody := closedPort(t, "127.0.0.1:0")
	connected, free := connect(t, nobody, plain), listen(t, "udp", "127.0.0.1:0", plain)
	free.NotifyRefused(true)
	for _, s := range []Socket{connected, free} {
		_, err := s.Send(to(nobody), []Run{{B: pattern(250), Segment: 100}}, false)
		require.NoError(t, err)
		_, err = s.Recv(make([]byte, 64<<10))
		var refused *RefusedError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, nobody, refused.Addr)
		require.NoError(t, s.Close())
		for errors.As(err, &refused) { // those of the other datagrams
			_, err = s.Recv(make([]byte, 64<<10))
		}
		require.ErrorIs(t, err, net.ErrClosed)
	}
}
