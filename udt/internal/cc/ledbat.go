package cc

import (
	"math"
	"time"
)

// The constants of draft-irtf-iccrg-ledbat-plus-plus.
const (
	ledbatTarget     = 60 * time.Millisecond
	ledbatExit       = ledbatTarget * 3 / 4 // queueing that ends the first slow start
	ledbatGainLimit  = 16
	ledbatFreezeRTTs = 2
	ledbatPauseRTTs  = 2 // from the end of the first slow start to the first slowdown
	ledbatSpacing    = 9 // from one slowdown to the next, in durations of the former
	ledbatLossShare  = 0.5
)

type ledbatPhase uint8

const (
	ledbatSlowStart ledbatPhase = iota // the first
	ledbatAvoidance
	ledbatFreeze // a slowdown begins: the queue drains, and the base delay shows
	ledbatRamp   // it ends: slow start back to where the window was
)

// LEDBAT is LEDBAT++, draft-irtf-iccrg-ledbat-plus-plus on top of RFC 6817: a
// control for transfers that shall yield to all others. It keeps the queue at no
// more than 60 ms, so that a flow that fills it takes the link; short of that it
// grows more slowly than Reno; and from time to time it lets the queue drain, to
// learn the delay of the empty path and to share with others of its kind.
//
// Where the queue cannot hold 60 ms it ends in loss first; what then remains of
// the yielding is the slower growth.
//
// Differs from the drafts: the initial window is that of RFC 6928, paced. Not
// counted as growth, a window below ssthresh in a slowdown need not be used to
// be opened again.
type LEDBAT struct {
	win   ackedWindow
	delay ledbatDelay
	phase ledbatPhase

	began time.Time // of the present slowdown
	until time.Time // of the freeze
	next  time.Time // when the next slowdown is due
}

// NewLEDBAT returns LEDBAT++ for one connection.
func NewLEDBAT() *LEDBAT { return new(LEDBAT) }

// Init implements Controller.
func (c *LEDBAT) Init(now time.Time, s *State) {
	*c = LEDBAT{win: newAckedWindow(now, s)}
	c.win.publish(s)
}

// OnAck implements Controller.
func (c *LEDBAT) OnAck(now time.Time, s *State, a *AckSample) {
	w := &c.win
	c.delay.sample(now, a.RTT)
	n, grow := w.acked(now, s, a)
	if c.phase == ledbatFreeze {
		if !now.Before(c.until) {
			c.phase = ledbatRamp
		}
	} else if grow {
		switch c.phase {
		case ledbatSlowStart:
			c.slowStart(now, s, n)
		case ledbatRamp:
			c.ramp(now, n)
		case ledbatAvoidance:
			c.avoid(now, s, n)
		}
	}
	w.publish(s)
}

func (c *LEDBAT) slowStart(now time.Time, s *State, n float64) {
	w := &c.win
	if c.delay.queue() > ledbatExit {
		w.ssthresh = w.cwnd
		c.leaveSlowStart(now, s)
	} else if w.used(s, n) {
		w.cwnd += min(c.gain()*n, w.cwnd)
	}
}

// leaveSlowStart enters congestion avoidance and schedules the first slowdown.
func (c *LEDBAT) leaveSlowStart(now time.Time, s *State) {
	c.phase = ledbatAvoidance
	c.next = now.Add(ledbatPauseRTTs * c.rtt(s))
}

// ramp opens the window again after a slowdown. Delay does not end that: the
// draft has it end the first slow start only.
func (c *LEDBAT) ramp(now time.Time, n float64) {
	w := &c.win
	w.cwnd = min(w.cwnd+min(c.gain()*n, w.cwnd), w.ssthresh)
	if w.cwnd >= w.ssthresh {
		c.leaveRamp(now)
	}
}

// leaveRamp ends a slowdown and schedules the next, so that slowdowns take a
// tenth of the time.
func (c *LEDBAT) leaveRamp(now time.Time) {
	c.phase = ledbatAvoidance
	c.next = now.Add(ledbatSpacing * max(now.Sub(c.began), 0))
}

// avoid changes the window by what n packets contribute to the change per round
// trip: GAIN below the target; above it, also less by the share by which the
// target is exceeded, of the window, and by half at most.
func (c *LEDBAT) avoid(now time.Time, s *State, n float64) {
	w := &c.win
	if !now.Before(c.next) {
		c.slowDown(now, s)
		return
	}
	change := c.gain()
	if excess := float64(c.delay.queue())/float64(ledbatTarget) - 1; excess > 0 {
		change = max(change-w.cwnd*excess, -w.cwnd/2)
	}
	if change < 0 || w.used(s, n) {
		w.cwnd += change * min(n/w.cwnd, 1)
		w.ssthresh = min(w.ssthresh, w.cwnd) // it is not slow start that grows again
	}
}

// slowDown begins a slowdown.
func (c *LEDBAT) slowDown(now time.Time, s *State) {
	c.phase = ledbatFreeze
	c.began, c.until = now, now.Add(ledbatFreezeRTTs*c.rtt(s))
	c.win.ssthresh = max(c.win.cwnd, ackedLeast)
	c.win.cwnd = ackedLeast
}

// gain is the draft's GAIN: how much slower than Reno the window grows. It is
// slower on short paths, where others lose more by a queue.
func (c *LEDBAT) gain() float64 {
	if c.delay.base <= 0 {
		return 1.0 / ledbatGainLimit
	}
	return 1 / min(ledbatGainLimit, math.Ceil(2*float64(ledbatTarget)/float64(c.delay.base)))
}

// rtt is what counts as a round trip for the times of slowdowns.
func (c *LEDBAT) rtt(s *State) time.Duration { return max(s.RTT, c.delay.base, time.Millisecond) }

// OnLoss implements Controller: half the window, once per round trip.
func (c *LEDBAT) OnLoss(now time.Time, s *State, l *LossSample) {
	w := &c.win
	if w.spurious(l) {
		c.undo()
	}
	if w.lost(now, s, l) {
		switch c.phase {
		case ledbatFreeze:
			// The window of before the slowdown was too large.
			w.undoCwnd = w.ssthresh
			w.ssthresh = max(w.ssthresh*ledbatLossShare, ackedLeast)
		case ledbatSlowStart:
			w.reduce(ledbatLossShare)
			c.leaveSlowStart(now, s)
		case ledbatRamp:
			w.reduce(ledbatLossShare)
			c.leaveRamp(now)
		default:
			w.reduce(ledbatLossShare)
		}
	}
	w.publish(s)
}

// undo goes back to the window of before the latest loss event: in a slowdown
// when that is over.
func (c *LEDBAT) undo() {
	w := &c.win
	w.open = false
	if c.phase == ledbatFreeze || c.phase == ledbatRamp {
		w.ssthresh = max(w.ssthresh, w.undoCwnd)
	} else {
		w.cwnd = max(w.cwnd, w.undoCwnd)
	}
}

// OnTimeout implements Controller. What follows is the end of a slowdown.
func (c *LEDBAT) OnTimeout(now time.Time, s *State) {
	w := &c.win
	if c.phase == ledbatFreeze {
		w.cwnd = w.ssthresh
	}
	w.timeout(now, s, ledbatLossShare)
	c.phase, c.began = ledbatRamp, now
	w.publish(s)
}

// OnRestart implements RestartObserver. Being idle, the connection had a
// slowdown of its own, which now ends.
func (c *LEDBAT) OnRestart(now time.Time, s *State) {
	w := &c.win
	if w.idle(now, s) {
		switch c.phase {
		case ledbatAvoidance:
			w.ssthresh = w.cwnd
			c.phase, c.began = ledbatRamp, now
		case ledbatFreeze:
			c.phase, c.began = ledbatRamp, now
		}
		w.cwnd = min(w.cwnd, ackedInitial)
		w.losses = 0
	}
	w.publish(s)
}
