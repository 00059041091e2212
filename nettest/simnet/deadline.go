package simnet

import (
	"net"
	"time"
)

// A deadline is the read deadline of a Conn, guarded by its mu.
type deadline struct {
	by     time.Time // zero is none
	passed bool
	timer  *time.Timer // nil until needed
}

// stop ends the timer; a call that has begun finds no deadline.
func (d *deadline) stop() {
	d.by = time.Time{}
	if d.timer != nil {
		d.timer.Stop()
	}
}

// SetDeadline sets the read and write deadlines; zero is none. Operations that
// wait are affected too. A deadline that has passed fails operations with
// [os.ErrDeadlineExceeded] until another is set.
func (c *Conn) SetDeadline(t time.Time) error {
	return c.setDeadlines(t, true, true)
}

// SetReadDeadline sets the deadline for reads, as SetDeadline.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.setDeadlines(t, true, false)
}

// SetWriteDeadline sets the deadline for writes, as SetDeadline. A write never
// waits, so only one that has passed when the write starts matters.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadlines(t, false, true)
}

func (c *Conn) setDeadlines(t time.Time, read, write bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("set", nil, net.ErrClosed)
	}
	if write {
		c.writeBy = t
	}
	if read {
		c.read.stop()
		c.read.by = t
		c.read.passed = false
		c.checkReadDeadlineLocked()
	}
	return nil
}

// readTimeout is called by the timer of the read deadline, which may have
// moved since.
func (c *Conn) readTimeout() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checkReadDeadlineLocked()
}

// checkReadDeadlineLocked wakes the readers if the deadline has passed and
// sets the timer if it has not.
func (c *Conn) checkReadDeadlineLocked() {
	d := &c.read
	if d.by.IsZero() {
		return
	}
	wait := time.Until(d.by)
	switch {
	case wait <= 0:
		d.passed = true
		c.rcond.Broadcast()
	case d.timer == nil:
		d.timer = time.AfterFunc(wait, c.readTimeout)
	default:
		d.timer.Reset(wait)
	}
}
