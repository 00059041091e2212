package simnet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// maxPayload is the largest payload of a datagram over IPv4, in bytes.
const maxPayload = maxPacket - Overhead

// errFamily is returned for a destination that is not of the Conn's address family.
var errFamily = errors.New("address family not supported")

// errNoAddress is returned for a write to nowhere.
var errNoAddress = errors.New("missing address")

// A Conn is a host's end of a [Network]: one address and port. It is a
// [net.PacketConn] that behaves like a [net.UDPConn]. Errors are [*net.OpError].
type Conn struct {
	net   *Network
	addr  netip.AddrPort
	local *net.UDPAddr

	mu       sync.Mutex // locked after Network.mu
	rcond    sync.Cond  // a datagram, a deadline or the end
	received fifo[*datagram]
	used     int // bytes in received, with Overhead
	limit    int // of used
	closed   bool
	read     deadline
	writeBy  time.Time // the write deadline; zero is none

	// The path of the last write, guarded by net.mu: most Conns send to
	// one host.
	lastTo   netip.Addr
	lastPath *path
}

var _ net.PacketConn = (*Conn)(nil)

func newConn(n *Network, addr netip.AddrPort, limit int) *Conn {
	c := &Conn{net: n, addr: addr, local: net.UDPAddrFromAddrPort(addr), limit: limit}
	c.rcond.L = &c.mu
	return c
}

// ReadFrom waits for a datagram and copies it to b. What does not fit in b is
// lost. The address is a [*net.UDPAddr].
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromUDPAddrPort is like ReadFrom and does not allocate.
func (c *Conn) ReadFromUDPAddrPort(b []byte) (n int, from netip.AddrPort, err error) {
	d, err := c.next()
	if err != nil {
		return 0, netip.AddrPort{}, c.opError("read", nil, err)
	}
	n, from = copy(b, d.buf), d.from
	d.free()
	return n, from, nil
}

// next waits for a datagram and takes it.
func (c *Conn) next() (*datagram, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return nil, net.ErrClosed
		case c.read.passed:
			return nil, os.ErrDeadlineExceeded
		case c.received.len() > 0:
			d := c.received.pop()
			c.used -= len(d.buf) + Overhead
			return d, nil
		}
		c.rcond.Wait()
	}
}

// put adds a datagram to the receive buffer and says if there was room.
func (c *Conn) put(d *datagram) Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := len(d.buf) + Overhead
	switch {
	case c.closed:
		return DropPort
	case c.used+size > c.limit:
		return DropOverflow
	}
	c.used += size
	c.received.push(d)
	c.rcond.Signal()
	return Pass
}

// WriteTo sends a datagram to addr, which must be a [*net.UDPAddr]. It does
// not wait and does not keep b. As with UDP, there is no error if the datagram
// does not arrive.
func (c *Conn) WriteTo(b []byte, addr net.Addr) (int, error) {
	a, ok := addr.(*net.UDPAddr)
	if !ok || a == nil {
		return 0, c.opError("write", addr, errNoAddress)
	}
	return c.WriteToUDPAddrPort(b, a.AddrPort())
}

// WriteToUDPAddrPort is like WriteTo and does not allocate.
func (c *Conn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	to = unmap(to)
	if err := c.writable(len(b), to); err != nil {
		return 0, c.opError("write", net.UDPAddrFromAddrPort(to), err)
	}
	n := c.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.lastPath == nil || c.lastTo != to.Addr() {
		c.lastTo, c.lastPath = to.Addr(), n.pathLocked(c.addr.Addr(), to.Addr())
	}
	n.sendLocked(b, c.addr, to, c.lastPath)
	return len(b), nil
}

// writable says what is wrong with a write of size bytes.
func (c *Conn) writable(size int, to netip.AddrPort) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return net.ErrClosed
	case !c.writeBy.IsZero() && !time.Now().Before(c.writeBy):
		return os.ErrDeadlineExceeded
	case !to.Addr().IsValid():
		return errNoAddress
	case to.Addr().Is4() != c.addr.Addr().Is4():
		return errFamily
	case size > maxPayload:
		return os.NewSyscallError("sendto", syscall.EMSGSIZE)
	}
	return nil
}

// LocalAddr returns the address of the Conn, a [*net.UDPAddr]. The caller may
// change it.
func (c *Conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.addr) }

// LocalAddrPort returns the address of the Conn.
func (c *Conn) LocalAddrPort() netip.AddrPort { return c.addr }

// Close makes reads and writes fail with [net.ErrClosed], those that wait too,
// and drops what was received. The port is free again. Closing twice is an error.
func (c *Conn) Close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.read.stop()
	for c.received.len() > 0 {
		c.received.pop().free()
	}
	c.used = 0
	c.rcond.Broadcast()
	c.mu.Unlock()
	if closed {
		return c.opError("close", nil, net.ErrClosed)
	}
	c.net.remove(c)
	return nil
}

// SetRecvBuffer changes the size of the receive buffer in bytes; see
// [Config].RecvBuffer. Zero or less is none. What is already in it stays.
//
// It is not called SetReadBuffer, because programs under test call that to ask
// for large buffers and must not change the test.
func (c *Conn) SetRecvBuffer(bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = bytes
}

// opError makes the error of an operation as package net does.
func (c *Conn) opError(op string, addr net.Addr, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: c.local, Addr: addr, Err: err}
}
