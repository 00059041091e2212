package udt

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// ending is how a connection ends. Conn.mu guards it.
type ending struct {
	progress  waitPoint // where Close, Flush and dials wait
	opened    bool      // the handshake has completed
	closed    bool      // by Close or Abort
	told      bool      // a call has returned the end of the connection
	retired   bool      // the endpoint has forgotten it
	lingerSet bool      // by SetLinger
	lingerFor time.Duration
}

// retireLocked lets go of a connection that is over: the endpoint forgets it, and its
// memory goes back once no role is held.
func (c *Conn) retireLocked() {
	e := &c.end
	if c.core.Ended() && !e.retired && (e.closed || !e.opened || c.core.Err() != proto.ErrClosed) {
		e.retired = true
		c.wakeAllLocked()
		c.endpoint.retire(c, c.core.Confirmed())
	}
	c.freeLocked()
}

// freeLocked stops the timers of a connection that is over, and gives back its memory
// if the application no longer uses it. It waits until no role is held: the release of
// the last one gets here.
func (c *Conn) freeLocked() {
	if !c.end.retired || c.read.held || c.write.held || c.tx.sending || c.tx.looping {
		return
	}
	c.tx.stopTimerLocked(c)
	if c.end.closed {
		c.core.Free()
	}
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
	if c.end.closed {
		return c.opError("close", net.ErrClosed)
	}
	if c.end.lingerSet && c.end.lingerFor == 0 {
		c.abortLocked(wire.ReasonAborted)
		return nil
	}
	c.closeLocked()
	expired := false
	if c.end.lingerSet {
		limit := time.AfterFunc(c.end.lingerFor, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			expired = true
			c.wakeLocked(&c.end.progress)
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
		c.awaitLocked(&c.end.progress)
	}
}

// CloseContext closes the connection and waits until the peer has acknowledged
// everything, or ctx ends. It returns nil if all was acknowledged; otherwise the
// context's error, and what is left is sent in the background as after Close,
// or the reason for which it cannot be delivered.
func (c *Conn) CloseContext(ctx context.Context) error {
	defer c.wakeWith(ctx)()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.closeLocked()
	for {
		if err := c.core.Err(); c.core.Ended() && err != nil && !errors.Is(err, proto.ErrClosed) {
			return c.opError("close", fromCore(err))
		}
		if c.core.Shutting() {
			if c.core.Undelivered() || c.write.tookLast {
				return c.opError("close", ErrReset)
			}
			return nil
		}
		if err := ctx.Err(); err != nil {
			return c.opError("close", err)
		}
		c.awaitLocked(&c.end.progress)
	}
}

// closeLocked closes the core and wakes blocked calls.
func (c *Conn) closeLocked() {
	c.markClosedLocked()
	now := time.Now()
	c.core.Close(now)
	c.settleLocked(now, effortBatch)
}

// Abort closes the connection at once. Data not delivered yet are discarded;
// the peer's calls fail with ErrReset.
func (c *Conn) Abort() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.closed && c.core.Shutting() {
		return c.opError("close", net.ErrClosed)
	}
	c.abortLocked(wire.ReasonAborted)
	return nil
}

func (c *Conn) abortLocked(reason wire.Reason) {
	c.markClosedLocked()
	now := time.Now()
	c.core.Abort(now, reason)
	c.settleLocked(now, effortBatch)
}

// markClosedLocked marks the connection as closed by the application, which then
// no longer reads from buffers that closing frees.
func (c *Conn) markClosedLocked() {
	c.end.closed = true
	c.read.deadline.stopLocked()
	c.write.deadline.stopLocked()
	c.wakeAllLocked()
	c.awaitCopyLocked()
}

// fail ends a connection for a reason that its calls return.
func (c *Conn) fail(err error) {
	c.act(effortNone, func(time.Time) { c.core.Fail(err) })
}

// Flush waits until the peer has acknowledged everything that was written before
// the call, or ctx ends. It does not close the connection.
func (c *Conn) Flush(ctx context.Context) error {
	defer c.wakeWith(ctx)()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.write.tookLast {
		return c.opError("write", syscall.EPIPE)
	}
	for end := c.core.Sequence(); c.core.AcknowledgedTo() < end; c.awaitLocked(&c.end.progress) {
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
	return c.setOption(func(now time.Time) {
		c.end.lingerSet = sec >= 0
		if c.end.lingerSet {
			c.end.lingerFor = time.Duration(sec) * time.Second
			c.core.SetLinger(now, max(c.end.lingerFor, time.Nanosecond))
		} else {
			c.core.SetLinger(now, c.linger)
		}
	})
}

// maxSenderWait is how long a closing endpoint waits for a connection's sender.
const maxSenderWait = 100 * time.Millisecond

// endpointClosed ends c because its endpoint is being closed: the peer is told
// once.
func (c *Conn) endpointClosed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaitCopyLocked()
	now := time.Now()
	c.core.Abort(now, wire.ReasonEndpoint)
	c.awaitSenderLocked()
	c.transmitLocked(now, effortBatch)
	c.core.Fail(net.ErrClosed)
	c.settleLocked(now, effortNone)
}

// awaitSenderLocked waits until nobody sends, but not for a socket that has no room
// for long.
func (c *Conn) awaitSenderLocked() {
	if !c.tx.sending {
		return
	}
	late := false
	timer := time.AfterFunc(maxSenderWait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		late = true
		c.end.progress.Broadcast()
	})
	defer timer.Stop()
	for c.tx.sending && !late {
		c.awaitProgressLocked()
	}
}
