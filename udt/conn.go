package udt

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
)

// A Conn is a UDT connection. Multiple goroutines may invoke methods on a Conn
// simultaneously. Concurrent Writes are not interleaved.
//
// Conn implements net.Conn. It has no CloseWrite: UDT ends both directions at
// once.
type Conn struct {
	connParams // not changed any more

	localAddr *net.UDPAddr
	origin    *net.UDPAddr         // the peer's address when the connection was made
	path      atomic.Pointer[path] // to the peer; changed with mu held
	guard     *guard               // of a protected connection, else nil

	// What others keep here about c, each under a lock of its own.
	packet     packetState  // PacketConn.mu
	half       halfOpenConn // halfOpen.mu
	shareRound uint32       // socketShare: the reader of the socket

	// mu guards what follows. Under it is only arithmetic: no payload is copied, no
	// system call is made, no function of the user is called but the controller's, and
	// nothing is waited for. Every entry is: lock, act on the core, settleLocked,
	// unlock.
	mu   sync.Mutex
	core *proto.Conn

	read  readSide
	write writeSide
	tx    transmitter
	end   ending

	lent     *waitPoint // where the call waits that holds the lease of the socket, nil if none
	handling bool       // the reader of the socket applies packets
	unheard  bool       // accepted, and the peer was not heard yet
	probe    *pathProbe // of an address that the peer may have moved to
	warned   connEvents

	keepAlive time.Duration // period, positive even if keep-alives are off
}

var _ net.Conn = (*Conn)(nil)

// connParams are what a Conn is made of.
type connParams struct {
	endpoint *Endpoint
	id       uint32
	mode     Mode
	local    netip.AddrPort
	addr     netip.AddrPort // of the peer when the connection is made
	conclude acceptKey      // accepted connections: the conclusion that made it
	listener *Listener      // accepted connections: who accepted it
	packets  *PacketConn    // that the connection belongs to, nil if none
	coarse   bool           // Config.DisableFineTimer

	keepAlivePeriod time.Duration // positive even if keep-alives are off
	linger          time.Duration // Config.Linger
}

// newConn makes a connection of a core and, if it is protected, a guard.
func newConn(p *connParams, core *proto.Conn, g *guard) *Conn {
	c := &Conn{connParams: *p, core: core, guard: g, localAddr: net.UDPAddrFromAddrPort(p.local)}
	way := newPath(p.endpoint, p.local.Addr(), p.addr)
	c.path.Store(way)
	c.origin = way.remote
	c.read.init(&c.mu)
	c.write.init(&c.mu)
	c.end.progress.L = &c.mu
	c.tx.timer.Init((*waker)(c))
	c.end.opened = core.Open()
	c.unheard = p.listener != nil && g == nil
	c.keepAlive = p.keepAlivePeriod
	return c
}

// LocalAddr returns the local address, a *net.UDPAddr. On a connection that was
// accepted on a wildcard address it is the concrete one that the peer used.
func (c *Conn) LocalAddr() net.Addr { return c.localAddr }

// RemoteAddr returns the peer's address, a *net.UDPAddr. That of a protected
// connection's peer changes if the peer moves.
func (c *Conn) RemoteAddr() net.Addr { return c.path.Load().remote }

// Mode returns the connection's mode. In ModeMessage, Write sends one ordered
// message and Read returns one; in ModeStream, ReadMessage and WriteMessage
// return ErrMode.
func (c *Conn) Mode() Mode { return c.mode }

// Endpoint returns the endpoint that carries c.
func (c *Conn) Endpoint() *Endpoint { return c.endpoint }

// PacketPayload returns how many payload bytes one packet of c carries.
func (c *Conn) PacketPayload() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.Payload()
}

// SetDeadline sets the read and write deadlines, as net.Conn describes.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, true, true) }

// SetReadDeadline sets the deadline of future and present calls that read. A
// deadline in the past makes them fail at once, even with data to read; the
// zero Time lifts it.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, true, false) }

// SetWriteDeadline sets the deadline of future and present calls that write.
// What they had accepted before is delivered. Close is not affected.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, false, true) }

func (c *Conn) setDeadlines(t time.Time, read, write bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.closed {
		return c.opError("set", net.ErrClosed)
	}
	if read {
		c.read.deadline.setLocked(&c.mu, t, c.wakeReadersLocked)
	}
	if write {
		c.write.deadline.setLocked(&c.mu, t, c.wakeWritersLocked)
	}
	return nil
}

// opError wraps err as an error of operation op on c.
func (c *Conn) opError(op string, err error) error {
	return opError(op, c.localAddr, c.path.Load().remote, err)
}

// An effort says who is to send what an act has made due.
type effort uint8

const (
	effortNone  effort = iota // nothing is due
	effortLoop                // leave it to the loop
	effortWorth               // this goroutine, if it is worth a system call of its own, else the loop
	effortBatch               // this goroutine one batch, the loop the rest
	effortWait                // this goroutine, waiting for room in the socket: the loop itself, and timers
)

// settleLocked draws the conclusions from an act on the core, always in this order:
// it wakes the calls that can go on, sends a batch or starts the loop, arms the timer,
// and lets go of a connection that is over. It may give mu up meanwhile.
func (c *Conn) settleLocked(now time.Time, e effort) {
	c.wakeReadyLocked()
	if e != effortNone && c.transmitLocked(now, e) {
		c.wakeReadyLocked()
	}
	c.retireLocked()
}

// act is the entry of what is not on the path of data: it locks, has f act on the
// core, and settles.
func (c *Conn) act(e effort, f func(now time.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	f(now)
	c.settleLocked(now, e)
}

// wakeReadyLocked wakes the calls that can go on after a change of the core's state,
// and tells the endpoint and the PacketConn of it.
func (c *Conn) wakeReadyLocked() {
	if c.read.data.waiting > 0 && (c.core.Readable() || c.core.ReadErr() != nil) {
		c.wakeLocked(&c.read.data)
	}
	if c.write.space.waiting > 0 && (c.writableLocked() || c.core.WriteErr() != nil) {
		c.wakeLocked(&c.write.space)
	}
	if c.packets != nil && c.end.opened {
		c.packets.noteConnLocked(c)
	}
	if c.end.progress.waiting > 0 {
		c.wakeLocked(&c.end.progress)
	}
	if c.unheard && c.core.Heard() {
		c.unheard = false
		c.endpoint.halfOpen.heard(c)
	}
	c.end.opened = c.end.opened || c.core.Open()
}
