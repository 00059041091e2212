package cc

import (
	"math"
	"time"
)

// The constants of RFC 9438, section 5.
const (
	cubicC    = 0.4
	cubicBeta = 0.7

	// cubicAlpha makes an additive increase with cubicBeta as fast as Reno's.
	cubicAlpha = 3 * (1 - cubicBeta) / (1 + cubicBeta)

	cubicMaxGrowth = 1.5 // per round trip
)

// Cubic is CUBIC, RFC 9438, the congestion control of most TCPs: after a loss
// the window returns to seven tenths, then in a cubic curve over time first
// towards what it was, and beyond that more and more quickly. Slow start is
// left by HyStart++, RFC 9406. Where Reno would be faster, it is as fast as that.
//
// As the RFC allows it computes with cwnd, not the flight size, and lets cwnd
// grow only while it is made use of.
type Cubic struct {
	win   ackedWindow
	start hyStart
	curve cubicCurve
	saved cubicCurve // before the latest loss event, for undo
	last  time.Time  // latest ACK
}

// A cubicCurve is the state of congestion avoidance, with the RFC's names behind.
type cubicCurve struct {
	max   float64   // W_max: where the curve is flat
	prior float64   // cwnd_prior: the window when ssthresh was set last
	k     float64   // K: seconds from the epoch to W_max
	est   float64   // W_est: the window of Reno
	epoch time.Time // t_epoch, later by the time in which the window was not used; zero: yet to begin
}

// NewCubic returns CUBIC for one connection.
func NewCubic() *Cubic { return new(Cubic) }

// Init implements Controller.
func (c *Cubic) Init(now time.Time, s *State) {
	*c = Cubic{win: newAckedWindow(now, s), start: newHyStart(s), last: now}
	c.win.publish(s)
}

// OnAck implements Controller.
func (c *Cubic) OnAck(now time.Time, s *State, a *AckSample) {
	w := &c.win
	n, grow := w.acked(now, s, a)
	if grow {
		used := w.used(s, n)
		switch {
		case w.inSlowStart():
			w.slowStart(s, a, &c.start, n, used)
		case used:
			c.curve.advance(now, s, &w.cwnd, n)
		default:
			c.pause(now)
		}
	}
	c.last = now
	w.publish(s)
}

// OnLoss implements Controller.
func (c *Cubic) OnLoss(now time.Time, s *State, l *LossSample) {
	if c.win.spurious(l) && c.win.undo() {
		c.curve = c.saved
	}
	if c.win.lost(now, s, l) {
		c.saved = c.curve
		c.curve.congested(c.win.cwnd)
		c.win.reduce(cubicBeta)
	}
	c.win.publish(s)
}

// OnTimeout implements Controller. Congestion avoidance after it starts from
// nothing (RFC 9438, section 4.8).
func (c *Cubic) OnTimeout(now time.Time, s *State) {
	c.curve = cubicCurve{prior: c.win.cwnd}
	c.win.timeout(now, s, cubicBeta)
	c.win.publish(s)
}

// OnRestart implements RestartObserver.
func (c *Cubic) OnRestart(now time.Time, s *State) {
	c.pause(now)
	c.last = now
	if c.win.idle(now, s) {
		c.win.restart()
		c.curve.epoch = time.Time{}
	}
	c.win.publish(s)
}

// pause keeps the time since the latest ACK out of the curve: the window was not
// used (RFC 9438, section 4.2: t "MUST NOT include periods during which cwnd has not been
// updated due to application-limited behavior").
func (c *Cubic) pause(now time.Time) {
	gap := max(now.Sub(c.last), 0)
	c.curve.delay(gap)
	c.saved.delay(gap)
}

func (c *cubicCurve) delay(gap time.Duration) {
	if !c.epoch.IsZero() {
		c.epoch = c.epoch.Add(gap)
	}
}

// congested notes a loss at a window of cwnd (RFC 9438, sections 4.6 and 4.7). A window
// that did not get back to where the last loss was leaves room for others: fast
// convergence.
func (c *cubicCurve) congested(cwnd float64) {
	if cwnd < c.max {
		c.max = cwnd * (1 + cubicBeta) / 2
	} else {
		c.max = cwnd
	}
	c.prior = cwnd
	c.epoch = time.Time{}
}

// begin starts a stage of congestion avoidance. If nothing is known above cwnd,
// after a timeout and the first slow start, it begins at the flat point.
func (c *cubicCurve) begin(now time.Time, cwnd float64) {
	c.epoch = now
	c.est = cwnd
	if c.prior == 0 {
		c.prior = cwnd
	}
	c.max = max(c.max, cwnd)
	c.k = math.Cbrt((c.max - cwnd) / cubicC)
}

// window is W_cubic: the curve t seconds after the epoch.
func (c *cubicCurve) window(t float64) float64 {
	d := t - c.k
	return cubicC*d*d*d + c.max
}

// advance grows cwnd by what n acknowledged packets are worth (RFC 9438,
// sections 4.2 to 4.5).
func (c *cubicCurve) advance(now time.Time, s *State, cwnd *float64, n float64) {
	if c.epoch.IsZero() {
		c.begin(now, *cwnd)
	}
	t := max(now.Sub(c.epoch), 0).Seconds()
	alpha := cubicAlpha
	if c.est >= c.prior {
		alpha = 1
	}
	share := min(n / *cwnd, 1)
	c.est += alpha * share
	if c.window(t) < c.est {
		*cwnd = max(*cwnd, c.est)
		return
	}
	target := min(max(c.window(t+max(s.RTT, 0).Seconds()), *cwnd), cubicMaxGrowth**cwnd)
	*cwnd += (target - *cwnd) * share
}
