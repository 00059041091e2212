//go:build !udtnooffload

package udpio

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A descriptor is a UDP socket that is not registered with the runtime's poller. That
// waits for room to write as well as for data, and UDP signals room for every
// datagram that leaves: on loopback each send would wake a thread of the sender for
// nothing. So an epoll instance that waits for data only stands between the two.
type descriptor struct {
	fd   int
	wait *os.File        // the epoll instance
	raw  syscall.RawConn // of wait

	mu     sync.RWMutex // held for reading during calls on fd, which never block
	closed bool

	reading  func(fd uintptr) bool // what Read was given: one goroutine at a time
	readOnce func(fd uintptr) bool // calls it with the socket, made once
}

// longestPoll bounds how late a goroutine that waits for room notices that the socket
// was closed.
const longestPoll = 20 * time.Millisecond

// newDescriptor takes conn's socket over.
func newDescriptor(conn *net.UDPConn) (*descriptor, error) {
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	d := &descriptor{fd: -1}
	if cerr := raw.Control(func(fd uintptr) {
		d.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	}); cerr != nil {
		return nil, cerr
	}
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if err := d.watch(); err != nil {
		unix.Close(d.fd)
		return nil, err
	}
	d.readOnce = func(uintptr) bool { return d.reading(uintptr(d.fd)) }
	return d, nil
}

// watch makes the epoll instance.
func (d *descriptor) watch() error {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(d.fd)}
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, d.fd, &event); err != nil {
		unix.Close(ep)
		return os.NewSyscallError("epoll_ctl", err)
	}
	if err := unix.SetNonblock(ep, true); err != nil { // or os.NewFile would not have it polled
		unix.Close(ep)
		return os.NewSyscallError("fcntl", err)
	}
	d.wait = os.NewFile(uintptr(ep), "epoll")
	d.raw, err = d.wait.SyscallConn()
	if err != nil {
		d.wait.Close()
	}
	return err
}

// Control implements syscall.RawConn.
func (d *descriptor) Control(f func(fd uintptr)) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return net.ErrClosed
	}
	f(uintptr(d.fd))
	return nil
}

// Read calls f until it returns true, each time after something has happened to the
// socket. It belongs to the goroutine that reads.
func (d *descriptor) Read(f func(fd uintptr) bool) error {
	d.reading = f
	return d.readError(d.raw.Read(d.readOnce))
}

// readError tells a closed socket from a deadline.
func (d *descriptor) readError(err error) error {
	if err == nil {
		return nil
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return net.ErrClosed
	}
	return err
}

// Write implements syscall.RawConn. It is rare that a socket has no room: waiting for
// it takes a thread.
func (d *descriptor) Write(f func(fd uintptr) bool) error {
	for {
		done := false
		if err := d.Control(func(fd uintptr) { done = f(fd) }); err != nil || done {
			return err
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(d.fd), Events: unix.POLLOUT}}, int(longestPoll/time.Millisecond))
	}
}

// SetReadDeadline is that of a net.Conn.
func (d *descriptor) SetReadDeadline(t time.Time) error { return d.wait.SetReadDeadline(t) }

// Close ends Read and waits until nobody uses the socket any more.
func (d *descriptor) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return net.ErrClosed
	}
	d.closed = true
	d.mu.Unlock()
	_ = d.wait.Close()
	_ = unix.Shutdown(d.fd, unix.SHUT_RDWR) // ends the waits for room, which keep the port
	return os.NewSyscallError("close", unix.Close(d.fd))
}

// A sharedDescriptor is the syscall.RawConn for users of the package. Its Read may
// run beside the package's own.
type sharedDescriptor struct{ *descriptor }

func (s sharedDescriptor) Read(f func(fd uintptr) bool) error {
	return s.readError(s.raw.Read(func(uintptr) bool { return f(uintptr(s.fd)) }))
}
