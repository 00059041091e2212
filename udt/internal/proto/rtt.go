package proto

import "time"

// What the reference assumes before the first sample.
const (
	initialRTT    = 100 * time.Millisecond
	initialRTTVar = 50 * time.Millisecond
)

// minRTTWindow is how long the smallest sample is remembered at least.
const minRTTWindow = 10 * time.Second

// rttEstimator smooths round-trip samples as RFC 6298 does.
type rttEstimator struct {
	smoothed, variance time.Duration // zero before the first sample
	latest             time.Duration

	// The minimum over the last one to two windows: that of the present
	// window and that of the one before.
	current, previous time.Duration
	windowEnd         time.Duration
	firm, firmEnd     time.Duration // like the minimum, but without what NAKs hint at
}

func (r *rttEstimator) sample(now, rtt time.Duration) {
	rtt = max(rtt, time.Microsecond)
	if r.firm == 0 || rtt < r.firm || now >= r.firmEnd {
		r.firm, r.firmEnd = rtt, now+minRTTWindow
	}
	r.hint(now, rtt)
}

// hint takes a sample that somebody who does not see the traffic may have forged:
// firm does not follow it.
func (r *rttEstimator) hint(now, rtt time.Duration) {
	rtt = max(rtt, time.Microsecond)
	r.latest = rtt
	if r.smoothed == 0 {
		r.smoothed, r.variance = rtt, rtt/2
		r.current, r.previous, r.windowEnd = rtt, rtt, now+minRTTWindow
		return
	}
	deviation := r.smoothed - rtt
	if deviation < 0 {
		deviation = -deviation
	}
	r.variance += (deviation - r.variance) / 4
	r.smoothed += (rtt - r.smoothed) / 8
	if now >= r.windowEnd {
		r.previous, r.current, r.windowEnd = r.current, rtt, now+minRTTWindow
	}
	r.current = min(r.current, rtt)
}

// rtt returns the smoothed round trip, or the reference's initial value.
func (r *rttEstimator) rtt() time.Duration {
	if r.smoothed == 0 {
		return initialRTT
	}
	return r.smoothed
}

func (r *rttEstimator) rttvar() time.Duration {
	if r.smoothed == 0 {
		return initialRTTVar
	}
	return r.variance
}

// min returns the windowed minimum, zero before the first sample.
func (r *rttEstimator) min() time.Duration { return min(r.current, r.previous) }

// soonest is before when nobody can have heard of a packet: a quarter of the round
// trip, without what a peer of the reference waits before it answers and what two
// busy machines add.
func (r *rttEstimator) soonest() time.Duration { return max(r.firm-maxNoise, 0) / 4 }

const maxNoise = 12 * time.Millisecond
