//go:build !udtnooffload

package udpio

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// maxSegments is UDP_MAX_SEGMENTS of the kernels that have the lowest limit.
	maxSegments = 64

	// maxPayload is the payload of the largest IPv4 datagram, which the kernel
	// makes of a group before it cuts it.
	maxPayload = 65507

	// noSegmentsFor is how long a peer is spared segmented sends after one was
	// refused: about as long as the kernel remembers a path's MTU.
	noSegmentsFor = 10 * time.Minute
)

// A transmission is one sendmsg or sendmmsg: what the kernel reads and the functions
// that the runtime's poller calls. It is pooled, so that a Send allocates nothing.
type transmission struct {
	header   unix.Msghdr
	pieces   [maxSegments]unix.Iovec
	used     int       // pieces to clear after the Send
	many     *envelope // nil before the first use
	errno    unix.Errno
	sendmsg  messageCall
	sendmmsg manyCall
	control  func(fd uintptr)      // t.once, made once
	write    func(fd uintptr) bool // t.unlessFull, made once
}

// transmissions serve all sockets: one that is used for a short time needs none of its
// own.
var transmissions = sync.Pool{New: func() any { return newTransmission() }}

func newTransmission() *transmission {
	t := &transmission{}
	t.header.Iov = &t.pieces[0]
	t.control = t.once
	t.write = t.unlessFull
	return t
}

// once sends, without waiting.
func (t *transmission) once(fd uintptr) {
	for {
		if t.many != nil && t.many.count > 0 {
			t.errno = t.onceMany(fd)
		} else {
			_, t.errno = t.sendmsg(fd, &t.header, unix.MSG_DONTWAIT)
		}
		if t.errno != unix.EINTR {
			return
		}
	}
}

// unlessFull sends, and returns false to be called again when there is room.
func (t *transmission) unlessFull(fd uintptr) bool {
	t.once(fd)
	return t.errno != unix.EAGAIN
}

// gather collects the datagrams at c that may leave in one call, at most limit of
// them. It returns the position after them, their number, and the size of all but the
// last.
func (t *transmission) gather(c cursor, limit int) (next cursor, count, size int) {
	total, used := 0, 0
	var end uintptr // of the last piece, to join what is contiguous
	for count < limit {
		d := c.peek()
		if d == nil || count > 0 && (len(d) > size || total+len(d) > maxPayload) {
			break
		}
		if count == 0 {
			size = len(d)
		}
		start := uintptr(unsafe.Pointer(&d[0]))
		if used > 0 && start == end {
			last := &t.pieces[used-1]
			last.SetLen(int(last.Len) + len(d))
		} else {
			t.pieces[used].Base = &d[0]
			t.pieces[used].SetLen(len(d))
			used++
		}
		end = start + uintptr(len(d))
		total += len(d)
		count++
		c.advance(d)
		if len(d) < size {
			break // only the last may be shorter
		}
	}
	t.used = max(t.used, used)
	t.header.SetIovlen(used)
	return c, count, size
}

// release drops the references to the caller's memory.
func (t *transmission) release() {
	clear(t.pieces[:t.used])
	t.used = 0
	t.header.Name, t.header.Control = nil, nil
	if t.many != nil {
		clear(t.many.messages[:t.many.used])
		t.many.used = 0
	}
}

// Send implements Socket.
func (s *systemSocket) Send(p *Peer, runs []Run, wait bool) (int, error) {
	t := transmissions.Get().(*transmission)
	t.sendmsg, t.sendmmsg = s.sendmsg, s.sendmmsg
	n, err := s.send(t, p, runs, wait)
	t.release()
	transmissions.Put(t)
	// The kernel was given addresses, of which only the first of each contiguous
	// piece was visible to the garbage collector.
	runtime.KeepAlive(runs)
	return n, err
}

func (s *systemSocket) send(t *transmission, p *Peer, runs []Run, wait bool) (sent int, err error) {
	reachable := p.prepare(s.form)
	for c := (cursor{runs: runs}); ; {
		limit := s.limit(p)
		var next cursor
		var count, size int
		if limit == 1 && reachable && !s.alone.Load() {
			next, count, err = s.sendMany(t, p, c, wait)
		} else if next, count, size = t.gather(c, limit); count > 0 {
			err = s.sendOne(t, p, count, size, wait, reachable)
		}
		switch {
		case count == 0, err != nil:
			return sent, err
		case t.errno == 0:
		case t.errno == unix.EAGAIN:
			return sent, ErrWouldBlock
		case t.errno == unix.ENOBUFS, t.errno == unix.ENOMEM:
			s.transient.Add(1)
			return sent, ErrNoBuffers
		case t.errno == unix.ENOSYS && s.alone.CompareAndSwap(false, true):
			continue // without sendmmsg
		case count > 1 && s.stopSegments(p, t.errno):
			continue // the same datagrams, without GSO
		default:
			s.transient.Add(1) // as if lost on the path
		}
		sent += count
		c = next
	}
}

// sendOne sends the count datagrams that t.gather has collected, as one message.
func (s *systemSocket) sendOne(t *transmission, p *Peer, count, size int, wait, reachable bool) error {
	if !reachable {
		t.errno = unix.EAFNOSUPPORT
		return nil
	}
	p.sys.address(&t.header, count, size)
	return s.transmit(t, wait)
}

// limit returns how many datagrams a send to p may carry.
func (s *systemSocket) limit(p *Peer) int {
	if s.gso.Load() && p.sys.maySegment() {
		return maxSegments
	}
	return 1
}

// stopSegments decides what an error of a segmented send means: GSO may be impossible
// here or to that peer. It reports whether the datagrams are worth sending singly.
func (s *systemSocket) stopSegments(p *Peer, errno unix.Errno) bool {
	switch errno {
	case unix.EIO:
		// The device cannot compute checksums.
		s.gso.Store(false)
	case unix.EMSGSIZE, unix.EINVAL:
		// The segments do not fit the path, where single datagrams may be
		// fragmented.
		p.sys.noSegmentsUntil = time.Now().Add(noSegmentsFor)
	default:
		return false
	}
	s.fallbacks.Add(1)
	return true
}

// transmit makes the call and leaves its result in t.errno. The error is that of a
// closed socket.
func (s *systemSocket) transmit(t *transmission, wait bool) error {
	for repeat := 0; ; repeat++ {
		// Control does not take the descriptor's write lock, which a goroutine
		// that waits for room holds.
		err := s.raw.Control(t.control)
		if err == nil && wait && t.errno == unix.EAGAIN {
			err = s.raw.Write(t.write)
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return net.ErrClosed
			}
			// Somebody has set a write deadline: EAGAIN stands.
			s.transient.Add(1)
			return nil
		}
		if repeat == sendRepeats || !misdirected(t.errno) {
			return nil
		}
		s.transient.Add(1)
		if s.form == formConnected && t.errno == unix.ECONNREFUSED {
			s.handoff.put(&s.handoff.refused, s.conn)
		}
	}
}
