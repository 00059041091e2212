//go:build !udtnooffload

package udpio

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// plainPair opens a sender and a receiver without GSO and GRO.
func plainPair(t testing.TB) (src, dst Socket, peer *Peer) {
	t.Helper()
	src = listen(t, "udp", "127.0.0.1:0", Options{DisableOffload: true})
	dst = listen(t, "udp", "127.0.0.1:0", Options{DisableOffload: true})
	return src, dst, to(dst.LocalAddr())
}

// Without GSO one sendmmsg takes up to 64 datagrams of any sizes, each a message.
func TestManyMessages(t *testing.T) {
	b := pattern(20000)
	for name, c := range map[string]struct {
		runs []Run
		many []int
	}{
		"one":         {[]Run{{B: b[:100]}}, nil},
		"a run":       {[]Run{{B: b[:4400], Segment: 100}}, []int{44}},
		"mixed sizes": {[]Run{{B: b[:50]}, {B: b[100:4000], Segment: 1472}, {}, {B: b[:16]}}, []int{5}},
		"two calls":   {[]Run{{B: b[:6400], Segment: 50}}, []int{64, 64}},
		"64 and one":  {[]Run{{B: b[:6500], Segment: 100}}, []int{64}}, // the last goes by sendmsg
	} {
		src, dst, peer := plainPair(t)
		f := inject(t, src, nil)
		n, err := src.Send(peer, c.runs, false)
		require.NoError(t, err, name)
		require.Len(t, f.calls, n, name)
		require.Equal(t, c.many, f.many, name)
		got, _ := receive(t, dst, n)
		require.Equal(t, split(c.runs), got, name)
	}
}

// A call that took only some is repeated with the rest, and so finds out why: "the
// datagrams that were not counted were not sent".
func TestManyMessagesHalfWay(t *testing.T) {
	for errno, want := range map[unix.Errno]error{
		unix.EAGAIN:  ErrWouldBlock,
		unix.ENOBUFS: ErrNoBuffers,
		unix.ENOMEM:  ErrNoBuffers,
	} {
		src, dst, peer := plainPair(t)
		f := inject(t, src, func(call int, _ sent) unix.Errno {
			if call >= 7 {
				return errno
			}
			return 0
		})
		runs := []Run{{B: pattern(250), Segment: 100}, {B: pattern(2000), Segment: 100}}
		n, err := src.Send(peer, runs, false)
		require.ErrorIs(t, err, want)
		require.Equal(t, 7, n)
		require.Equal(t, []int{23, 16}, f.many)
		got, _ := receive(t, dst, n)
		require.Equal(t, split(runs)[:n], got)
	}
}

// "A datagram that the system refuses for any other reason counts as taken", and the
// others of the call are sent.
func TestManyMessagesOneRefused(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EMSGSIZE, unix.EINVAL, unix.EACCES, unix.EIO} {
		for _, position := range []int{0, 3, 9} {
			src, dst, peer := plainPair(t)
			const refused = 77 // bytes
			inject(t, src, func(_ int, m sent) unix.Errno {
				if m.total == refused {
					return errno
				}
				return 0
			})
			var runs []Run
			for i := range 10 {
				runs = append(runs, Run{B: pattern(100 + i)})
			}
			runs[position].B = pattern(refused)
			n, err := src.Send(peer, runs, false)
			require.NoError(t, err)
			require.Equal(t, 10, n)
			want := split(append(append([]Run{}, runs[:position]...), runs[position+1:]...))
			got, _ := receive(t, dst, 9)
			require.Equal(t, want, got)
			require.EqualValues(t, 1, src.Info().TransientErrors)
			require.Zero(t, src.Info().SegmentationFallbacks)
		}
	}
}

// "Repeat up to 3 times, then count as sent": the datagram that met the error, not the
// call.
func TestManyMessagesMisdirectedErrors(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.EPERM} {
		for failures := 1; failures <= 5; failures++ {
			src, dst, peer := plainPair(t)
			inject(t, src, func(call int, _ sent) unix.Errno {
				if call < failures {
					return errno
				}
				return 0
			})
			runs := []Run{{B: pattern(450), Segment: 100}}
			n, err := src.Send(peer, runs, false)
			require.NoError(t, err)
			require.Equal(t, 5, n)
			require.EqualValues(t, failures, src.Info().TransientErrors)
			want := split(runs)
			if failures > 3 {
				want = want[1:]
			}
			got, _ := receive(t, dst, len(want))
			require.Equal(t, want, got)
		}
	}
}

// "With wait set it waits for room", also in the middle of a batch; EINTR is nothing.
func TestManyMessagesWait(t *testing.T) {
	src, dst, peer := plainPair(t)
	other := listen(t, "udp", "127.0.0.1:0", Options{})
	sink, err := unix.Getsockname(fdOf(t, other))
	require.NoError(t, err)
	inject(t, src, func(call int, _ sent) unix.Errno {
		switch call {
		case 0:
			return unix.EINTR
		case 5, 6:
			return unix.EAGAIN
		case 7: // the poller's: room comes after it
			require.NoError(t, unix.Sendto(fdOf(t, src), []byte("x"), 0, sink))
			return unix.EAGAIN
		}
		return 0
	})
	runs := []Run{{B: pattern(1000), Segment: 100}}
	n, err := src.Send(peer, runs, true)
	require.NoError(t, err)
	require.Equal(t, 10, n)
	require.Zero(t, src.Info().TransientErrors)
	got, _ := receive(t, dst, n)
	require.Equal(t, split(runs), got)
}

// A system without sendmmsg and recvmmsg gets single messages.
func TestWithoutManyMessages(t *testing.T) {
	src, dst, peer := plainPair(t)
	src.(*systemSocket).sendmmsg = func(uintptr, []message, int) (int, unix.Errno) { return -1, unix.ENOSYS }
	dst.(*systemSocket).recv.recvmmsg = func(uintptr, []message, int) (int, unix.Errno) { return -1, unix.ENOSYS }
	require.Equal(t, maxSegments, src.Info().MaxRun)
	runs := []Run{{B: pattern(1000), Segment: 100}}
	for range 2 {
		n, err := src.Send(peer, runs, false)
		require.NoError(t, err)
		require.Equal(t, 10, n)
		got, _ := receive(t, dst, n)
		require.Equal(t, split(runs), got)
	}
	require.Equal(t, 1, src.Info().MaxRun)
	require.Zero(t, src.Info().TransientErrors)
}
