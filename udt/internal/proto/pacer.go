package proto

import "time"

// Bounds of what is sent back to back (SPEC.md#pacing).
const (
	minBurst  = 2
	maxBurst  = 16
	fastBurst = 44      // above fastRate, or where the round trip is under a millisecond
	fastRate  = 2e9 / 8 // bytes per second
)

// Bounds of the timer lateness that a sender may make up for. Under the
// granularity of timers a flow would measure its own pacing.
const (
	minLateness = time.Millisecond
	maxLateness = 4 * time.Millisecond
)

// pacer spaces bursts of packets by credit: a sender that wakes late sends what
// had become due meanwhile, but one that was stopped by anything else than pacing
// earns no more than one burst while it waits (SPEC.md#pacing).
type pacer struct {
	next   time.Duration // when the next packet is due
	wake   time.Duration // when a timer was asked for, zero if none
	late   time.Duration // 99th percentile of timer lateness, approximated
	paused bool          // stopped by window, flow window or lack of data
}

// credit returns how many packets may be sent at now, zero if these are fewer
// than want: whatever wakes the sender early must not break bursts up.
func (p *pacer) credit(now, period time.Duration, burst, want int) int {
	if period <= 0 {
		return fastBurst
	}
	if p.wake != 0 && now >= p.wake {
		p.observe(now - p.wake)
		p.wake = 0
	}
	bound := time.Duration(burst-1) * period
	if !p.paused {
		bound += min(max(p.late, minLateness), maxLateness) + period
	}
	p.paused = false
	p.next = max(p.next, now-bound)
	if now < p.next+time.Duration(want-1)*period {
		return 0
	}
	return int((now-p.next)/period) + 1
}

// sent accounts for n packets sent at the given period.
func (p *pacer) sent(n int, period time.Duration) {
	p.next += time.Duration(n) * period
}

// due returns when a whole burst may be sent.
func (p *pacer) due(period time.Duration, burst int) time.Duration {
	p.wake = p.next + time.Duration(burst-1)*period
	return p.wake
}

// observe moves the estimate of the lateness' 99th percentile: 99 times as fast
// upwards as downwards.
func (p *pacer) observe(late time.Duration) {
	const step = 2 * time.Microsecond
	if late > p.late {
		p.late += 99 * step
	} else {
		p.late = max(0, p.late-step)
	}
}

// burstSize returns how many packets are sent back to back at a period.
func burstSize(period time.Duration, size int, minRTT time.Duration) int {
	if period <= 0 || minRTT != 0 && minRTT < time.Millisecond {
		return fastBurst
	}
	if float64(size)/period.Seconds() > fastRate {
		return fastBurst
	}
	return int(min(max(time.Millisecond/period, minBurst), maxBurst))
}
