// Package timer wakes the connections of an endpoint, each by the cheapest timer that
// is exact enough: one of the runtime's, the grid that all of them share where the wait
// is long, or an alarm of the system where it is shorter than the runtime can wait.
package timer

import "time"

// A Waker is who is woken. No lock of this package is held meanwhile.
type Waker interface {
	Timeout()           // by a goroutine that may wait
	Tick(now time.Time) // by one that wakes others too
}

// A Timer is one Waker's. Only one goroutine at a time may set it or let go of it.
type Timer struct {
	waker   Waker
	runtime *time.Timer // nil if none is needed
	place   place       // in the grid
}

// Init makes t wake w.
func (t *Timer) Init(w Waker) { t.waker = w }

// Idle frees what only a Timer that is set to something near needs.
func (t *Timer) Idle() { t.runtime = nil }

// A Group holds what the Timers of an endpoint share. Its mutexes are leaves.
type Group struct {
	grid grid
	fine fine
}

// Init prepares g. Able says that waits may be fine: bubbles and simulated networks
// have clocks of their own.
func (g *Group) Init(now time.Time, able bool) {
	g.grid.started = now
	g.fine.unable = !able
}

// Set makes t wake at the given time, or a little later if that is far away. What was
// set before may wake too, which does no harm. Fine asks for better than the runtime
// does. It may be a system call.
func (g *Group) Set(t *Timer, at time.Time, fine bool) {
	left := max(time.Until(at), 0)
	switch {
	case left > gridFrom:
		g.grid.set(t, at)
	case fine && left < fineWait && g.fine.set(t, at):
	case t.runtime == nil:
		t.runtime = time.AfterFunc(left, t.waker.Timeout)
	default:
		t.runtime.Reset(left)
	}
}

// When returns when a Timer that is set to the given time wakes: later if that is far away.
func (g *Group) When(at time.Time) time.Time {
	if time.Until(at) <= gridFrom {
		return at
	}
	return g.grid.time(int64(at.Sub(g.grid.started)/gridStep) + 1)
}

// Stop makes t be forgotten. One wake-up may be under way.
func (g *Group) Stop(t *Timer) {
	if t.runtime != nil {
		t.runtime.Stop()
		t.runtime = nil
	}
	g.grid.remove(t)
}

// Close ends the goroutine of fine waits, if there is one.
func (g *Group) Close() { g.fine.close() }
