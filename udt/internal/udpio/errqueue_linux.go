//go:build !udtnooffload

package udpio

import (
	"bytes"
	"unsafe"

	"golang.org/x/sys/unix"
)

// drain reads the socket's error queue up to the next refusal, and returns nil when the
// queue is empty. Other entries are dropped. An entry has the destination as its name
// and the beginning of the datagram as its content, which goes through the caller's
// buffer. It keeps r.errno.
func (r *receiver) drain(fd uintptr) *RefusedError {
	for {
		n, errno := r.call(fd, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if errno != 0 {
			return nil
		}
		r.socket.transient.Add(1)
		if r.portUnreachable() {
			length := int(r.piece.Len)
			request := unsafe.Slice(r.piece.Base, length)[:min(n, length)]
			return &RefusedError{Addr: r.from(&r.name), Request: bytes.Clone(request)}
		}
	}
}

// portUnreachable reports whether the entry that was read came of ICMP port
// unreachable, the only message that Linux turns into ECONNREFUSED.
func (r *receiver) portUnreachable() bool {
	const size = int(unsafe.Sizeof(unix.SockExtendedErr{}))
	for c := controlsOf(&r.header); c.next(); {
		if !c.is(unix.IPPROTO_IP, unix.IP_RECVERR, size) && !c.is(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, size) {
			continue
		}
		e := (*unix.SockExtendedErr)(c.data)
		icmp := e.Origin == unix.SO_EE_ORIGIN_ICMP || e.Origin == unix.SO_EE_ORIGIN_ICMP6
		return icmp && unix.Errno(e.Errno) == unix.ECONNREFUSED
	}
	return false
}

// controls are the control messages of what was read.
type controls struct {
	rest []byte
	data unsafe.Pointer // of the current message
	size int            // of data
	head *unix.Cmsghdr
}

// controlsOf returns the control messages that the kernel wrote, before the first.
func controlsOf(m *unix.Msghdr) controls {
	return controls{rest: unsafe.Slice(m.Control, m.Controllen)}
}

// next moves to the next message and reports whether there is one.
func (c *controls) next() bool {
	if len(c.rest) < unix.SizeofCmsghdr {
		return false
	}
	c.head = (*unix.Cmsghdr)(unsafe.Pointer(&c.rest[0]))
	length := int(c.head.Len)
	if length < unix.CmsgLen(0) || length > len(c.rest) {
		return false
	}
	c.data = unsafe.Add(unsafe.Pointer(c.head), unix.CmsgLen(0))
	c.size = length - unix.CmsgLen(0)
	c.rest = c.rest[min(unix.CmsgSpace(c.size), len(c.rest)):]
	return true
}

// is reports whether the current message is of that kind and has at least size bytes.
func (c *controls) is(level, kind int32, size int) bool {
	return c.head.Level == level && c.head.Type == kind && c.size >= size
}
