package cc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ledbatRig is in congestion avoidance with cwnd packets on a path of base
// delay 100 ms, for which GAIN is 1/2. No slowdown is near.
func ledbatRig(cwnd float64) (*windowRig, *LEDBAT) {
	c := NewLEDBAT()
	return steady(c, cwnd), c
}

// sampled sets the current delay.
func (r *windowRig) sampled(c *LEDBAT, rtt time.Duration) {
	for range ledbatFilter {
		c.delay.sample(r.now, rtt)
	}
}

func TestLEDBATGain(t *testing.T) {
	for _, p := range []struct {
		base    time.Duration
		divisor float64
	}{
		{0, 16}, // unknown
		{time.Millisecond, 16},
		{7 * time.Millisecond, 16},
		{8 * time.Millisecond, 15},
		{20 * time.Millisecond, 6},
		{50 * time.Millisecond, 3}, // 2.4
		{100 * time.Millisecond, 2},
		{119 * time.Millisecond, 2},
		{120 * time.Millisecond, 1},
		{time.Second, 1},
	} {
		c := LEDBAT{delay: ledbatDelay{base: p.base}}
		require.Equal(t, 1/p.divisor, c.gain(), "1/min(16, ceil(120 ms/%v))", p.base)
	}
}

func TestLEDBATSlowStartGrowsByGain(t *testing.T) {
	r := newWindowRig(NewLEDBAT())
	r.ack(10)
	require.Equal(t, 15.0, r.w.cwnd, "10 packets * 1/2")
	r.s.RTT = 20 * time.Millisecond
	r.ack(12)
	require.Equal(t, 17.0, r.w.cwnd, "12 packets * 1/6")
}

func TestLEDBATSlowStartEndsAtThreeQuartersOfTheTarget(t *testing.T) {
	c := NewLEDBAT()
	r := newWindowRig(c)
	r.ack(1)
	r.sampled(c, 145*time.Millisecond)
	r.ackOnly(1, 145*time.Millisecond)
	require.Equal(t, ledbatSlowStart, c.phase, "45 ms are not more than 3/4 of 60 ms")
	r.sampled(c, 146*time.Millisecond)
	before := r.w.cwnd
	r.ackOnly(1, 146*time.Millisecond)
	require.Equal(t, ledbatAvoidance, c.phase)
	require.Equal(t, before, r.w.cwnd)
	require.Equal(t, 200*time.Millisecond, c.next.Sub(r.now), "the first slowdown follows 2 RTT later")
}

func TestLEDBATAvoidance(t *testing.T) {
	for _, p := range []struct {
		name  string
		queue time.Duration
		cwnd  float64
		acked int
		want  float64
	}{
		{"additive increase", 0, 20, 10, 20.25},                          // 1/2 * 10/20
		{"as fast right below the target", 60 * ms, 20, 20, 20.5},        // GAIN per round trip
		{"decrease by the excess", 66 * ms, 20, 10, 20 - 0.75},           // (1/2 - 20*0.1) * 10/20
		{"small excess is outweighed by GAIN", 61 * ms, 20, 10, 20.0833}, // (1/2 - 20/60) * 10/20
		{"half a window at most", 500 * ms, 20, 10, 15},                  // -20/2 * 10/20
		{"half a window for a whole one", 500 * ms, 20, 20, 10},
	} {
		t.Run(p.name, func(t *testing.T) {
			r, c := ledbatRig(p.cwnd)
			r.sampled(c, windowRTT+p.queue)
			r.ackOnly(p.acked, windowRTT+p.queue)
			require.InDelta(t, p.want, r.w.cwnd, 1e-3)
		})
	}
}

func TestLEDBATDecreasesAnUnusedWindowToo(t *testing.T) {
	r, c := ledbatRig(20)
	r.s.InFlight, r.s.WindowLimited = 2, false
	r.sampled(c, windowRTT+500*ms)
	r.ackOnly(2, windowRTT+500*ms)
	require.Equal(t, 19.0, r.w.cwnd)
}

func TestLEDBATSlowdown(t *testing.T) {
	r, c := ledbatRig(64)
	start := r.now
	c.next = r.now
	r.ackOnly(1, windowRTT)
	require.Equal(t, 2, r.s.Window)
	require.Equal(t, 64.0, r.w.ssthresh)

	// Frozen for 2 RTT.
	r.drop()
	for range 3 {
		r.wait(66 * ms)
		r.ack(2)
		require.Equal(t, 2, r.s.Window)
	}
	// Then slow start, by half of what is acknowledged, to where it was.
	r.wait(2 * ms)
	r.ack(2)
	require.Equal(t, 2, r.s.Window)
	require.Equal(t, ledbatRamp, c.phase)
	for _, want := range []float64{3, 4.5, 6.5, 9.5} { // 2/2, 3/2, 4/2, 6/2: whole packets are acknowledged
		r.wait(windowRTT)
		r.ack(r.s.Window)
		require.InDelta(t, want, r.w.cwnd, 1e-9)
	}
	for c.phase == ledbatRamp {
		r.wait(windowRTT)
		r.ack(r.s.Window)
	}
	require.Equal(t, 64.0, r.w.cwnd)
	require.Equal(t, ledbatAvoidance, c.phase)
	require.Equal(t, 9*r.now.Sub(start), c.next.Sub(r.now), "9 times as long as the slowdown took")

	r.now = c.next.Add(-time.Nanosecond)
	r.ack(1)
	require.Equal(t, ledbatAvoidance, c.phase)
	r.wait(time.Nanosecond)
	r.ack(1)
	require.Equal(t, ledbatFreeze, c.phase)
}

func TestLEDBATRampIgnoresDelay(t *testing.T) {
	r, c := ledbatRig(64)
	c.slowDown(r.now, &r.s)
	c.phase = ledbatRamp
	r.sampled(c, windowRTT+50*ms)
	r.drop()
	r.ack(2)
	require.Equal(t, ledbatRamp, c.phase)
	require.Equal(t, 3, r.s.Window)
}

func TestLEDBATLoss(t *testing.T) {
	t.Run("in slow start", func(t *testing.T) {
		c := NewLEDBAT()
		r := newWindowRig(c)
		r.lose(1)
		require.Equal(t, 5, r.s.Window)
		require.Equal(t, ledbatAvoidance, c.phase)
		require.Equal(t, 200*ms, c.next.Sub(r.now))
	})
	t.Run("frozen", func(t *testing.T) {
		r, c := ledbatRig(64)
		c.slowDown(r.now, &r.s)
		r.lose(1)
		require.Equal(t, 2, r.s.Window)
		require.Equal(t, 32.0, r.w.ssthresh, "where the slowdown returns to")
		r.takeBack(1)
		require.Equal(t, 64.0, r.w.ssthresh)
		require.Equal(t, 2, r.s.Window)
	})
	t.Run("in the ramp", func(t *testing.T) {
		r, c := ledbatRig(64)
		c.slowDown(r.now, &r.s)
		c.phase = ledbatRamp
		r.w.cwnd = 40
		r.wait(time.Second)
		r.lose(1)
		require.Equal(t, 20, r.s.Window)
		require.Equal(t, ledbatAvoidance, c.phase)
		require.Equal(t, 9*time.Second, c.next.Sub(r.now))
	})
}

func TestLEDBATTimeoutIsTheEndOfASlowdown(t *testing.T) {
	r, c := ledbatRig(64)
	r.timeout()
	require.Equal(t, ledbatRamp, c.phase)
	require.Equal(t, 32.0, r.w.ssthresh)
	r, c = ledbatRig(64)
	c.slowDown(r.now, &r.s)
	r.timeout()
	require.Equal(t, 32.0, r.w.ssthresh, "of the window before the slowdown")
	require.Equal(t, 2, r.s.Window)
}

func TestLEDBATIdleTimeIsASlowdown(t *testing.T) {
	r, c := ledbatRig(64)
	r.wait(2 * time.Second)
	r.restart()
	require.Equal(t, ledbatRamp, c.phase)
	require.Equal(t, 10, r.s.Window)
	require.Equal(t, 64.0, r.w.ssthresh)
	c.slowDown(r.now, &r.s)
	r.wait(2 * time.Second)
	r.restart()
	require.Equal(t, ledbatRamp, c.phase)
	require.Equal(t, 2, r.s.Window)
}

func TestLEDBATBaseDelayIsTheSmallestOfTenMinutes(t *testing.T) {
	var d ledbatDelay
	now := time.Unix(0, 0)
	d.sample(now, 40*ms)
	for minute := 1; minute < 10; minute++ {
		now = now.Add(time.Minute)
		d.sample(now, time.Duration(50+minute)*ms)
		require.Equal(t, 40*ms, d.base, "minute %d", minute)
	}
	now = now.Add(time.Minute)
	d.sample(now, 90*ms)
	require.Equal(t, 51*ms, d.base, "the first minute is forgotten")
	d.sample(now.Add(time.Hour), 95*ms)
	require.Equal(t, 95*ms, d.base, "all is")
	d.sample(now, 99*ms)
	require.Equal(t, 95*ms, d.base, "a clock that goes back is of no account")
}

func TestLEDBATCurrentDelayIsTheSmallestOfFourSamples(t *testing.T) {
	var d ledbatDelay
	now := time.Unix(0, 0)
	require.Zero(t, d.queue(), "nothing is known")
	for _, p := range []struct{ rtt, queue time.Duration }{
		{100 * ms, 0}, {130 * ms, 0}, {140 * ms, 0}, {150 * ms, 0}, {160 * ms, 30 * ms}, {170 * ms, 40 * ms}, {90 * ms, 0},
		{0, 0}, {-1, 0}, // no samples
	} {
		d.sample(now, p.rtt)
		require.Equal(t, p.queue, d.queue())
	}
}
