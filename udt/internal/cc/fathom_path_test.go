package cc

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// alternating is 50 and 5 Mbit/s, two seconds each.
func alternating(at time.Duration) float64 {
	if at/(2*time.Second)%2 == 0 {
		return mbit(50)(0)
	}
	return mbit(5)(0)
}

func fathomSeeded(seed uint64) Controller {
	return NewFathom(rand.New(rand.NewPCG(seed, 2)).Float64)
}

func bbrSeeded(seed uint64) Controller { return NewBBR(rand.New(rand.NewPCG(seed, 2)).Float64) }

// TestShareOfLongPaths demands medians of three seeds over long paths of several
// kinds. BBR's are there to show what the deviations are for.
func TestShareOfLongPaths(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name        string
		link        simLink
		seconds     int
		fathom      float64 // at least
		drops       float64 // at most
		bbr, bbrMax float64
	}{
		{"A clean", simLink{rate: mbit(100), rtt: 100 * ms, queue: 833}, 25, 0.94, 0.005, 0.89, 1},
		{"B 0.1 %", simLink{rate: mbit(100), rtt: 100 * ms, queue: 833, loss: 0.001}, 25, 0.93, 0.005, 0.80, 0.90},
		{"C 1 %", simLink{rate: mbit(100), rtt: 100 * ms, queue: 833, loss: 0.01}, 25, 0.87, 0.005, 0.75, 0.85},
		{"C' 5 %", simLink{rate: mbit(100), rtt: 100 * ms, queue: 833, loss: 0.05}, 25, 0.80, 0.005, 0, 0.30},
		{"D long and fast", simLink{rate: mbit(200), rtt: 200 * ms, queue: 3333, loss: 0.0001}, 25, 0.90, 0.005, 0.80, 0.90},
		{"F short queue", simLink{rate: mbit(1000), rtt: 100 * ms, queue: 32, loss: 0.001}, 5, 0.70, 0.06, 0.50, 0.75},
		{"H mobile", simLink{rate: alternating, rtt: 60 * ms, queue: 250, jitter: 20 * ms, bursts: true}, 24, 0.73, 0.06, 0.55, 0.75},
	} {
		t.Run(c.name, func(t *testing.T) {
			share := func(make func(uint64) Controller) (median, drops float64) {
				var shares []float64
				for seed := range uint64(3) {
					l := c.link
					l.rng = rand.New(rand.NewPCG(seed, 1))
					f := newSimFlow(&l, make(seed))
					simulate(&l, time.Duration(c.seconds)*time.Second, f)
					shares = append(shares, f.share(0, c.seconds))
					drops = max(drops, float64(l.dropped)/float64(l.offered))
				}
				slices.Sort(shares)
				return shares[1], drops
			}
			got, drops := share(fathomSeeded)
			require.GreaterOrEqual(t, got, c.fathom)
			require.LessOrEqual(t, drops, c.drops)
			draft, _ := share(bbrSeeded)
			require.GreaterOrEqual(t, draft, c.bbr)
			require.LessOrEqual(t, draft, c.bbrMax)
			t.Logf("Fathom %.3f, drops %.4f; BBR %.3f", got, drops, draft)
		})
	}
}

// duel is two flows over 50 Mbit/s and 20 ms, the second of which begins later.
// It returns their shares after ten seconds.
func duel(seed uint64, queue int, first, second Controller, late time.Duration) (a, b float64) {
	l := simLink{rate: mbit(50), rtt: 20 * time.Millisecond, queue: queue, rng: rand.New(rand.NewPCG(seed, 1))}
	f, g := newSimFlow(&l, first), newSimFlow(&l, second)
	g.start = late
	simulate(&l, 30*time.Second, f, g)
	return f.share(10, 30), g.share(10, 30)
}

func TestFathomsShareEvenly(t *testing.T) {
	for _, queue := range []int{42, 83, 166} {
		for _, late := range []time.Duration{0, 3 * time.Second} {
			for seed := range uint64(3) {
				a, b := duel(seed, queue, fathomSeeded(seed), fathomSeeded(seed+100), late)
				require.GreaterOrEqual(t, (a+b)*(a+b)/(a*a+b*b)/2, 0.95, "%.2f %.2f, queue %d, %v later", a, b, queue, late)
				require.GreaterOrEqual(t, a+b, 0.93)
			}
		}
	}
}

func TestFathomAndCubicLeaveEachOtherRoom(t *testing.T) {
	for _, queue := range []int{42, 83, 166} {
		for _, late := range []time.Duration{0, 3 * time.Second} {
			for seed := range uint64(3) {
				cubic, fathom := duel(seed, queue, NewCubic(), fathomSeeded(seed), late)
				require.GreaterOrEqual(t, cubic, 0.25, "queue %d, %v later", queue, late)
				require.GreaterOrEqual(t, fathom, 0.25, "queue %d, %v later", queue, late)
			}
		}
	}
}

func TestFathomFinishesShortTransfersEarly(t *testing.T) {
	finish := func(c Controller, size int64) time.Duration {
		l := simLink{rate: mbit(100), rtt: 100 * time.Millisecond, queue: 833, rng: rand.New(rand.NewPCG(0, 1))}
		f := newSimFlow(&l, c)
		f.limit = size / 1456
		simulate(&l, 10*time.Second, f)
		return f.doneAt
	}
	for _, size := range []int64{100e3, 1e6} {
		require.Less(t, finish(fathomSeeded(1), size), finish(bbrSeeded(1), size)*8/10, "%d bytes", size)
		require.Less(t, finish(fathomSeeded(1), size), finish(NewCubic(), size), "%d bytes", size)
	}
}

// TestFathomFillsShortPaths lets flows over short paths, where the window is
// what hosts need rather than the path, fill the link without a lasting queue.
func TestFathomFillsShortPaths(t *testing.T) {
	const us = time.Microsecond
	for _, l := range []simLink{
		{rate: mbit(1000), rtt: 200 * us, queue: 100},
		{rate: mbit(1000), rtt: time.Millisecond, queue: 100},
		{rate: mbit(10000), rtt: 300 * us, queue: 300},
		{rate: mbit(15000), rtt: 150 * us, queue: 2000},
	} {
		l.rng = rand.New(rand.NewPCG(1, 1))
		f := newSimFlow(&l, fathomSeeded(1))
		simulate(&l, time.Second, f)
		require.GreaterOrEqual(t, f.share(0, 1), 0.95, "%v", l.rtt)
		require.LessOrEqual(t, float64(l.dropped)/float64(l.offered), 0.002, "%v", l.rtt)
		require.LessOrEqual(t, l.queued/float64(l.offered)/float64(l.queue), 0.5, "%v", l.rtt)
	}
}

func TestFathomKeepsWhatItKnowsThroughPauses(t *testing.T) {
	l := simLink{rate: mbit(100), rtt: 20 * time.Millisecond, queue: 166, rng: rand.New(rand.NewPCG(1, 1))}
	f := newSimFlow(&l, fathomSeeded(1))
	f.chunk, f.pause = 1000, 500*time.Millisecond // 120 ms of the link
	simulate(&l, 10*time.Second, f)
	require.Less(t, l.dropped, 100, "those of Startup")
	require.InDelta(t, 20000, f.got, 1100, "each chunk arrives before the next")
	b := f.ctl.(*Fathom)
	require.InDelta(t, mbit(100)(0), b.maxBw, mbit(100)(0)/20)
}
