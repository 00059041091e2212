package cc

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cubicRig is past a loss at a window of 100 packets and its recovery.
func cubicRig() (*windowRig, *Cubic) {
	c := NewCubic()
	r := avoiding(c, 100)
	r.lose(1)
	r.ack(int(r.s.NextPacket - r.una))
	return r, c
}

func TestCubicCurve(t *testing.T) {
	// W_max 100, cwnd_epoch 70: K = cbrt(30/0.4).
	c := cubicCurve{max: 100, prior: 100}
	c.begin(time.Unix(0, 0), 70)
	require.InDelta(t, 4.217163, c.k, 1e-6)
	for _, p := range []struct{ t, want float64 }{
		{0, 70}, {1, 86.680764}, {4.217163, 100}, {8, 121.652735}, {8.434327, 130},
	} {
		require.InDelta(t, p.want, c.window(p.t), 1e-5, "t = %v", p.t)
	}
}

func TestCubicStagesWithoutALossBeginFlat(t *testing.T) {
	c := cubicCurve{}
	c.begin(time.Unix(0, 0), 70)
	require.Zero(t, c.k)
	require.Equal(t, 70.0, c.max)
	require.Equal(t, 70.0, c.prior)
	require.Equal(t, 70.0, c.window(0))
	require.InDelta(t, 70.4, c.window(1), 1e-9)
}

func TestCubicFollowsTheCurve(t *testing.T) {
	r, c := cubicRig()
	require.Equal(t, 70, r.s.Window)
	r.s.RTT = 200 * time.Millisecond // so that Reno is slower
	r.ack(1)
	began := c.curve.epoch
	curve := cubicCurve{max: 100, k: math.Cbrt(30 / 0.4)}
	for range 40 {
		r.round()
		at := r.now.Sub(began).Seconds()
		// The window makes most of its way to a target that is a round trip
		// ahead in that time.
		require.GreaterOrEqual(t, r.w.cwnd, curve.window(max(at-0.2, 0))-0.5, "t = %v", at)
		require.LessOrEqual(t, r.w.cwnd, curve.window(at+0.2), "t = %v", at)
	}
	require.Greater(t, r.w.cwnd, 115.0, "it went on beyond W_max")
}

func TestCubicGrowsByHalfARoundAtMost(t *testing.T) {
	r, c := cubicRig()
	r.ack(1)
	c.curve.epoch = r.now.Add(-time.Hour)
	before := r.w.cwnd
	r.s.NextPacket += 1000
	r.ackOnly(1000, windowRTT)
	require.InDelta(t, 1.5*before, r.w.cwnd, 1e-9)
}

func TestCubicIsNotSlowerThanReno(t *testing.T) {
	c := NewCubic()
	r := avoiding(c, 10)
	r.s.RTT, r.s.MinRTT = 10*time.Millisecond, 10*time.Millisecond
	r.lose(1)
	r.ack(int(r.s.NextPacket - r.una))
	require.InDelta(t, 7, r.w.cwnd, 1e-9)
	r.ack(7)
	require.InDelta(t, 7.529412, r.w.cwnd, 1e-6, "alpha = 3*0.3/1.7 for a whole window")
	r.ack(7)
	require.InDelta(t, 7.529412+0.529412*7/7.529412, r.w.cwnd, 1e-6)
	for r.w.cwnd < 10 {
		r.round()
	}
	before := r.w.cwnd
	r.round()
	require.InDelta(t, before+1, r.w.cwnd, 0.11, "alpha = 1 from cwnd_prior on")
}

func TestCubicFastConvergence(t *testing.T) {
	r, c := cubicRig()
	require.Equal(t, 100.0, c.curve.max)
	r.w.cwnd = 80
	r.lose(1)
	require.InDelta(t, 68, c.curve.max, 1e-9, "80 < 100, so 80*(1+0.7)/2")
	require.Equal(t, 80.0, c.curve.prior)
	require.InDelta(t, 56, r.w.cwnd, 1e-9)
	r.ack(int(r.s.NextPacket - r.una))
	r.w.cwnd = 90
	r.lose(1)
	require.Equal(t, 90.0, c.curve.max, "90 > 68")
}

func TestCubicUndoRestoresTheCurve(t *testing.T) {
	r, c := cubicRig()
	r.round()
	before, window := c.curve, r.w.cwnd
	r.lose(1)
	require.NotEqual(t, before, c.curve)
	r.takeBack(1)
	require.Equal(t, before, c.curve)
	require.Equal(t, window, r.w.cwnd)
}

func TestCubicDoesNotUndoWhatItHasOutgrown(t *testing.T) {
	r, c := cubicRig()
	r.lose(1)
	r.w.cwnd = 130
	curve := c.curve
	r.takeBack(1)
	require.Equal(t, 130.0, r.w.cwnd)
	require.Equal(t, curve, c.curve)
}

func TestCubicAfterTimeoutBeginsFlat(t *testing.T) {
	r, c := cubicRig()
	r.timeout()
	require.InDelta(t, 49, r.w.ssthresh, 1e-9)
	r.drop()
	for r.w.inSlowStart() {
		r.round()
	}
	r.round()
	require.Zero(t, c.curve.k)
	require.InDelta(t, 49, c.curve.max, 1e-9)
}

func TestCubicTimeDoesNotPassWhileTheWindowIsUnused(t *testing.T) {
	busy, _ := cubicRig()
	idle, _ := cubicRig()
	for range 10 {
		busy.round()
		idle.round()
	}
	for range 30 { // 3 s with a tenth of the window in use
		idle.wait(windowRTT)
		idle.s.InFlight, idle.s.WindowLimited = 8, false
		idle.ackOnly(1, windowRTT)
	}
	idle.send()
	require.InDelta(t, busy.w.cwnd, idle.w.cwnd, 1e-9)
	for range 5 {
		busy.round()
		idle.round()
	}
	require.InDelta(t, busy.w.cwnd, idle.w.cwnd, 0.5, "RFC 9438, section 4.2")
}

func TestCubicTimeDoesNotPassBetweenBursts(t *testing.T) {
	busy, _ := cubicRig()
	paused, _ := cubicRig()
	busy.round()
	paused.round()
	paused.wait(900 * time.Millisecond)
	paused.restart()
	for range 5 {
		busy.round()
		paused.round()
	}
	require.InDelta(t, busy.w.cwnd, paused.w.cwnd, 0.1)
}

func TestCubicAfterIdleTimeReturnsToTheCurve(t *testing.T) {
	r, c := cubicRig()
	r.wait(2 * time.Second)
	r.restart()
	require.Equal(t, 10, r.s.Window)
	require.InDelta(t, 70, r.w.ssthresh, 1e-9)
	r.drop()
	for r.w.inSlowStart() {
		r.round()
	}
	r.round()
	require.Equal(t, 100.0, c.curve.max)
	require.InDelta(t, 4.217163, c.curve.k, 1e-6)
}
