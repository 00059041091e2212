package udt

import "time"

// timers wake the connections of an endpoint: each wait by the cheapest timer that is
// exact enough. Their mutexes are leaves.
type timers struct {
	grid gridTimer // of idle connections
	fine fineTimer // of pacing between the ticks of the runtime's timers
}

// set makes c be called at t, or a little later if that is far away. What was set
// before may fire too, which does no harm. The caller has the sending role but not
// Conn.mu: it may be a system call.
func (x *timers) set(c *Conn, t time.Time, fine bool) {
	left := max(time.Until(t), 0)
	switch {
	case left > gridFrom:
		x.grid.set(c, t)
	case fine && left < fineWait && x.fine.set(c, t):
	case c.tx.timer == nil:
		c.tx.timer = time.AfterFunc(left, c.timeout)
	default:
		c.tx.timer.Reset(left)
	}
}

// stop makes c be forgotten. Nobody has the sending role, and Conn.mu is held.
func (x *timers) stop(c *Conn) {
	if c.tx.timer != nil {
		c.tx.timer.Stop()
		c.tx.timer = nil
	}
	x.grid.remove(c)
}

func (x *timers) close() { x.fine.close() }
