package libudtmodel

import (
	"slices"
	"time"
)

// rates are the library's estimates for words 4 and 5 of full ACKs, from the
// times between arrivals and between the packets of pairs, in microseconds.
type rates struct {
	last     time.Duration
	arrivals [16]int64
	arrival  int
	probeAt  time.Duration
	probes   [64]int64
	probe    int
}

func (r *rates) init() {
	for i := range r.arrivals {
		r.arrivals[i] = 1_000_000
	}
	for i := range r.probes {
		r.probes[i] = 1000
	}
}

// arrived notes a data packet, whether it is new or not.
func (r *rates) arrived(now time.Duration, number uint32) {
	r.arrivals[r.arrival] = (now - r.last).Microseconds()
	r.arrival = (r.arrival + 1) % len(r.arrivals)
	r.last = now
	switch number % 16 {
	case 0:
		r.probeAt = now
	case 1:
		r.probes[r.probe] = (now - r.probeAt).Microseconds()
		r.probe = (r.probe + 1) % len(r.probes)
	}
}

// receive returns the packets per second that arrive; zero is unknown.
func (r *rates) receive() uint32 {
	sum, n, _ := filtered(r.arrivals[:])
	if n <= int64(len(r.arrivals)/2) || sum/n == 0 {
		return 0
	}
	return perSecond(sum / n)
}

// capacity returns the packets per second that the link is thought to pass.
func (r *rates) capacity() uint32 {
	sum, n, median := filtered(r.probes[:])
	mean := (sum + median) / (n + 1)
	if mean == 0 {
		return 0
	}
	return perSecond(mean)
}

// filtered sums the values that are within a factor of eight of the median.
// The library takes the median of all but the last slot, and its lower bound is
// rounded down.
func filtered(values []int64) (sum, n, median int64) {
	var scratch [64]int64
	sorted := scratch[:copy(scratch[:], values[:len(values)-1])]
	slices.Sort(sorted)
	median = sorted[len(values)/2]
	for _, v := range values {
		if median/8 < v && v < median*8 {
			sum += v
			n++
		}
	}
	return sum, n, median
}

// perSecond is rounded up.
func perSecond(micros int64) uint32 { return uint32((1_000_000 + micros - 1) / micros) }
