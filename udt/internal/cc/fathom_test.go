package cc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	_ Controller      = (*Fathom)(nil)
	_ RestartObserver = (*Fathom)(nil)
)

func fathomRig() *bbrRig { return newBBRRig(&NewFathom(halfDraw).bbr) }

// loseAt reports n packets of inFlight lost near a round trip of rtt.
func (r *bbrRig) loseAt(rtt time.Duration, n, inFlight int) {
	l := LossSample{Packets: n, TxInFlight: inFlight, LostSince: n, RTT: rtt}
	for i := range n {
		l.Ranges = append(l.Ranges, PacketRange{First: int64(2 * i), End: int64(2*i + 1)})
	}
	r.OnLoss(r.at(), &r.s, &l)
}

const queued = bbrPathRTT * 3 / 2 // a round trip with a queue

func TestFathomBeginsWithAWindowForShortTransfers(t *testing.T) {
	r := fathomRig()
	require.Equal(t, 32, r.s.Window)
	require.InDelta(t, 2.77*32/0.1, r.pace(), 1)
}

func TestFathomCallsALossCongestiveBesideAQueue(t *testing.T) {
	for _, c := range []struct {
		minRTT, rtt time.Duration
		queue       bool
	}{
		{100 * time.Millisecond, 112 * time.Millisecond, false},
		{100 * time.Millisecond, 113 * time.Millisecond, true},
		{4 * time.Millisecond, 6 * time.Millisecond, false},
		{4 * time.Millisecond, 6*time.Millisecond + 1, true},
		{time.Millisecond, 2 * time.Millisecond, false},
		{time.Millisecond, 2*time.Millisecond + 1, true},
	} {
		r := fathomRig()
		r.minRTT = c.minRTT
		require.Equal(t, c.queue, r.queueStands(c.rtt), "%v over %v", c.rtt, c.minRTT)
	}
}

func TestFathomKeepsItsPaceThroughPlainLosses(t *testing.T) {
	r := fathomRig().cruising(t)
	for range 10 {
		r.loseAt(bbrPathRTT, 5, 100)
		r.round(95, 950)
	}
	require.InDelta(t, 990, r.pace(), 1)
	require.InDelta(t, 0.05*(1-0.343), r.tol.base, 0.01, "an average over eight rounds or so; 0.875^8 = 0.343")
}

func TestFathomSlowsDownForLossesBesideAQueue(t *testing.T) {
	r := fathomRig().cruising(t)
	for range 3 {
		r.loseAt(queued, 5, 100)
		r.round(80, 800)
	}
	require.InDelta(t, 0.99*800, r.pace(), 1)
	require.Less(t, r.tol.base, 0.001, "these are not the path's own")
}

func TestFathomDoesNotSlowDownWhereNothingWasMeasured(t *testing.T) {
	r := fathomRig().cruising(t)
	unmeasured := func(a *AckSample) { a.Interval = 0 }
	for range 3 {
		r.loseAt(queued, 5, 100)
		r.round(80, 800, unmeasured)
	}
	require.GreaterOrEqual(t, r.pace(), 0.7*990)
	r.resetShortTermModel()
	r.bwLatest = 0
	r.loseAt(queued, 5, 100)
	r.round(80, 800, unmeasured)
	require.InDelta(t, 990, r.pace(), 1)
}

func TestFathomProbesOnThroughPlainLosses(t *testing.T) {
	for _, c := range []struct {
		name string
		rtt  time.Duration
		lost int // of 100
		on   bool
	}{
		{"2 %", queued, 2, true},
		{"3 % beside a queue", queued, 3, false},
		{"5 % plain", bbrPathRTT, 5, true},
		{"6 % plain", bbrPathRTT, 6, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := fathomRig().probing(t)
			r.loseAt(c.rtt, c.lost, 100)
			require.Equal(t, c.on, r.state == bbrProbeBWUp)
		})
	}
	t.Run("9 % plain where the path loses 3 %", func(t *testing.T) {
		r := fathomRig().probing(t)
		r.tol.base = 0.03
		r.loseAt(bbrPathRTT, 9, 100)
		require.Equal(t, bbrProbeBWUp, r.state)
	})
}

func TestFathomStartsOnThroughPlainLosses(t *testing.T) {
	for _, c := range []struct {
		name string
		rtt  time.Duration
		lost int // of 100
		on   bool
	}{
		{"15 % plain", bbrPathRTT, 15, true},
		{"16 % plain", bbrPathRTT, 16, false},
		{"6 % beside a queue", queued, 6, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := fathomRig()
			r.round(100, 1000)
			r.loseAt(c.rtt, c.lost, 100)
			r.round(100, 2000, lost(c.lost))
			require.Equal(t, c.on, !r.fullBwReached)
		})
	}
}

func TestFathomProbesTheRoundTripOnlyIfItNeverComesNearTheMinimum(t *testing.T) {
	near := func(a *AckSample) { a.RTT = bbrPathRTT + bbrPathRTT/40 }
	r := fathomRig().cruising(t)
	for r.t < 20*time.Second {
		r.round(99, 1000, near)
		require.NotEqual(t, bbrProbeRTT, r.state)
	}
	require.InDelta(t, bbrPathRTT, r.minRTT, 1000, "the minimum stays what it was")
	r.until(t, bbrProbeRTT, 99, 1000, slower)
}

func TestFathomProbesAtOnceWhenOnlyOldBoundsHoldItBack(t *testing.T) {
	r := fathomRig().cruising(t)
	r.bwShortterm = 500
	for range fathomHeldRounds - 1 {
		r.round(50, 500)
		require.Equal(t, bbrProbeBWCruise, r.state)
	}
	r.round(50, 500)
	require.Equal(t, bbrProbeBWRefill, r.state)
	require.InDelta(t, 990, r.pace(), 1)

	t.Run("but not while the queue stands", func(t *testing.T) {
		r := fathomRig().cruising(t)
		r.bwShortterm = 500
		for range 2 * fathomHeldRounds {
			r.round(50, 500, func(a *AckSample) { a.RTT = queued + time.Millisecond })
		}
		require.Equal(t, bbrProbeBWCruise, r.state)
	})
	t.Run("nor while the application sends little", func(t *testing.T) {
		r := fathomRig().cruising(t)
		r.bwShortterm = 500
		for range 2 * fathomHeldRounds {
			r.round(50, 500, appLimited)
		}
		require.Equal(t, bbrProbeBWCruise, r.state)
	})
}

func TestFathomAllowsForSlowAcknowledgers(t *testing.T) {
	r := fathomRig()
	r.bw, r.minRTT = 3000, time.Millisecond
	require.Zero(t, r.ackBudget())
	r.legacyPeer = true
	require.Equal(t, 30.0, r.ackBudget(), "10 ms")
	r.bw = 1e5
	require.Equal(t, 64.0, r.ackBudget())
}

func TestFathomAllowsForSlowHosts(t *testing.T) {
	r := fathomRig()
	r.bw, r.minRTT, r.cwndGain = 1e6, 300*time.Microsecond, 2
	require.Equal(t, 1000.0, r.maxInflight(), "a millisecond's worth")
	r.minRTT = 30 * time.Microsecond
	require.Equal(t, 2048.0, r.maxInflight(), "within one host")
	r.minRTT = 2 * time.Millisecond
	require.InDelta(t, 4000, r.maxInflight(), 1e-6)
}

func TestFathomPacesBetweenHostsOnly(t *testing.T) {
	for _, c := range []struct {
		rtt   time.Duration
		paced bool
	}{{30 * time.Microsecond, false}, {100 * time.Microsecond, true}} {
		f := NewFathom(halfDraw)
		s := State{MSS: 1500, RTT: c.rtt}
		f.Init(simStart, &s)
		require.Equal(t, c.paced, s.PacingRate > 0, c.rtt)
		require.Zero(t, s.SendPeriod)
	}
}
