package proto

import (
	"slices"
	"time"
)

// Receive rate and link capacity are measured over batches: packets that came
// in one read share their time of arrival, so gaps inside a batch say nothing
// (SPEC.md#rates-in-acknowledgements).
const (
	rateWindows     = 16
	rateMinPackets  = 16
	rateMinInterval = time.Millisecond
	trainHistory    = 64
	trainMinPackets = 16
	trainMaxGap     = 2 * time.Millisecond
)

// arrivalRate estimates the speed at which packets arrive, and the capacity of
// the link they came over, for words 4 and 5 of full ACKs.
type arrivalRate struct {
	windows  []float64 // packets per second, a ring of rateWindows
	windowAt int
	start    time.Duration // of the present window
	packets  int           // in the present window, after its first batch
	total    int64
	last     time.Duration // arrival of the latest batch

	trains     []float64 // packets per second, a ring of trainHistory
	trainAt    int
	trainStart time.Duration // first read of the present train
	trainCount int           // packets after the first read
	trainFirst int           // packets of the first read

	median float64       // of windows; negative: to be computed
	high   float64       // quantile of trains
	stale  bool          // high is from before the latest train
	highAt time.Duration // when high was computed
}

// batch notes that n packets came in one read at now.
func (a *arrivalRate) batch(now time.Duration, n int) {
	if n == 0 {
		return
	}
	first := a.total == 0
	a.total += int64(n)
	gap := now - a.last
	a.last = now
	if first {
		a.start, a.trainStart, a.trainFirst = now, now, n
		return
	}
	// A pause is the sender's, not the path's: begin anew behind it.
	if gap > 500*time.Millisecond {
		a.start, a.packets = now, 0
	} else {
		a.packets += n
		if elapsed := now - a.start; a.packets >= rateMinPackets && elapsed >= rateMinInterval {
			push(&a.windows, &a.windowAt, rateWindows, float64(a.packets)/elapsed.Seconds())
			a.median = -1
			a.start, a.packets = now, 0
		}
	}
	a.train(now, gap, n)
}

func (a *arrivalRate) train(now, gap time.Duration, n int) {
	if gap <= trainMaxGap {
		a.trainCount += n
		if a.trainFirst+a.trainCount < 4*trainMinPackets {
			return
		}
	}
	end := now
	if gap > trainMaxGap {
		end = now - gap
	}
	if elapsed := end - a.trainStart; a.trainCount > 0 && a.trainFirst+a.trainCount >= trainMinPackets && elapsed > 0 {
		push(&a.trains, &a.trainAt, trainHistory, float64(a.trainCount)/elapsed.Seconds())
		a.stale = true
	}
	a.trainStart, a.trainFirst, a.trainCount = now, n, 0
}

func push(ring *[]float64, at *int, size int, v float64) {
	if len(*ring) < size {
		*ring = append(*ring, v)
		return
	}
	(*ring)[*at] = v
	*at = (*at + 1) % size
}

// estimates returns packets per second; zero means no estimate yet. A sender of
// the reference that loses a packet before any rate was reported falls to 16
// packets a second, so a first figure is given as soon as 16 packets came.
func (a *arrivalRate) estimates(now time.Duration) (rate, capacity int) {
	switch {
	case len(a.windows) > 0:
		if a.median < 0 {
			a.median = quantile(a.windows, 0.5)
		}
		rate = int(a.median)
	case a.total >= rateMinPackets:
		elapsed := max(now-a.start, rateMinInterval)
		rate = int(float64(a.total) / elapsed.Seconds())
	default:
		return 0, 0
	}
	rate = min(max(rate, 1), 1<<30)
	capacity = rate
	if len(a.trains) > 0 {
		// A fast link brings a train with every read: sorting them all is not
		// worth it more often than this.
		if a.stale && (a.highAt == 0 || now-a.highAt >= rateMinInterval) {
			a.high, a.stale, a.highAt = quantile(a.trains, 0.9), false, now
		}
		capacity = min(max(rate, int(a.high)), 1<<30)
	}
	return rate, capacity
}

func quantile(values []float64, q float64) float64 {
	var scratch [trainHistory]float64
	s := scratch[:copy(scratch[:], values)]
	slices.Sort(s)
	return min(s[min(int(q*float64(len(s))), len(s)-1)], 1<<30)
}
