package cc

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBBRWaitsTwoToThreeSecondsBetweenProbes(t *testing.T) {
	r := draftRig().cruising(t)
	began := r.cycleStamp
	require.Equal(t, 2500*time.Millisecond, r.bwProbeWait, "with a draw of 0.5")
	r.until(t, bbrProbeBWRefill, 100, 1000)
	require.Greater(t, r.t-began, 2500*time.Millisecond)
	require.LessOrEqual(t, r.t-began, 2500*time.Millisecond+bbrPathRTT)
}

func TestBBRProbesAsOftenAsRenoWouldLose(t *testing.T) {
	for _, c := range []struct {
		bw     float64
		rounds float64
	}{{100, 10}, {300, 30}, {1e5, 63}} {
		r := draftRig()
		r.bw, r.cwnd = c.bw, 1e6
		r.roundsSinceProbeUp = int64(c.rounds) - 1
		require.False(t, r.isRenoCoexistenceProbeTime())
		r.roundsSinceProbeUp++
		require.True(t, r.isRenoCoexistenceProbeTime(), "after %v rounds", c.rounds)
	}
}

func TestBBRStaysDownUntilTheQueueIsGone(t *testing.T) {
	r := draftRig().cruising(t)
	r.startProbeBWDown()
	r.inflightLongterm = 100
	r.round(100, 1000)
	require.Equal(t, bbrProbeBWDown, r.state, "no headroom")
	r.round(86, 1000)
	require.Equal(t, bbrProbeBWDown, r.state, "not enough of it")
	r.round(85, 1000)
	require.Equal(t, bbrProbeBWCruise, r.state)
	require.LessOrEqual(t, r.s.Window, 85)
}

func TestBBRGoesFromDownToRefillWhenItsTimeHasCome(t *testing.T) {
	r := draftRig().cruising(t)
	r.startProbeBWDown()
	r.until(t, bbrProbeBWRefill, 200, 1000)
}

func TestBBRProbesUntilThePlateau(t *testing.T) {
	r := draftRig().probing(t)
	require.InDelta(t, 1.25*990, r.pace(), 1)
	require.Equal(t, 2.25, r.cwndGain)
	for range bbrFullBwRounds - 1 {
		r.round(110, 1000)
		require.Equal(t, bbrProbeBWUp, r.state)
	}
	r.round(110, 1000)
	require.Equal(t, bbrProbeBWDown, r.state)
	require.False(t, r.prevProbeTooHigh)
}

func TestBBRForgetsABandwidthAfterTwoProbes(t *testing.T) {
	r := draftRig().probing(t)
	r.round(200, 2000)
	require.Equal(t, 2000.0, r.maxBw)
	probes := 0
	for last := r.state; r.maxBw == 2000 && probes < 10; last = r.state {
		r.round(90, 1000)
		if r.state == bbrProbeBWUp && last != bbrProbeBWUp {
			probes++
		}
	}
	require.Equal(t, 1000.0, r.maxBw)
	require.LessOrEqual(t, probes, bbrMaxBwFilterLen)
	require.GreaterOrEqual(t, probes, 1, "one cycle is not enough")
}

func TestBBRIgnoresSlowSamplesOfTheApplication(t *testing.T) {
	r := draftRig().cruising(t)
	r.round(10, 50, appLimited)
	require.Equal(t, 1000.0, r.maxBw)
	r.round(200, 2000, appLimited)
	require.Equal(t, 2000.0, r.maxBw, "but not fast ones")
}

func TestBBREndsAProbeThatLosesTooMuch(t *testing.T) {
	r := draftRig().probing(t)
	r.lose(2, 150)
	require.Equal(t, bbrProbeBWUp, r.state, "1.3 %")
	r.lose(6, 150)
	require.Equal(t, bbrProbeBWDown, r.state, "4 %")
	require.True(t, r.prevProbeTooHigh)
	// Of 144 packets none were lost, so 2.88/0.98 of the burst fitted.
	require.InDelta(t, 144+0.02*144/0.98, r.inflightLongterm, 1e-3)
	r.lose(50, 60)
	require.InDelta(t, 146.9, r.inflightLongterm, 0.1, "once per probe")
}

func TestBBRLongTermBoundIsAtLeastBetaOfTheTarget(t *testing.T) {
	r := draftRig().probing(t)
	r.lose(30, 40)
	require.InDelta(t, 70, r.inflightLongterm, 1e-3, "0.7 of 100")
}

func TestBBRAfterAHighProbeIsCareful(t *testing.T) {
	r := draftRig().probing(t)
	r.lose(6, 150)
	r.until(t, bbrProbeBWUp, 80, 1000)
	r.round(160, 1000)
	require.Equal(t, bbrProbeBWDown, r.state, "at the bound that was too high")
	require.True(t, r.prevProbePrecautionary)
	r.round(100, 1000)
	require.Equal(t, bbrProbeBWRefill, r.state, "that went well: probe in earnest")
}

func TestBBRRaisesTheLongTermBoundFasterEachRound(t *testing.T) {
	r := draftRig().probing(t)
	r.inflightLongterm, r.cwnd = 256, 256
	r.isCwndLimited, r.roundStart = true, true
	r.bwProbeUpRounds = 0
	r.raiseInflightLongtermSlope()
	for _, growth := range []float64{1, 2, 4, 8, 16} {
		before := r.inflightLongterm
		r.cwnd, r.rs.newlyAcked = before, before
		r.probeInflightLongtermUpward()
		require.Equal(t, growth, r.inflightLongterm-before)
	}
	r.isCwndLimited = false
	before := r.inflightLongterm
	r.probeInflightLongtermUpward()
	require.Equal(t, before, r.inflightLongterm, "the bound was not what limited")
}

func TestBBRAdaptsToWhatArrivesInLossyRounds(t *testing.T) {
	r := draftRig().cruising(t)
	r.round(100, 1000)
	for range 2 { // the sample that ends a round counts for the next as well
		r.lose(1, 100)
		r.round(90, 900)
	}
	require.InDelta(t, 900, r.bw, 1, "what arrived")
	require.InDelta(t, 0.99*900, r.pace(), 1)
	for range 2 {
		r.lose(1, 100)
		r.round(20, 200, appLimited)
	}
	require.InDelta(t, 0.7*900, r.bw, 1, "but 0.7 at most; the round before still brought 900")
	r.until(t, bbrProbeBWRefill, 60, 600)
	require.Equal(t, 1000.0, r.bw, "a probe begins from what was known before")
}

func TestBBRTakesLossesBack(t *testing.T) {
	t.Run("in Startup", func(t *testing.T) {
		r := draftRig()
		r.round(100, 1000)
		for range 6 {
			r.lose(1, 100)
		}
		r.round(100, 1000, lost(6))
		require.Equal(t, bbrDrain, r.state)
		r.takeBack(5)
		require.Equal(t, bbrDrain, r.state, "one is left")
		r.takeBack(1)
		require.Equal(t, bbrStartup, r.state)
		require.False(t, r.fullBwReached)
		require.True(t, math.IsInf(r.inflightLongterm, 1))
	})
	t.Run("in a probe", func(t *testing.T) {
		r := draftRig().probing(t)
		r.lose(6, 150)
		require.Equal(t, bbrProbeBWDown, r.state)
		r.takeBack(6)
		require.Equal(t, bbrProbeBWRefill, r.state)
		require.True(t, math.IsInf(r.inflightLongterm, 1))
	})
	t.Run("in Cruise", func(t *testing.T) {
		r := draftRig().cruising(t)
		r.round(100, 1000)
		for range 2 {
			r.lose(1, 100)
			r.round(90, 900)
		}
		require.InDelta(t, 900, r.bw, 1)
		r.takeBack(1)
		require.InDelta(t, 1000, r.bw, 1, "as before the latest of them")
	})
}

func TestBBRProbesTheRoundTrip(t *testing.T) {
	probing := func(t *testing.T) *bbrRig {
		r := draftRig().cruising(t)
		measured := r.t
		r.until(t, bbrProbeRTT, 100, 1000, slower)
		require.Greater(t, r.t-measured, bbrProbeRTTInterval)
		require.LessOrEqual(t, r.t-measured, bbrProbeRTTInterval+2*bbrPathRTT)
		return r
	}
	t.Run("for 200 ms and a round", func(t *testing.T) {
		r := probing(t)
		require.InDelta(t, 50, r.s.Window, 1, "half the product")
		r.round(49, 490)
		began := r.t
		r.round(49, 490, noRTT)
		require.Equal(t, 1000.0, r.maxBw)
		r.until(t, bbrProbeBWCruise, 49, 490)
		require.GreaterOrEqual(t, r.t-began, bbrProbeRTTDuration)
		require.LessOrEqual(t, r.t-began, bbrProbeRTTDuration+bbrPathRTT)
		require.Greater(t, r.s.Window, 150, "as before")
		require.InDelta(t, bbrPathRTT, r.minRTT, 1000)
	})
	t.Run("and returns to Startup if the pipe was never full", func(t *testing.T) {
		r := draftRig()
		r.until(t, bbrProbeRTT, 10, 100, appLimited, slower)
		r.until(t, bbrStartup, 4, 40)
	})
}

func TestBBRForgetsARoundTripAfterTenSeconds(t *testing.T) {
	r := draftRig().cruising(t)
	for r.t < 5*time.Second {
		r.round(100, 1000)
	}
	for r.minRTT <= bbrPathRTT && r.t < time.Minute {
		r.round(50, 1000, slower)
	}
	require.Equal(t, bbrPathRTT*11/10, r.minRTT)
	require.Greater(t, r.t, bbrMinRTTFilterLen)
}
