package udt

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/udtgo/udtgo/udt/internal/protect"
	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/udpio"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// loopBatches is after how many batches a loop gives other goroutines a turn.
const loopBatches = 16

// gatherLooks bounds how often a loop looks whether a writer has added more.
const gatherLooks = 16

// noBufferPause is how long a connection waits after the system had no buffers.
const noBufferPause = time.Millisecond

// batches hold plain memory only.
var batches = sync.Pool{New: func() any { return new(proto.Batch) }}

// transmitLocked sends up to n batches if nobody else is sending. With wait set
// it waits for room in the socket. It unlocks and locks mu around system calls.
//
// The sending role is cleared only here: in the critical section in which the
// core had nothing more to send and the timer was armed, or in which the loop
// was started. So no wake-up is lost, whoever makes something due meanwhile.
func (c *Conn) transmitLocked(n int, wait bool) {
	if c.sending {
		return
	}
	c.sending = true
	answered := false
	b := batches.Get().(*proto.Batch)
	for {
		now := time.Now()
		c.polled = now
		if now.Before(c.pausedTill) {
			c.sending = false
			c.armLocked(c.pausedTill)
			break
		}
		if n == 0 && !answered && c.core.Answering() {
			n, answered = 1, true // the peer waits for it
		}
		if n == 0 {
			c.sending = false
			if c.core.Due(now) {
				c.kickLocked()
			} else {
				c.armLocked(c.core.Next())
			}
			break
		}
		n--
		if c.guard != nil {
			c.guard.paceLocked(now, c.core)
			c.challengeLocked(now)
		}
		if !c.core.Poll(now, b, false) {
			c.sending = false
			c.armLocked(c.core.Next())
			break
		}
		sent, err := c.sendLocked(b, wait)
		c.core.Sent(now, b, sent)
		if err != nil && !c.sendFailedLocked(now, err) {
			c.sending = false
			break
		}
	}
	batches.Put(b)
	c.noteLocked()
}

// sendLocked gives b to the socket, sealed if the connection is protected, with mu
// given up meanwhile.
func (c *Conn) sendLocked(b *proto.Batch, wait bool) (sent int, err error) {
	if c.guard == nil {
		c.mu.Unlock()
		defer c.mu.Lock()
		return c.endpoint.sock.Send(c.path.Load().peer, b.Runs, wait)
	}
	peer := c.path.Load().peer
	c.mu.Unlock()
	defer c.mu.Lock()
	s := sealedBatches.Get().(*sealedBatch)
	defer sealedBatches.Put(s)
	if err := c.guard.seal(s, b.Runs); err != nil {
		return 0, err
	}
	return c.endpoint.sock.Send(peer, s.runs, wait)
}

// sendFailedLocked deals with what the socket did not take and reports whether
// to go on.
func (c *Conn) sendFailedLocked(now time.Time, err error) bool {
	switch {
	case errors.Is(err, udpio.ErrWouldBlock):
		c.kickLocked() // the loop may wait
		return false
	case errors.Is(err, udpio.ErrNoBuffers):
		c.pausedTill = now.Add(noBufferPause)
		return true
	case errors.Is(err, protect.ErrKeyLimit):
		c.core.Fail(ErrKeyLimit)
		return false
	case errors.Is(err, net.ErrClosed):
		c.awaitCopyLocked()
		c.core.Abort(now, wire.ReasonEndpoint)
		c.core.Fail(net.ErrClosed)
		return false
	}
	return true
}

// kickLocked starts the loop if it does not run.
func (c *Conn) kickLocked() {
	if c.looping {
		return
	}
	c.looping = true
	if c.run == nil {
		c.run = c.loop // once: a method value is an allocation
	}
	go c.run()
}

// loop sends until the core has nothing more that is due, or somebody else sends,
// who then starts the loop again if need be. There is no loop while a connection
// is idle.
func (c *Conn) loop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.sending {
		c.gatherLocked()
		c.transmitLocked(loopBatches, true)
		if now := time.Now(); c.sending || now.Before(c.pausedTill) || !c.core.Due(now) {
			break
		}
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	c.looping = false
	c.freeLocked()
}

// gatherLocked lets a writer of small pieces get ahead while it keeps adding to
// what is less than half a batch: a system call for every few packets costs more
// than looking again.
func (c *Conn) gatherLocked() {
	seen := c.commits - 1
	for range gatherLooks {
		if seen == c.commits || c.sending || !c.core.Few() {
			return
		}
		seen = c.commits
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
}

// armLocked makes the timer fire at t, or leaves it if it fires before.
func (c *Conn) armLocked(t time.Time) {
	if t.IsZero() || !c.timerAt.IsZero() && !t.Before(c.timerAt) {
		return
	}
	left := max(time.Until(t), 0)
	if left < fineWait && !c.coarse && c.core.Fine() && c.endpoint.fine.wake(c, t, left) {
		c.timerAt = t
		return
	}
	if left > gridFrom {
		c.timerAt = c.endpoint.grid.set(c, t)
		return
	}
	c.timerAt = t
	if c.timer == nil {
		c.timer = time.AfterFunc(left, c.timeout)
		return
	}
	c.timer.Reset(left)
}

// timeout is called by the timer.
func (c *Conn) timeout() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timerAt = time.Time{}
	if c.retired && !c.core.Due(time.Now()) {
		return
	}
	c.transmitLocked(loopBatches, true)
}

// tick is called by the grid timer. It does not wait: other connections do.
func (c *Conn) tick(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timerAt.IsZero() || now.Before(c.timerAt) {
		return // it has been set to something else since
	}
	c.timerAt, c.timer = time.Time{}, nil // nothing near was due for long
	if c.core.Due(now) {
		c.transmitLocked(1, false)
	} else if next := c.core.Next(); !next.IsZero() && !c.retired {
		c.timerAt = c.endpoint.grid.set(c, next) // the peer has spoken since
	}
}

// dueLocked sends what a call has made due: at once if it is little, by the loop
// if it is more.
func (c *Conn) dueLocked(now time.Time) {
	if c.sending {
		return
	}
	if c.core.Due(now) {
		c.kickLocked()
		return
	}
	c.armLocked(c.core.Next())
}

// handle applies datagrams that have been read from the socket, wakes whom they
// concern, and sends what they make due: one batch, without waiting. Share is the
// connection's part of the socket's buffer. It reports how often a call that waited
// for data has got some, zero if none did now.
func (c *Conn) handle(now time.Time, b []byte, segment int, owner proto.Ref, share int) (woke int) {
	if c.guard != nil {
		return c.handleProtected(now, b, segment, owner, share, nil)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handling = true
	c.core.SetSocketBuffer(share)
	c.core.Handle(now, b, segment, owner)
	return c.handledLocked(now)
}

// handleProtected is handle for a protected connection. The packets are opened before
// mu is taken. If moved is not nil, they came from there and not from where the peer is
// known to be.
func (c *Conn) handleProtected(now time.Time, b []byte, segment int, owner proto.Ref, share int, moved *udpio.Received) (woke int) {
	g := c.guard
	err := g.open(now, b, segment)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handling = true
	c.core.SetSocketBuffer(share)
	c.core.HandleOpened(now, g.opened, owner)
	from := c.path.Load().addr
	if moved != nil {
		from = moved.From
	}
	for _, p := range g.own {
		c.handleOwnLocked(now, p, from)
	}
	if moved != nil && g.newest && c.path.Load().addr != from {
		c.noteSourceLocked(now, moved)
	}
	if err != nil {
		c.core.Fail(&securityError{ErrAuth, err})
	}
	return c.handledLocked(now)
}

// handledLocked does what is due after packets have been handled.
func (c *Conn) handledLocked(now time.Time) (woke int) {
	c.warnLocked(now)
	if c.rwait && c.core.Readable() {
		c.woken++
		woke = c.woken
	}
	c.noteLocked()
	c.transmitLocked(1, false)
	c.handling = false
	return woke
}
