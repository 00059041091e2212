package proto

import "time"

const (
	pairHistory = 64
	minPairs    = 4
)

// packetPairs measures the capacity of the link from packets that left without a
// pause: every sender lets the packet behind a multiple of 16 follow at once
// (SPEC.md#sending). Trains say nothing of the capacity where the sender is
// slower than the link, and UDT's rate control, told that the link is no faster
// than what it sends, raises its rate hardly at all: after an early loss it would
// stay at a few hundred packets a second for minutes.
//
// A pair that came in one read is no measurement: its packets share their time
// of arrival.
type packetPairs struct {
	probe   int64 // first packet of the present pair
	probeAt time.Duration

	rates  []float64 // packets per second, a ring of pairHistory
	at     int
	median float64 // of rates; negative: to be computed
}

// arrived notes that the full packet n arrived, in order and for the first time.
func (p *packetPairs) arrived(now time.Duration, n int64) {
	switch n % probeModulus {
	case 0:
		p.probe, p.probeAt = n, now
	case 1:
		if gap := now - p.probeAt; p.probe == n-1 && gap > 0 {
			push(&p.rates, &p.at, pairHistory, 1/gap.Seconds())
			p.median = -1
		}
	}
}

// capacity returns packets per second, zero while it is unknown.
func (p *packetPairs) capacity() int {
	if len(p.rates) < minPairs {
		return 0
	}
	if p.median < 0 {
		p.median = quantile(p.rates, 0.5)
	}
	return int(p.median)
}
