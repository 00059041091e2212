package udt

import (
	"context"
	"sync"

	"github.com/udtgo/udtgo/udt/internal/memory"
)

// A waitPoint is where calls wait for one thing. Conn.mu guards it.
type waitPoint struct {
	sync.Cond
	waiting int
}

// A role is the exclusive use of something that goes on while mu is given up. Calls
// take it in turn. Conn.mu guards it.
type role struct {
	held bool
	turn sync.Cond // where others wait for it
}

func (r *role) release() {
	r.held = false
	r.turn.Signal()
}

// awaitLocked waits at w until it is woken; or, if nobody reads the socket, by reading
// it once. Either way the caller looks whether it can go on.
func (c *Conn) awaitLocked(w *waitPoint) {
	w.waiting++
	defer func() { w.waiting-- }()
	l := &c.endpoint.lease
	if !l.Take(c) {
		w.Wait()
		return
	}
	c.lent = w
	c.mu.Unlock()
	b := memory.NewBlock()
	_, ok := c.endpoint.receive(b)
	b.Release()
	c.mu.Lock()
	c.lent = nil
	// There will be another wait soon, but not on a connection that is over; and
	// a listener waits for the next one.
	over := c.conclude.id != 0 && (c.end.closed || c.core.ReadErr() != nil)
	others := c.end.progress.waiting + c.read.data.waiting - 1 // this call is one of them
	switch {
	case !ok:
	case !over && others <= 0 && c.endpoint.demux.len() <= 1:
		l.GiveBack()
	default:
		l.HandOver()
	}
}

// awaitProgressLocked waits for any change, without reading the socket: what it waits
// for is under way in this process.
func (c *Conn) awaitProgressLocked() {
	w := &c.end.progress
	w.waiting++
	w.Wait()
	w.waiting--
}

// wakeLocked wakes the calls that wait at w. One that reads the socket is interrupted,
// unless it is the one that got here.
func (c *Conn) wakeLocked(w *waitPoint) {
	w.Broadcast()
	if c.lent == w && !c.handling {
		c.endpoint.lease.Interrupt(c)
	}
}

// wakeWith wakes the calls that wait for progress when ctx ends, until the function
// that it returns is called.
func (c *Conn) wakeWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.wakeLocked(&c.end.progress)
	})
}

func (c *Conn) wakeReadersLocked() {
	c.wakeLocked(&c.read.data)
	c.read.turn.Broadcast()
}

func (c *Conn) wakeWritersLocked() {
	c.wakeLocked(&c.write.space)
	c.write.turn.Broadcast()
}

func (c *Conn) wakeAllLocked() {
	c.wakeReadersLocked()
	c.wakeWritersLocked()
	c.wakeLocked(&c.end.progress)
}
