package udt

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A Conn is a UDT connection. Multiple goroutines may invoke methods on a Conn
// simultaneously. Concurrent Writes are not interleaved.
//
// Conn implements net.Conn. It has no CloseWrite: UDT ends both directions at
// once.
type Conn struct {
	// Set before the Conn is shared.
	endpoint *Endpoint
	id       uint32
	mode     Mode
	local    *net.UDPAddr
	addr     netip.AddrPort // of the peer when the connection was made
	origin   *net.UDPAddr   // the same
	conclude acceptKey      // accepted connections: the conclusion that made it

	packet packetState // connections of a PacketConn

	listener *Listener    // accepted connections: who accepted it
	half     halfOpenConn // belongs to Endpoint.halfOpen
	place    gridPlace    // belongs to Endpoint.grid

	shareRound uint32 // of socketShare; belongs to the reader of the socket

	path atomic.Pointer[path] // to the peer; changed with mu held

	guard *guard // of a protected connection, else nil

	// mu guards what follows. It is held for arithmetic only: never across a
	// copy of payload, a system call or a wait.
	mu   sync.Mutex
	core *proto.Conn

	// Roles: whoever sets one owns the matching part until it clears it.
	reading bool   // in-order bytes not yet consumed
	writing bool   // uncommitted slots
	sending bool   // headers of committed slots, socket writes
	looping bool   // a loop goroutine runs, or is about to
	run     func() // loop, once it was needed
	copying bool   // the reader copies out of buffers

	rdata, rturn  sync.Cond  // the reader waits for data; others for its role
	wspace, wturn sync.Cond  // the writer waits for room; others for its role
	changed       sync.Cond  // Close, Flush and dials wait for progress
	rwait, wwait  bool       // somebody waits on rdata, wspace
	leads         *sync.Cond // what a call waits for that reads the socket, nil if none
	answering     bool       // something was read since the last Write
	commits       int        // counts what writers have added
	woken         int        // how often the reader of the socket has woken a Read
	handling      bool       // the reader of the socket applies packets
	wneed         int        // message mode: room the writer waits for
	waiters       int        // on changed
	probe         *pathProbe // of an address that the peer may have moved to
	rdead, wdead  deadline
	timer         *time.Timer
	timerAt       time.Time     // when the next one of the timers fires, zero if none is set
	polled        time.Time     // when the core was polled last
	pausedTill    time.Time     // the system had no buffers: send nothing before
	closed        bool          // by Close or Abort
	readClosed    bool          // by CloseRead
	endTold       bool          // a call has returned the end of the connection
	tookLast      bool          // a Write was taken and discarded after the end
	keepAlive     time.Duration // period, positive even if keep-alives are off
	retired       bool          // the endpoint has forgotten it
	everOpen      bool          // the handshake completed
	lingerSet     bool
	linger        time.Duration // how long Close waits, if lingerSet
	configLinger  time.Duration // Config.Linger
	halfOpen      bool          // accepted, and the peer was not heard yet
	warned        connEvents
	coarse        bool // Config.DisableFineTimer
}

var _ net.Conn = (*Conn)(nil)

func newConn(e *Endpoint, id uint32, mode Mode, local, remote netip.AddrPort) *Conn {
	c := &Conn{
		endpoint: e, id: id, mode: mode, addr: remote,
		local: net.UDPAddrFromAddrPort(local),
	}
	p := newPath(e, local.Addr(), remote)
	c.path.Store(p)
	c.origin = p.remote
	for _, cond := range []*sync.Cond{&c.rdata, &c.rturn, &c.wspace, &c.wturn, &c.changed} {
		cond.L = &c.mu
	}
	return c
}

// LocalAddr returns the local address, a *net.UDPAddr. On a connection that was
// accepted on a wildcard address it is the concrete one that the peer used.
func (c *Conn) LocalAddr() net.Addr { return c.local }

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
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	if read {
		c.rdead.setLocked(&c.mu, t, c.wakeReadersLocked)
	}
	if write {
		c.wdead.setLocked(&c.mu, t, c.wakeWritersLocked)
	}
	return nil
}

func (c *Conn) wakeReadersLocked() {
	c.wakeLocked(&c.rdata)
	c.rturn.Broadcast()
}

func (c *Conn) wakeWritersLocked() {
	c.wakeLocked(&c.wspace)
	c.wturn.Broadcast()
}

func (c *Conn) wakeAllLocked() {
	c.wakeReadersLocked()
	c.wakeWritersLocked()
	c.wakeLocked(&c.changed)
}

// noteLocked wakes whoever can go on after a change of the core's state, and
// lets go of a connection that has ended.
func (c *Conn) noteLocked() {
	if c.rwait && (c.core.Readable() || c.core.ReadErr() != nil) {
		c.wakeLocked(&c.rdata)
	}
	if c.wwait && (c.writableLocked() || c.core.WriteErr() != nil) {
		c.wakeLocked(&c.wspace)
	}
	if c.packet.owner != nil && c.everOpen {
		c.packet.owner.noteConnLocked(c)
	}
	if c.waiters > 0 {
		c.wakeLocked(&c.changed)
	}
	if c.halfOpen && c.core.Heard() {
		c.halfOpen = false
		c.endpoint.halfOpen.heard(c)
	}
	c.everOpen = c.everOpen || c.core.Open()
	if c.core.Ended() && !c.retired && (c.closed || !c.everOpen || c.core.Err() != proto.ErrClosed) {
		c.retired = true
		c.wakeAllLocked()
		c.endpoint.retire(c, c.core.Confirmed())
	}
	c.freeLocked()
}

func (c *Conn) writableLocked() bool {
	if c.wneed > 0 {
		return c.core.WritableMessage(c.wneed)
	}
	return c.core.Writable()
}

// freeLocked stops the timers of a connection that is over, when no role is
// held any more: whoever clears the last one gets here.
func (c *Conn) freeLocked() {
	if !c.retired || c.reading || c.writing || c.sending || c.looping {
		return
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	c.endpoint.grid.remove(c)
	c.timer, c.timerAt = nil, time.Time{}
	if c.closed {
		c.core.Free()
	}
}

// waitLocked waits on changed.
func (c *Conn) waitLocked() {
	c.waiters++
	c.waitOnLocked(&c.changed)
	c.waiters--
}

// awaitCopyLocked waits until the reader has copied, which never blocks.
func (c *Conn) awaitCopyLocked() {
	for c.copying {
		c.waiters++
		c.changed.Wait()
		c.waiters--
	}
}

// opError wraps err as an error of operation op on c.
func (c *Conn) opError(op string, err error) error {
	return opError(op, c.local, c.path.Load().remote, err)
}

// readErrLocked returns why nothing more will be read, nil if more may come.
func (c *Conn) readErrLocked() error {
	if c.closed {
		return net.ErrClosed
	}
	if c.readClosed {
		return io.EOF
	}
	return fromCore(c.core.ReadErr())
}

// writeErrLocked returns why nothing can be written.
func (c *Conn) writeErrLocked() error {
	if c.closed {
		return net.ErrClosed
	}
	err := fromCore(c.core.WriteErr())
	if err == io.EOF {
		return syscall.EPIPE
	}
	return err
}

// Close ends the connection. Data accepted by Write are still delivered: Close
// waits while acknowledgements make progress, then returns, and what is left is
// sent in the background for at most Config.Linger. It does not wait if nothing
// is unacknowledged; with a live peer it costs one round trip, with a dead one
// a few. Unread data are discarded. Blocked calls return net.ErrClosed.
//
// A program that ends right after Close may use CloseContext to learn whether
// everything has arrived, as no kernel carries on for it.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	if c.lingerSet && c.linger == 0 {
		c.abortLocked(wire.ReasonAborted)
		return nil
	}
	c.closeLocked()
	var limit *time.Timer
	expired := false
	if c.lingerSet {
		limit = time.AfterFunc(c.linger, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			expired = true
			c.wakeLocked(&c.changed)
		})
		defer limit.Stop()
	}
	c.awaitDrainLocked(func() bool { return expired })
	return nil
}

// awaitDrainLocked waits until a closed connection has delivered everything, or
// makes no progress, or enough says so. On a short path it also waits for the
// peer's answer: that is cheaper than what would have to wait for it afterwards.
func (c *Conn) awaitDrainLocked(enough func() bool) {
	for !c.core.Ended() && !c.core.Stuck() && !enough() && (!c.core.Shutting() || c.core.AnswerNear()) {
		c.waitLocked()
	}
}

// CloseContext closes the connection and waits until the peer has acknowledged
// everything, or ctx ends. It returns nil if all was acknowledged; otherwise the
// context's error, and what is left is sent in the background as after Close,
// or the reason for which it cannot be delivered.
func (c *Conn) CloseContext(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.wakeLocked(&c.changed)
	})
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.closeLocked()
	for {
		if err := c.core.Err(); c.core.Ended() && err != nil && !errors.Is(err, proto.ErrClosed) {
			return c.opError("close", fromCore(err))
		}
		if c.core.Shutting() {
			if c.core.Undelivered() || c.tookLast {
				return c.opError("close", ErrReset)
			}
			return nil
		}
		if err := ctx.Err(); err != nil {
			return c.opError("close", err)
		}
		c.waitLocked()
	}
}

// closeLocked closes the core and wakes blocked calls.
func (c *Conn) closeLocked() {
	c.markClosedLocked()
	c.core.Close(time.Now())
	c.transmitLocked(1, false)
	c.noteLocked()
}

// Abort closes the connection at once. Data not delivered yet are discarded;
// the peer's calls fail with ErrReset.
func (c *Conn) Abort() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed && c.core.Shutting() {
		return c.opError("close", net.ErrClosed)
	}
	c.abortLocked(wire.ReasonAborted)
	return nil
}

func (c *Conn) abortLocked(reason wire.Reason) {
	c.markClosedLocked()
	c.core.Abort(time.Now(), reason)
	c.transmitLocked(1, false)
	c.noteLocked()
}

// markClosedLocked marks the connection as closed by the application, which then
// no longer reads from buffers that closing frees.
func (c *Conn) markClosedLocked() {
	c.closed = true
	c.rdead.stopLocked()
	c.wdead.stopLocked()
	c.wakeAllLocked()
	c.awaitCopyLocked()
}

// Flush waits until the peer has acknowledged everything that was written before
// the call, or ctx ends. It does not close the connection.
func (c *Conn) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.wakeLocked(&c.changed)
	})
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tookLast {
		return c.opError("write", syscall.EPIPE)
	}
	for end := c.core.Sequence(); c.core.AcknowledgedTo() < end; c.waitLocked() {
		if err := c.writeErrLocked(); err != nil {
			return c.opError("write", err)
		}
		if err := ctx.Err(); err != nil {
			return c.opError("write", err)
		}
	}
	return nil
}

// SetLinger sets how Close behaves with data that are not acknowledged yet, as
// net.TCPConn does: with sec negative, the default, Close waits while there is
// progress; with sec zero, Close is Abort; with sec positive, Close waits for at
// most so many seconds, after which what is left is discarded.
func (c *Conn) SetLinger(sec int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.lingerSet = sec >= 0
	if c.lingerSet {
		c.linger = time.Duration(sec) * time.Second
		c.core.SetLinger(time.Now(), max(c.linger, time.Nanosecond))
	} else {
		c.core.SetLinger(time.Now(), c.configLinger)
	}
	return nil
}

// SetMaxBandwidth limits sending to n bytes per second; zero lifts the limit.
func (c *Conn) SetMaxBandwidth(n int64) error {
	if n < 0 {
		return c.opError("set", configError("bandwidth is %d, must not be negative", n))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.core.SetMaxBandwidth(n)
	c.kickLocked()
	return nil
}
