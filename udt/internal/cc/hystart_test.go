package cc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A hyStartRig takes rounds of 100 packets in four ACKs.
type hyStartRig struct {
	h   hyStart
	s   State
	una int64
}

func newHyStartRig() *hyStartRig {
	return &hyStartRig{h: newHyStart(&State{NextPacket: 1}), una: 1}
}

// round is one round whose samples are the given ones, in turn. The first ACK
// of the next round is what ends it.
func (r *hyStartRig) round(samples ...time.Duration) (done bool) {
	first := r.next()
	for i, rtt := range samples {
		upTo := first + int64(100*i/len(samples))
		done = r.h.done(&r.s, &AckSample{UpTo: upTo, RTT: rtt}, 25) || done
	}
	return done
}

// next begins a round, at the first packet that comes back in it.
func (r *hyStartRig) next() (first int64) {
	first = r.una
	r.una += 100
	r.s.NextPacket = r.una
	return first
}

const ms = time.Millisecond

func TestHyStartFindsLongerRoundTrips(t *testing.T) {
	for _, c := range []struct {
		name       string
		base, next time.Duration
		css        bool
	}{
		{"an eighth", 80 * ms, 90 * ms, true},
		{"less than an eighth", 80 * ms, 90*ms - 1, false},
		{"at least 4 ms", 10 * ms, 14 * ms, true},
		{"4 ms are not an eighth of 10 ms", 10 * ms, 13 * ms, false},
		{"at most 16 ms", 400 * ms, 416 * ms, true},
		{"16 ms are less than an eighth of 400 ms", 400 * ms, 415 * ms, false},
		{"shorter", 80 * ms, 20 * ms, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newHyStartRig()
			r.round(c.base, c.base, c.base, c.base)
			require.Zero(t, r.h.baseline, "there is nothing to compare the first round with")
			r.round(c.next, c.next, c.next, c.next)
			require.Equal(t, c.css, r.h.baseline > 0)
		})
	}
}

func TestHyStartComparesTheSmallestOfARound(t *testing.T) {
	r := newHyStartRig()
	r.round(90*ms, 80*ms, 85*ms, 99*ms)
	r.round(89*ms, 200*ms, 200*ms, 200*ms)
	require.Zero(t, r.h.baseline, "89 ms < 80 ms + 80 ms/8")
	r.round(110*ms, 101*ms, 300*ms, 300*ms)
	require.Equal(t, 101*ms, r.h.baseline, "89 ms + 89 ms/8 = 100.125 ms")
}

func TestHyStartGrowsAQuarterAsFastInCSS(t *testing.T) {
	r := newHyStartRig()
	require.Equal(t, 20.0, r.h.grow(20), "L is without limit")
	r.round(80*ms, 80*ms)
	r.round(100*ms, 100*ms)
	require.Equal(t, 5.0, r.h.grow(20))
}

func TestHyStartResumesSlowStart(t *testing.T) {
	r := newHyStartRig()
	r.round(80*ms, 80*ms)
	r.round(100*ms, 100*ms)
	r.round(100*ms, 100*ms)
	require.NotZero(t, r.h.baseline, "it is as long as when CSS began")
	r.round(99*ms, 105*ms)
	require.Zero(t, r.h.baseline, "it was a false alarm")
	r.round(112*ms, 112*ms)
	require.Equal(t, 112*ms, r.h.baseline, "the next alarm: 99 ms + 99 ms/8 = 111.375 ms")
	for range 4 {
		require.False(t, r.round(112*ms, 112*ms), "the rounds are counted anew")
	}
	require.True(t, r.round(112*ms, 112*ms))
}

func TestHyStartLeavesAfterFiveRounds(t *testing.T) {
	r := newHyStartRig()
	r.round(80*ms, 80*ms)
	r.round(100*ms, 100*ms) // partial: CSS begins in it, and it counts
	for i := range 4 {
		require.False(t, r.round(100*ms, 100*ms), "round %d", i+2)
	}
	require.True(t, r.round(100*ms, 100*ms), "five have passed when the sixth begins")
}

func TestHyStartWantsSamples(t *testing.T) {
	r := newHyStartRig()
	r.round(80*ms, 80*ms)
	r.round(100 * ms)
	require.Zero(t, r.h.baseline, "one sample decides nothing")
	r.round(80*ms, 80*ms)
	r.round(0, 0, 0, 0)
	require.Zero(t, r.h.baseline, "a round without samples")
	r.round(200*ms, 200*ms)
	require.Zero(t, r.h.baseline, "nor is one compared with it")
	first := r.next()
	for i := range int64(7) {
		r.h.done(&r.s, &AckSample{UpTo: first + i, RTT: 300 * ms}, 1)
	}
	require.Zero(t, r.h.baseline, "N_RTT_SAMPLE is 8")
	r.h.done(&r.s, &AckSample{UpTo: first + 7, RTT: 300 * ms}, 1)
	require.NotZero(t, r.h.baseline)
}

// On a path whose queue grows with the window above 50 packets, the controllers
// leave slow start without a loss.
func TestSlowStartEndsWithoutLoss(t *testing.T) {
	for _, c := range windowed[:2] {
		t.Run(c.name, func(t *testing.T) {
			r := newWindowRig(c.make())
			for i := 0; r.w.initial() && i < 30; i++ {
				r.s.RTT = max(windowRTT, windowRTT*time.Duration(r.s.Window)/50)
				r.round()
			}
			require.False(t, r.w.initial())
			require.InDelta(t, r.w.cwnd, r.w.ssthresh, 1)
			require.Greater(t, r.w.ssthresh, 50.0, "not before the path was full")
			require.Less(t, r.w.ssthresh, 400.0)
		})
	}
}

func TestLaterSlowStartsGoToSsthresh(t *testing.T) {
	for _, c := range windowed[:2] {
		t.Run(c.name, func(t *testing.T) {
			r := steady(c.make(), 100)
			r.timeout()
			r.drop()
			for i := range 4 {
				r.s.RTT += time.Duration(i) * 50 * ms // HyStart++ would act
				r.round()
				require.InDelta(t, min(float64(int(4)<<i), r.w.ssthresh), r.w.cwnd, 0.5)
			}
		})
	}
}
