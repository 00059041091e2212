//go:build !udtnooffload

package udpio

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A receiver is the reading side of a systemSocket: what the kernel writes and the
// functions that the runtime's poller calls. It belongs to the reader goroutine.
type receiver struct {
	socket *systemSocket
	header unix.Msghdr
	piece  unix.Iovec
	name   unix.RawSockaddrInet6
	oob    [32]uint64 // aligned as a Cmsghdr must be: more than all that were asked for

	n       int
	errno   unix.Errno    // EAGAIN if there was nothing
	refusal *RefusedError // from the error queue

	// many is what a call without GRO has read and Recv has not yet handed out.
	many  *reception // nil if nothing
	sizes slotSize
	alone bool // the system cannot receive several datagrams in a call

	// recvmsg and recvmmsg are the system calls. Tests replace them before the
	// first Recv.
	recvmsg  messageCall
	recvmmsg manyCall
	read     func(fd uintptr) bool // r.unlessEmpty, made once
	control  func(fd uintptr)      // calls it without the poller, made once

	backoff backoff
	zones   zoneCache
}

func (r *receiver) init(s *systemSocket) {
	r.socket = s
	r.header.Name = (*byte)(unsafe.Pointer(&r.name))
	r.header.Iov = &r.piece
	r.header.SetIovlen(1)
	r.header.Control = (*byte)(unsafe.Pointer(&r.oob))
	r.recvmsg, r.recvmmsg = recvmsg, recvmmsg
	r.read = r.unlessEmpty
	r.control = func(fd uintptr) { r.unlessEmpty(fd) }
}

// unlessEmpty reads, and returns false to be called again when something has happened
// to the socket.
func (r *receiver) unlessEmpty(fd uintptr) bool {
	if r.errno = unix.ENOSYS; !r.socket.gro && !r.alone {
		r.errno = r.callMany(fd)
	}
	if r.errno == unix.ENOSYS {
		r.n, r.errno = r.call(fd, unix.MSG_DONTWAIT)
	}
	if r.errno == 0 {
		return true
	}
	// The error may have gone to a send, but the entry in the queue is still
	// there: it comes before the wake-up.
	if r.socket.notified.Load() {
		if r.refusal = r.drain(fd); r.refusal != nil {
			return true
		}
	}
	return r.errno != unix.EAGAIN || r.socket.handoff.pending()
}

// call is recvmsg with all lengths set anew.
func (r *receiver) call(fd uintptr, flags int) (int, unix.Errno) {
	for {
		r.header.Namelen = uint32(unsafe.Sizeof(r.name))
		r.header.SetControllen(int(unsafe.Sizeof(r.oob)))
		r.header.Flags = 0
		n, errno := r.recvmsg(fd, &r.header, flags)
		if errno != unix.EINTR {
			return n, errno
		}
	}
}

// Recv implements Socket.
func (s *systemSocket) Recv(b []byte) (Received, error) {
	r := &s.recv
	r.piece.Base = unsafe.SliceData(b)
	r.piece.SetLen(len(b))
	defer func() { r.piece.Base = nil }()
	for {
		if err := s.handoff.take(s.remote); err != nil {
			return Received{}, err
		}
		if got, ok := r.take(b); ok {
			return got, nil
		}
		r.refusal = nil
		switch err := s.raw.Read(r.read); {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return Received{}, net.ErrClosed
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.handoff.woken(s.conn)
			continue
		default:
			// The poller saw nothing but an error (ErrNotPollable), and says
			// so at once until its next event. Meanwhile do without it.
			s.transient.Add(1)
			if s.raw.Control(r.control) != nil {
				return Received{}, net.ErrClosed
			}
		}
		switch {
		case r.refusal != nil:
			return Received{}, r.refusal
		case r.many != nil:
			r.backoff.reset()
		case r.errno == 0:
			if got, ok := r.received(); ok {
				return got, nil
			}
		case r.errno == unix.ECONNREFUSED && s.form == formConnected:
			return Received{}, &RefusedError{Addr: s.remote}
		case s.handoff.pending():
		case r.errno == unix.EAGAIN:
			r.backoff.pause()
		default:
			s.transient.Add(1)
			r.backoff.pause()
		}
	}
}

// received describes what was read. It reports false if there is nothing of use.
func (r *receiver) received() (Received, bool) {
	r.backoff.reset()
	segment, local := r.parseControl(&r.header)
	if segment <= 0 || segment > r.n {
		segment = r.n
	}
	if r.header.Flags&unix.MSG_TRUNC != 0 {
		// The buffer was too small. The last datagram is not whole, unless it
		// ends exactly there: that one cannot tell.
		r.socket.transient.Add(1)
		if segment == r.n {
			return Received{}, false
		}
		r.n -= r.n % segment
	}
	if r.n == 0 {
		return Received{}, false
	}
	return Received{N: r.n, Segment: segment, From: r.from(&r.name), Local: local}, true
}

// parseControl returns the segment size, if the control messages have it, and the
// destination address, that of the socket if they do not have it.
func (r *receiver) parseControl(m *unix.Msghdr) (segment int, local netip.Addr) {
	for c := controlsOf(m); c.next(); {
		switch {
		case c.is(unix.IPPROTO_UDP, unix.UDP_GRO, 4):
			segment = int(*(*int32)(c.data))
		case c.is(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo):
			local = netip.AddrFrom4((*unix.Inet4Pktinfo)(c.data).Addr)
		case c.is(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo):
			local = netip.AddrFrom16((*unix.Inet6Pktinfo)(c.data).Addr).Unmap()
		}
	}
	if !local.IsValid() {
		local = concrete(r.socket.local.Addr())
	}
	return segment, local
}

// from returns the address in name.
func (r *receiver) from(name *unix.RawSockaddrInet6) netip.AddrPort {
	switch name.Family {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), port(&sa.Port))
	case unix.AF_INET6:
		a := netip.AddrFrom16(name.Addr).Unmap()
		if name.Scope_id != 0 && a.Is6() {
			a = a.WithZone(r.zones.name(name.Scope_id))
		}
		return netip.AddrPortFrom(a, port(&name.Port))
	}
	return netip.AddrPort{}
}

// A zoneCache remembers the name of the last IPv6 zone, because asking for it is slow.
type zoneCache struct {
	index uint32
	last  string
}

func (z *zoneCache) name(index uint32) string {
	if z.index != index {
		z.index, z.last = index, strconv.FormatUint(uint64(index), 10)
		if ifi, err := net.InterfaceByIndex(int(index)); err == nil {
			z.last = ifi.Name
		}
	}
	return z.last
}
