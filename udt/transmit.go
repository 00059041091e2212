package udt

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/udtgo/udtgo/udt/internal/protect"
	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/timer"
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

// A transmitter is the state of sending. Conn.mu guards it, except that the holder of
// the sending role owns what the role is for.
//
// The sending role is that of headers of committed slots, of the socket, and of the
// runtime's timer. It is released only in transmitLocked: in the critical section in
// which the core had nothing more to send and the timer was armed, or in which the loop
// was started. So no wake-up is lost, whoever makes something due meanwhile.
type transmitter struct {
	sending bool // the role is held
	looping bool // a loop goroutine runs, or is about to
	run     func()

	polled     time.Time   // when the core was polled last
	pausedTill time.Time   // the system had no buffers: send nothing before
	timerAt    time.Time   // what the next one of the timers to fire was set to, zero if none is set
	timer      timer.Timer // the sending role's
}

// transmitLocked sends as much as e says if nobody else is sending, has the loop send
// the rest, and arms the timer. It gives mu up around system calls. It reports whether
// it has polled the core, which that may have changed.
func (c *Conn) transmitLocked(now time.Time, e effort) bool {
	t := &c.tx
	if t.sending || e == effortWorth && t.looping {
		return false // who sends finds what is due
	}
	t.sending = true
	due := c.sendLocked(now, e)
	t.sending = false
	if due {
		c.kickLocked()
	}
	return true
}

// sendLocked is transmitLocked with the role held. It reports whether something is
// left that is due. When it returns false the timer is armed.
func (c *Conn) sendLocked(now time.Time, e effort) (due bool) {
	t := &c.tx
	left, wait := 0, false
	switch e {
	case effortBatch:
		left = 1
	case effortWait:
		left, wait = loopBatches, true
	}
	var b *proto.Batch
	defer func() {
		if b != nil {
			batches.Put(b)
		}
	}()
	answered := false
	for {
		t.polled = now
		var plan proto.Plan
		switch {
		case now.Before(t.pausedTill):
			plan.At = t.pausedTill
		case left == 0:
			plan = c.core.Poll(now, nil)
			switch {
			case e == effortWorth && plan.Due && (plan.Idle || plan.Ready == proto.ManyData):
				left, e = 1, effortBatch
				continue
			case plan.Answer && !answered:
				left, answered = 1, true // the peer waits for it
				continue
			case plan.Due:
				return true
			}
		default:
			if b == nil {
				b = batches.Get().(*proto.Batch)
			}
			left--
			if c.guard != nil {
				c.guard.paceLocked(now, c.core)
				c.challengeLocked(now)
			}
			plan = c.core.Poll(now, b)
			if !b.Empty() {
				sent, err := c.sendBatchLocked(b, wait)
				c.core.Sent(now, b, sent)
				if err != nil {
					if more, due := c.sendFailedLocked(now, err); !more {
						return due
					}
				}
				now = time.Now()
				continue
			}
		}
		if c.armLocked(plan) {
			return false
		}
		now = time.Now() // mu was given up: there may be more
	}
}

// sendBatchLocked gives b to the socket, sealed if the connection is protected, with mu
// given up meanwhile.
func (c *Conn) sendBatchLocked(b *proto.Batch, wait bool) (sent int, err error) {
	peer := c.path.Load().peer
	c.mu.Unlock()
	defer c.mu.Lock()
	if c.guard == nil {
		return c.endpoint.sock.Send(peer, b.Runs, wait)
	}
	s := sealedBatches.Get().(*sealedBatch)
	defer sealedBatches.Put(s)
	if err := c.guard.seal(s, b.Runs); err != nil {
		return 0, err
	}
	return c.endpoint.sock.Send(peer, s.runs, wait)
}

// sendFailedLocked deals with what the socket did not take. It reports whether to go
// on, and if not, whether the loop has to.
func (c *Conn) sendFailedLocked(now time.Time, err error) (more, due bool) {
	switch {
	case errors.Is(err, udpio.ErrWouldBlock):
		return false, true // the loop may wait
	case errors.Is(err, udpio.ErrNoBuffers):
		c.tx.pausedTill = now.Add(noBufferPause)
	case errors.Is(err, protect.ErrKeyLimit):
		c.core.Fail(ErrKeyLimit)
		return false, false
	case errors.Is(err, net.ErrClosed):
		c.awaitCopyLocked()
		c.core.Abort(now, wire.ReasonEndpoint)
		c.core.Fail(net.ErrClosed)
		return false, false
	}
	return true, false
}

// kickLocked starts the loop if it does not run.
func (c *Conn) kickLocked() {
	t := &c.tx
	if t.looping {
		return
	}
	t.looping = true
	if t.run == nil {
		t.run = c.loop // once: a method value is an allocation
	}
	go t.run()
}

// loop sends until the core has nothing more that is due, or somebody else sends,
// who then starts the loop again if need be. There is no loop while a connection
// is idle.
func (c *Conn) loop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		c.gatherLocked()
		if c.tx.sending {
			break
		}
		now := time.Now()
		c.settleLocked(now, effortWait)
		if c.tx.sending || now.Before(c.tx.pausedTill) || !c.core.Poll(c.tx.polled, nil).Due {
			break
		}
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	c.tx.looping = false
	c.freeLocked()
}

// gatherLocked lets a writer of small pieces get ahead while it keeps adding to
// what is less than half a batch: a system call for every few packets costs more
// than looking again.
func (c *Conn) gatherLocked() {
	seen := c.write.commits - 1
	for range gatherLooks {
		if seen == c.write.commits || c.tx.sending || c.core.Poll(c.tx.polled, nil).Ready != proto.FewData {
			return
		}
		seen = c.write.commits
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
}

// armLocked makes a timer fire when p says, at the latest, and reports whether one was
// set so already. Otherwise it has given mu up, as that may be a system call. The
// caller has the sending role.
func (c *Conn) armLocked(p proto.Plan) bool {
	t := &c.tx
	if p.At.IsZero() || !t.timerAt.IsZero() && !p.At.Before(t.timerAt) {
		return true
	}
	at := c.endpoint.timers.When(p.At)
	if !t.timerAt.IsZero() && !at.Before(t.timerAt) {
		return true
	}
	t.timerAt = at
	c.mu.Unlock()
	c.endpoint.timers.Set(&t.timer, p.At, p.Fine && !c.coarse)
	c.mu.Lock()
	return false
}

// stopTimerLocked forgets the timers of a connection that is over.
func (t *transmitter) stopTimerLocked(c *Conn) {
	c.endpoint.timers.Stop(&t.timer)
	t.timerAt = time.Time{}
}

// A waker is a Conn as its timer knows it.
type waker Conn

// Timeout sends what is due.
func (w *waker) Timeout() {
	c := (*Conn)(w)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tx.timerAt = time.Time{}
	now := time.Now()
	if c.end.retired && !c.core.Poll(now, nil).Due {
		return
	}
	c.settleLocked(now, effortWait)
}

// Tick does too, but does not wait: other connections do.
func (w *waker) Tick(now time.Time) {
	c := (*Conn)(w)
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.tx
	if t.timerAt.IsZero() || now.Before(t.timerAt) {
		return // it has been set to something else since
	}
	t.timerAt = time.Time{}
	if !t.sending {
		t.timer.Idle() // nothing near was due for long
	}
	switch due := c.core.Poll(now, nil).Due; {
	case due:
		c.settleLocked(now, effortBatch)
	case !c.end.retired:
		c.settleLocked(now, effortLoop) // the peer has spoken since
	}
}
