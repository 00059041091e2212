package main

import (
	"net"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// blockingFD reads and writes a file descriptor without the network poller.
type blockingFD int

func (fd blockingFD) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), b)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

func (fd blockingFD) Write(b []byte) (int, error) {
	for {
		n, err := unix.Write(int(fd), b)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// openRaw makes a blocking socket that segments what it sends and merges what
// it receives, and returns the bytes that its receive buffer holds.
func openRaw(a netip.AddrPort) (fd int, holds uint64, err error) {
	fd, err = unix.Socket(family(a), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, 0, os.NewSyscallError("socket", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, rawSocket) // capped by the system
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, rawSocket)
	err = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, rawPacket)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	}
	granted, e := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err == nil {
		err = e
	}
	if err != nil {
		unix.Close(fd)
		return -1, 0, os.NewSyscallError("setsockopt", err)
	}
	// The kernel counts its own structures too: granted is twice what was set.
	return fd, uint64(granted) * 3 / 8, nil
}

func family(a netip.AddrPort) int {
	if a.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func boundAddr(fd int) net.Addr {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return &net.UDPAddr{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.UDPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *unix.SockaddrInet6:
		return &net.UDPAddr{IP: sa.Addr[:], Port: sa.Port}
	}
	return &net.UDPAddr{}
}

// A rawListener accepts one connection, which takes over its socket.
type rawListener struct {
	fd     int
	window uint64
	poller bool
	once   sync.Once
	closed chan struct{}
}

func listenRaw(addr string, poller bool) (net.Listener, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	fd, holds, err := openRaw(a)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, sockaddr(a)); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return &rawListener{fd: fd, window: holds, poller: poller, closed: make(chan struct{})}, nil
}

// Accept waits for a hello and answers it. The second call waits for Close.
func (l *rawListener) Accept() (net.Conn, error) {
	if l.fd < 0 {
		<-l.closed
		return nil, net.ErrClosed
	}
	fd := l.fd
	l.fd = -1
	var b [rawHeader]byte
	_, from, err := unix.Recvfrom(fd, b[:], 0)
	if err == nil {
		err = unix.Connect(fd, from)
	}
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("accept", err)
	}
	putRaw(b[:], rawWelcome, 0, l.window)
	if _, err := unix.Write(fd, b[:]); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("write", err)
	}
	return newRawConn(fd, l.poller, l.window)
}

func (l *rawListener) Addr() net.Addr { return boundAddr(l.fd) }

func (l *rawListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func dialRaw(addr string, poller bool) (net.Conn, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	fd, _, err := openRaw(a)
	if err != nil {
		return nil, err
	}
	var b [rawHeader]byte
	putRaw(b[:], rawHello, 0, 0)
	err = unix.Connect(fd, sockaddr(a))
	if err == nil {
		_, err = unix.Write(fd, b[:])
	}
	if err == nil {
		_, err = unix.Read(fd, b[:])
	}
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	_, _, window := getRaw(b[:])
	return newRawConn(fd, poller, window)
}
