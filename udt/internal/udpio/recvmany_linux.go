//go:build !udtnooffload

package udpio

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A message is the kernel's struct mmsghdr.
type message struct {
	header unix.Msghdr
	n      uint32 // bytes sent or received
}

// A manyCall is sendmmsg or recvmmsg. It returns the number of messages, at least 1,
// and 0; or the error number of the first.
type manyCall func(fd uintptr, m []message, flags int) (int, unix.Errno)

func recvmmsg(fd uintptr, m []message, flags int) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), uintptr(flags), 0, 0)
	return int(n), errno
}

func sendmmsg(fd uintptr, m []message, flags int) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), uintptr(flags), 0, 0)
	return int(n), errno
}

// A reception is one recvmmsg: what the kernel writes, and the datagrams until they
// are handed out. A socket without GRO has one from a successful call to the last of
// its datagrams and none while it waits: with many sockets that is what counts. The
// copy out of it costs little beside what the kernel does for single datagrams.
type reception struct {
	arrivals
	slots
	messages [maxArrivals]message
	pieces   [maxArrivals][2]unix.Iovec
	names    [maxArrivals]unix.RawSockaddrInet6
	oobs     [maxArrivals][16]uint64 // aligned as a Cmsghdr must be: more than one pktinfo
}

var receptions = sync.Pool{New: func() any {
	p := new(reception)
	for i := range p.messages {
		h := &p.messages[i].header
		h.Name = (*byte)(unsafe.Pointer(&p.names[i]))
		h.Control = (*byte)(unsafe.Pointer(&p.oobs[i]))
		h.Iov = &p.pieces[i][0]
		h.SetIovlen(2)
		p.ready(i)
	}
	return p
}}

// ready sets what the kernel overwrites of a message.
func (p *reception) ready(i int) {
	m := &p.messages[i]
	m.header.Namelen = uint32(unsafe.Sizeof(p.names[i]))
	m.header.SetControllen(int(unsafe.Sizeof(p.oobs[i])))
	m.header.Flags = 0
}

// layout makes slots of so many bytes.
func (p *reception) layout(size int) {
	if p.size == size {
		return
	}
	p.size = size
	for i := range p.count() {
		p.pieces[i][0].Base = &p.slot(i)[0]
		p.pieces[i][0].SetLen(size)
		p.pieces[i][1].Base = &p.spill[0]
		p.pieces[i][1].SetLen(len(p.spill))
	}
}

// callMany reads as many datagrams as there are, up to the limit. They are then in
// r.many.
func (r *receiver) callMany(fd uintptr) unix.Errno {
	p := receptions.Get().(*reception)
	p.layout(r.sizes.now())
	for {
		n, errno := r.recvmmsg(fd, p.messages[:p.count()], unix.MSG_DONTWAIT)
		switch errno {
		case 0:
			r.unpack(p, n)
			r.many = p
			return 0
		case unix.EINTR:
			continue
		case unix.ENOSYS:
			r.alone = true
		}
		receptions.Put(p)
		return errno
	}
}

// unpack makes arrivals of n messages.
func (r *receiver) unpack(p *reception, n int) {
	largest, spilled := 0, 0 // spilled is the last that has used the spill
	for i := range n {
		got := int(p.messages[i].n)
		largest = max(largest, got)
		if got > p.size {
			spilled = i
		}
	}
	r.sizes.note(largest)
	for i := range n {
		m := &p.messages[i]
		got := int(m.n)
		switch {
		case got > p.size && i != spilled:
			r.socket.transient.Add(1)
		case got > 0:
			a := arrival{from: r.from(&p.names[i])}
			a.data, a.rest = p.datagram(i, got)
			_, a.local = r.parseControl(&m.header)
			p.add(a)
		}
		p.ready(i)
	}
}

// take hands out the next run of what callMany has read. It reports false if there
// is none.
func (r *receiver) take(b []byte) (Received, bool) {
	if r.many == nil {
		return Received{}, false
	}
	got, lost := r.many.take(b)
	r.socket.transient.Add(uint64(lost))
	if r.many.empty() {
		receptions.Put(r.many)
		r.many = nil
	}
	return got, got.N > 0
}
