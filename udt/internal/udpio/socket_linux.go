//go:build !udtnooffload

package udpio

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A systemSocket is a UDP socket of Linux, used by sendmsg and recvmsg directly: the
// calls of package net cannot gather, and wait for each other.
type systemSocket struct {
	conn   *descriptor
	raw    syscall.RawConn // conn; tests put themselves between
	local  netip.AddrPort
	remote netip.AddrPort // invalid if not connected
	form   addressForm
	gro    bool

	gso       atomic.Bool // goes off for good when the device cannot do it
	transient atomic.Uint64
	fallbacks atomic.Uint64
	handoff   handoff

	// alone is set if the system cannot send several messages in a call.
	alone atomic.Bool

	// sendmsg and sendmmsg are the system calls. Tests replace them before the
	// first Send.
	sendmsg  messageCall
	sendmmsg manyCall

	recv receiver // reader goroutine only

	notifyMu sync.Mutex
	notify   int         // guarded by notifyMu: calls with on less calls with off
	notified atomic.Bool // notify > 0
}

// A messageCall is sendmsg or recvmsg. It returns the number of bytes and 0 or the
// error number.
type messageCall func(fd uintptr, m *unix.Msghdr, flags int) (int, unix.Errno)

// An addressForm is how a socket writes addresses.
type addressForm uint8

const (
	formNone      addressForm = iota // not known
	formInet4                        // AF_INET
	formInet6                        // AF_INET6, IPv4 mapped
	formConnected                    // none: the socket knows its only peer
)

func newSystemSocket(conn *net.UDPConn, o Options) (Socket, error) {
	d, err := newDescriptor(conn)
	if err != nil {
		return nil, err
	}
	s := &systemSocket{conn: d, raw: d, local: addrPort(conn.LocalAddr()), sendmsg: sendmsg, sendmmsg: sendmmsg}
	if a := conn.RemoteAddr(); a != nil {
		s.remote = addrPort(a)
	}
	s.configure(d.fd, o)
	s.recv.init(s)
	return s, nil
}

// configure sets the socket's options. All are best effort: what fails is done
// without.
func (s *systemSocket) configure(fd int, o Options) {
	domain, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	switch {
	case s.remote.IsValid():
		s.form = formConnected
	case domain == unix.AF_INET:
		s.form = formInet4
	default:
		s.form = formInet6
	}
	if domain == unix.AF_INET {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	} else {
		// For mapped IPv4 as well.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, o.RecvBuffer)
	setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, o.SendBuffer)
	if o.DisableOffload {
		return
	}
	_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	s.gso.Store(err == nil)
	if unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil {
		// Kernels before 5.12 can set the option but not read it, and their GRO
		// for UDP has known faults.
		on, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO)
		if s.gro = err == nil && on != 0; !s.gro {
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 0)
		}
	}
}

// setBuffer asks for a buffer of so many bytes, first with the option that goes beyond
// the system's limit and needs a privilege.
func setBuffer(fd, force, option, bytes int) {
	if bytes <= 0 {
		return
	}
	bytes = min(bytes, 1<<30) // the kernel doubles it in an int
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, bytes) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, bytes)
	}
}

// NotifyRefused implements Socket.
func (s *systemSocket) NotifyRefused(on bool) {
	if s.form == formConnected {
		return
	}
	s.notifyMu.Lock()
	defer s.notifyMu.Unlock()
	before := s.notify > 0
	if on {
		s.notify++
	} else if s.notify > 0 {
		s.notify--
	}
	after := s.notify > 0
	if before == after {
		return
	}
	s.notified.Store(after)
	value := 0
	if after {
		value = 1
	}
	// Turning it off also empties the error queue. On a socket for both families
	// each has its own option.
	_ = s.raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, value)
		if s.form == formInet6 {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVERR, value)
		}
	})
}

// Interrupt implements Socket.
func (s *systemSocket) Interrupt() { s.handoff.put(&s.handoff.interrupted, s.conn) }

// LocalAddr implements Socket.
func (s *systemSocket) LocalAddr() netip.AddrPort { return s.local }

// Info implements Socket.
func (s *systemSocket) Info() Info {
	info := Info{
		GSO:                   s.gso.Load(),
		GRO:                   s.gro,
		TransientErrors:       s.transient.Load(),
		SegmentationFallbacks: s.fallbacks.Load(),
		Interruptible:         true,
		MaxRun:                maxSegments,
	}
	if !info.GSO && s.alone.Load() {
		info.MaxRun = 1
	}
	info.RecvBuffer, info.SendBuffer = bufferSizes(s.raw)
	return info
}

// SyscallConn implements Socket.
func (s *systemSocket) SyscallConn() (syscall.RawConn, error) { return sharedDescriptor{s.conn}, nil }

// Close implements Socket.
func (s *systemSocket) Close() error { return s.conn.Close() }

// sendmsg and recvmsg are only called with MSG_DONTWAIT. The scheduler is not told of
// calls that never wait: that would cost more, and might give the processor away.
func sendmsg(fd uintptr, m *unix.Msghdr, flags int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(m)), uintptr(flags))
	return int(n), errno
}

func recvmsg(fd uintptr, m *unix.Msghdr, flags int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(m)), uintptr(flags))
	return int(n), errno
}
