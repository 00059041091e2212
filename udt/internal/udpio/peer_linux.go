//go:build !udtnooffload

package udpio

import (
	"net"
	"net/netip"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A systemPeer is what a Peer keeps for a systemSocket: its address and the control
// messages as the kernel reads them.
type systemPeer struct {
	form    addressForm // of the socket that the rest was made for
	nameLen uint8       // 0 for none: a connected socket
	pinLen  uint8       // bytes in control that pin the source; the segment size follows
	name    unix.RawSockaddrInet6
	control [8]uint64 // aligned as a Cmsghdr must be: room for a pktinfo and a UDP_SEGMENT

	// noSegmentsUntil is when segmented sends may be tried again, zero if now.
	noSegmentsUntil time.Time
}

// prepare writes the address for a socket of that form and reports whether it has one:
// an IPv6 address has none on an IPv4 socket.
func (p *Peer) prepare(form addressForm) bool {
	sys := &p.sys
	if sys.form == form {
		return true
	}
	sys.form, sys.nameLen, sys.pinLen = formNone, 0, 0
	switch form {
	case formInet4:
		if !p.addr.Addr().Is4() {
			return false
		}
		sys.nameLen = putSockaddr4(&sys.name, p.addr)
		if p.source.Is4() {
			info := (*unix.Inet4Pktinfo)(sys.putControl(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo))
			*info = unix.Inet4Pktinfo{Spec_dst: p.source.As4()}
		}
	case formInet6:
		if !p.addr.IsValid() {
			return false
		}
		sys.nameLen = putSockaddr6(&sys.name, p.addr)
		if p.source.IsValid() && p.source.Is4() == p.addr.Addr().Is4() {
			info := (*unix.Inet6Pktinfo)(sys.putControl(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo))
			*info = unix.Inet6Pktinfo{Addr: p.source.As16()}
			if p.source.IsLinkLocalUnicast() && p.source.Is6() {
				// A link-local source means nothing without its link.
				info.Ifindex = sys.name.Scope_id
			}
		}
	}
	sys.form = form
	return true
}

// putControl appends a control message that is to stay and returns where its data is.
func (sys *systemPeer) putControl(level, kind int32, size int) unsafe.Pointer {
	data := sys.controlAt(int(sys.pinLen), level, kind, size)
	sys.pinLen += uint8(unix.CmsgSpace(size))
	return data
}

// controlAt writes the header of a control message at an offset and returns where its
// data is.
func (sys *systemPeer) controlAt(offset int, level, kind int32, size int) unsafe.Pointer {
	h := (*unix.Cmsghdr)(unsafe.Add(unsafe.Pointer(&sys.control), offset))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(size))
	return unsafe.Add(unsafe.Pointer(h), unix.CmsgLen(0))
}

// address writes the destination and the control messages for a send of count
// datagrams of size bytes into m.
func (sys *systemPeer) address(m *unix.Msghdr, count, size int) {
	m.Name, m.Namelen = nil, 0
	if sys.nameLen > 0 {
		m.Name, m.Namelen = (*byte)(unsafe.Pointer(&sys.name)), uint32(sys.nameLen)
	}
	used := int(sys.pinLen)
	if count > 1 {
		const sizeofSegment = 2
		*(*uint16)(sys.controlAt(used, unix.IPPROTO_UDP, unix.UDP_SEGMENT, sizeofSegment)) = uint16(size)
		used += unix.CmsgSpace(sizeofSegment)
	}
	m.Control = nil
	if used > 0 {
		m.Control = (*byte)(unsafe.Pointer(&sys.control))
	}
	m.SetControllen(used)
}

// maySegment reports whether GSO may be tried with this peer.
func (sys *systemPeer) maySegment() bool {
	if sys.noSegmentsUntil.IsZero() {
		return true
	}
	if time.Now().Before(sys.noSegmentsUntil) {
		return false
	}
	sys.noSegmentsUntil = time.Time{}
	return true
}

// putSockaddr4 writes a as a sockaddr_in and returns its length.
func putSockaddr4(name *unix.RawSockaddrInet6, a netip.AddrPort) uint8 {
	sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
	*sa = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.Addr().As4()}
	putPort(&sa.Port, a.Port())
	return unix.SizeofSockaddrInet4
}

// putSockaddr6 writes a as a sockaddr_in6, IPv4 mapped, and returns its length.
func putSockaddr6(name *unix.RawSockaddrInet6, a netip.AddrPort) uint8 {
	*name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: a.Addr().As16(), Scope_id: zoneIndex(a.Addr().Zone())}
	putPort(&name.Port, a.Port())
	return unix.SizeofSockaddrInet6
}

// putPort and port convert a port in network byte order.
func putPort(field *uint16, port uint16) {
	*(*[2]byte)(unsafe.Pointer(field)) = [2]byte{byte(port >> 8), byte(port)}
}

func port(field *uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(field))
	return uint16(b[0])<<8 | uint16(b[1])
}

// zoneIndex returns the number of an IPv6 zone, which is an interface's name or
// number; 0 if there is none.
func zoneIndex(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if ifi, err := net.InterfaceByName(zone); err == nil {
		return uint32(ifi.Index)
	}
	n, _ := strconv.ParseUint(zone, 10, 32)
	return uint32(n)
}
