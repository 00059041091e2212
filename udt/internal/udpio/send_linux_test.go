//go:build !udtnooffload

package udpio

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A sent is what one sendmsg was given.
type sent struct {
	pieces []int // bytes in each iovec
	total  int
	// segment is the size given with UDP_SEGMENT, 0 if none was.
	segment int
}

// A faultySend records the messages given to sendmsg and sendmmsg and answers each with
// what answer says (nil: success) for the message's number; where that is 0 it is sent.
// Like the kernel, sendmmsg reports an error only if it is the first message's.
type faultySend struct {
	calls  []sent
	many   []int // messages given to each sendmmsg
	answer func(call int, m sent) unix.Errno
}

// inject puts the faulty system call under s.
func inject(t testing.TB, s Socket, answer func(call int, m sent) unix.Errno) *faultySend {
	t.Helper()
	f := &faultySend{answer: answer}
	s.(*systemSocket).sendmsg = f.sendmsg
	s.(*systemSocket).sendmmsg = f.sendmmsg
	return f
}

func (f *faultySend) sendmmsg(fd uintptr, all []message, flags int) (int, unix.Errno) {
	f.many = append(f.many, len(all))
	for i := range all {
		if _, errno := f.sendmsg(fd, &all[i].header, flags); errno != 0 {
			if i > 0 {
				return i, 0
			}
			return -1, errno
		}
	}
	return len(all), 0
}

func (f *faultySend) sendmsg(fd uintptr, m *unix.Msghdr, flags int) (int, unix.Errno) {
	var got sent
	for _, v := range unsafe.Slice(m.Iov, m.Iovlen) {
		got.pieces = append(got.pieces, int(v.Len))
		got.total += int(v.Len)
	}
	if m.Control != nil {
		all := unsafe.Slice(m.Control, m.Controllen)
		messages, err := unix.ParseSocketControlMessage(all)
		if err != nil {
			panic(err)
		}
		for _, c := range messages {
			if c.Header.Level == unix.SOL_UDP && c.Header.Type == unix.UDP_SEGMENT {
				got.segment = int(*(*uint16)(unsafe.Pointer(&c.Data[0])))
			}
		}
	}
	f.calls = append(f.calls, got)
	if f.answer != nil {
		if errno := f.answer(len(f.calls)-1, got); errno != 0 {
			return -1, errno
		}
	}
	return sendmsg(fd, m, flags)
}

// once answers the first call with errno and makes the others.
func once(errno unix.Errno) func(int, sent) unix.Errno {
	return func(call int, _ sent) unix.Errno {
		if call == 0 {
			return errno
		}
		return 0
	}
}

// segmented answers all segmented sends with errno and makes the others.
func segmented(errno unix.Errno) func(int, sent) unix.Errno {
	return func(_ int, m sent) unix.Errno {
		if m.segment > 0 {
			return errno
		}
		return 0
	}
}

// pair opens a sender with GSO and a receiver, or skips.
func pair(t testing.TB) (src, dst Socket, peer *Peer) {
	t.Helper()
	src = listen(t, "udp", "127.0.0.1:0", Options{})
	if !src.Info().GSO {
		t.Skip("no GSO")
	}
	dst = listen(t, "udp", "127.0.0.1:0", Options{})
	return src, dst, to(dst.LocalAddr())
}

// "One sendmsg ... as long as every piece but the last of the group has the same size",
// at most 64 segments and 65507 bytes; "contiguous pieces share one iovec".
func TestGrouping(t *testing.T) {
	b := pattern(70000)
	for name, c := range map[string]struct {
		runs []Run
		want []sent
	}{
		"one":          {[]Run{{B: b[:100]}}, []sent{{[]int{100}, 100, 0}}},
		"a run":        {[]Run{{B: b[:44*1472], Segment: 1472}}, []sent{{[]int{44 * 1472}, 44 * 1472, 1472}}},
		"short last":   {[]Run{{B: b[:250], Segment: 100}}, []sent{{[]int{250}, 250, 100}}},
		"64 segments":  {[]Run{{B: b[:6550], Segment: 100}}, []sent{{[]int{6400}, 6400, 100}, {[]int{150}, 150, 100}}},
		"65507 bytes":  {[]Run{{B: b[:70000], Segment: 10000}}, []sent{{[]int{60000}, 60000, 10000}, {[]int{10000}, 10000, 0}}},
		"short ends":   {[]Run{{B: b[:250], Segment: 100}, {B: b[300:400]}}, []sent{{[]int{250}, 250, 100}, {[]int{100}, 100, 0}}},
		"longer ends":  {[]Run{{B: b[:50]}, {B: b[100:200]}}, []sent{{[]int{50}, 50, 0}, {[]int{100}, 100, 0}}},
		"scattered":    {[]Run{{B: b[:100]}, {B: b[200:300]}, {B: b[900:950]}}, []sent{{[]int{100, 100, 50}, 250, 100}}},
		"joined":       {[]Run{{B: b[:100]}, {B: b[100:400], Segment: 100}, {B: b[500:600]}}, []sent{{[]int{400, 100}, 500, 100}}},
		"short middle": {[]Run{{B: b[:100]}, {B: b[100:120]}, {B: b[120:220]}}, []sent{{[]int{120}, 120, 100}, {[]int{100}, 100, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			src, dst, peer := pair(t)
			f := inject(t, src, nil)
			n, err := src.Send(peer, c.runs, false)
			require.NoError(t, err)
			require.Equal(t, c.want, f.calls)
			got, _ := receive(t, dst, n)
			require.Equal(t, split(c.runs), got)
		})
	}
}

// "EIO on a segmented send => GSO off for the socket for good, resend unsegmented."
func TestIOErrorEndsSegmentation(t *testing.T) {
	src, dst, peer := pair(t)
	f := inject(t, src, segmented(unix.EIO))
	runs := []Run{{B: pattern(350), Segment: 100}}
	for range 2 {
		n, err := src.Send(peer, runs, false)
		require.NoError(t, err)
		require.Equal(t, 4, n)
		got, _ := receive(t, dst, 4)
		require.Equal(t, split(runs), got)
	}
	require.Len(t, f.calls, 1+4+4, "one segmented send in all")
	require.False(t, src.Info().GSO)
	require.Equal(t, []int{4, 4}, f.many)
	require.EqualValues(t, 1, src.Info().SegmentationFallbacks)
	require.Zero(t, src.Info().TransientErrors)
}

// "EMSGSIZE or EINVAL on a segmented send => send that group singly and no GSO to that
// peer for 10 minutes."
func TestSegmentsTooLargeForThePath(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EMSGSIZE, unix.EINVAL} {
		synctest.Test(t, func(t *testing.T) {
			src, dst, peer := pair(t)
			f := inject(t, src, once(errno))
			runs := []Run{{B: pattern(250), Segment: 100}}
			send := func(peer *Peer, calls int) {
				t.Helper()
				before := len(f.calls)
				n, err := src.Send(peer, runs, false)
				require.NoError(t, err)
				require.Equal(t, 3, n)
				got, _ := receive(t, dst, 3)
				require.Equal(t, split(runs), got)
				require.Equal(t, calls, len(f.calls)-before)
			}
			send(peer, 1+3)
			send(to(dst.LocalAddr()), 1) // other peers are not concerned
			time.Sleep(10*time.Minute - 1)
			send(peer, 3)
			time.Sleep(time.Nanosecond)
			send(peer, 1)
			require.True(t, src.Info().GSO)
			require.EqualValues(t, 1, src.Info().SegmentationFallbacks)
		})
	}
}

// "EMSGSIZE on a single datagram => count it as sent", as whatever else is wrong with
// one.
func TestRefusedDatagramCountsAsSent(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EMSGSIZE, unix.EINVAL, unix.EACCES, unix.EIO} {
		src, dst, peer := pair(t)
		inject(t, src, once(errno))
		b := pattern(350)
		n, err := src.Send(peer, []Run{{B: b[:50]}, {B: b[50:], Segment: 100}}, false)
		require.NoError(t, err)
		require.Equal(t, 4, n)
		got, _ := receive(t, dst, 3)
		require.Equal(t, split([]Run{{B: b[50:], Segment: 100}}), got)
		require.EqualValues(t, 1, src.Info().TransientErrors)
		require.Zero(t, src.Info().SegmentationFallbacks)
	}
}

// "ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EPROTO, EPERM ... repeat up to 3 times, then
// count as sent."
func TestMisdirectedErrors(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EPROTO, unix.EPERM} {
		for failures := 1; failures <= 5; failures++ {
			src, dst, peer := pair(t)
			f := inject(t, src, func(call int, _ sent) unix.Errno {
				if call < failures {
					return errno
				}
				return 0
			})
			b := pattern(300)
			n, err := src.Send(peer, []Run{{B: b[:200], Segment: 100}, {B: b[:250], Segment: 250}}, false)
			require.NoError(t, err)
			require.Equal(t, 3, n)
			require.EqualValues(t, failures, src.Info().TransientErrors)
			require.Len(t, f.calls, 2+min(failures, 3)+max(failures-4, 0))
			want := split([]Run{{B: b[:200], Segment: 100}, {B: b[:250]}})
			if failures > 3 {
				want = want[2:]
			}
			got, _ := receive(t, dst, len(want))
			require.Equal(t, want, got)
		}
	}
}

// "ErrNoBuffers: the system's queue is full, the rest was not sent."
func TestNoBuffersHalfWay(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOBUFS, unix.ENOMEM} {
		for _, wait := range []bool{false, true} {
			src, dst, peer := pair(t)
			inject(t, src, func(call int, _ sent) unix.Errno {
				if call == 1 {
					return errno
				}
				return 0
			})
			runs := []Run{{B: pattern(15000), Segment: 100}}
			n, err := src.Send(peer, runs, wait)
			require.ErrorIs(t, err, ErrNoBuffers)
			require.Equal(t, maxSegments, n)
			got, _ := receive(t, dst, n)
			require.Equal(t, split(runs)[:n], got)
		}
	}
}

// "EIO ... resend unsegmented", and then the queue is full.
func TestFallbackThenNoBuffers(t *testing.T) {
	src, dst, peer := pair(t)
	inject(t, src, func(call int, m sent) unix.Errno {
		switch {
		case m.segment > 0:
			return unix.EIO
		case call >= 3:
			return unix.ENOBUFS
		}
		return 0
	})
	runs := []Run{{B: pattern(1000), Segment: 100}}
	n, err := src.Send(peer, runs, false)
	require.ErrorIs(t, err, ErrNoBuffers)
	require.Equal(t, 2, n)
	got, _ := receive(t, dst, n)
	require.Equal(t, split(runs)[:n], got)
}

// "EINTR retry."
func TestInterruptedSend(t *testing.T) {
	src, dst, peer := pair(t)
	f := inject(t, src, once(unix.EINTR))
	n, err := src.Send(peer, []Run{{B: pattern(200), Segment: 100}}, false)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	receive(t, dst, 2)
	require.Len(t, f.calls, 2)
	require.Zero(t, src.Info().TransientErrors)
}

// "With wait unset it never waits for room: ErrWouldBlock", not even while another
// goroutine does.
func TestSendWithoutWaiting(t *testing.T) {
	src, dst, peer := pair(t)
	const blocked = 777 // there is never room for a datagram of so many bytes
	entered := make(chan struct{}, 2)
	s := src.(*systemSocket)
	s.sendmsg = func(fd uintptr, m *unix.Msghdr, flags int) (int, unix.Errno) {
		if m.Iov.Len == blocked {
			entered <- struct{}{}
			return -1, unix.EAGAIN
		}
		return sendmsg(fd, m, flags)
	}

	n, err := src.Send(peer, []Run{{B: pattern(200), Segment: 100}, {B: pattern(blocked)}}, false)
	require.ErrorIs(t, err, ErrWouldBlock)
	require.Equal(t, 2, n)
	receive(t, dst, 2)
	<-entered

	// One waits for room. It has the write lock of the descriptor from its second
	// try on.
	done := make(chan error)
	go func() {
		_, err := src.Send(to(dst.LocalAddr()), []Run{{B: pattern(blocked)}}, true)
		done <- err
	}()
	<-entered
	<-entered
	n, err = src.Send(peer, []Run{{B: pattern(300), Segment: 100}}, false)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	receive(t, dst, 3)
	go func() {
		for range entered { // the room that our send freed may have woken it
		}
	}()
	require.NoError(t, src.Close())
	require.ErrorIs(t, <-done, net.ErrClosed)
	close(entered)
}

// "With wait set it first tries that, then waits."
func TestSendWaits(t *testing.T) {
	src, dst, peer := pair(t)
	other := listen(t, "udp", "127.0.0.1:0", Options{})
	sink, err := unix.Getsockname(fdOf(t, other))
	require.NoError(t, err)
	f := inject(t, src, nil)
	f.answer = func(call int, _ sent) unix.Errno {
		switch call {
		case 1: // the first try of the second group
			return unix.EAGAIN
		case 2: // the poller's: room comes after it
			require.NoError(t, unix.Sendto(fdOf(t, src), []byte("x"), 0, sink))
			return unix.EAGAIN
		}
		return 0
	}
	runs := []Run{{B: pattern(12000), Segment: 100}}
	n, err := src.Send(peer, runs, true)
	require.NoError(t, err)
	require.Equal(t, 120, n)
	require.Len(t, f.calls, 4)
	got, _ := receive(t, dst, n)
	require.Equal(t, split(runs), got)
}

// fdOf returns the descriptor of s.
func fdOf(t testing.TB, s Socket) (fd int) {
	t.Helper()
	raw, err := s.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(f uintptr) { fd = int(f) }))
	return fd
}

// "A few hundred bytes at most."
func TestPeerIsSmall(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(Peer{}), uintptr(256))
}
