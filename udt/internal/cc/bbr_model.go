package cc

import "time"

// bbrNoRTT stands for a minimum that nothing has been measured for.
const bbrNoRTT = time.Duration(1<<63 - 1)

// bbrRounds counts packet-timed round trips.
type bbrRounds struct {
	nextRoundDelivered int64
	roundCount         int64
	roundStart         bool // the present ACK began a round
	drainStartRound    int64
}

// startRound is StartRound.
func (b *bbr) startRound() { b.nextRoundDelivered = b.delivered }

// updateRound is UpdateRound.
func (b *bbr) updateRound() {
	b.roundStart = b.rs.priorDelivered >= b.nextRoundDelivered
	if !b.roundStart {
		return
	}
	b.startRound()
	b.roundCount++
	b.roundsSinceProbeUp++
	b.isCwndLimited, b.limitedNow = b.limitedNow, false
	b.extraAckedFilter[b.roundCount%bbrExtraAckedFilterLen] = 0
	if b.tol != nil {
		b.tol.roundEnds(b)
	}
}

// bbrBandwidth is the model's data rate. Its filter holds the largest samples of
// the present ProbeBW cycle and the one before.
type bbrBandwidth struct {
	maxBw       float64
	maxBwFilter [bbrMaxBwFilterLen]float64
	cycleCount  int
	bwShortterm float64
	bw          float64 // the smaller of both
}

// updateMaxBw is UpdateMaxBw.
func (b *bbr) updateMaxBw() {
	b.updateRound()
	if r := b.rs.deliveryRate; r > 0 && (r >= b.maxBw || !b.rs.isAppLimited) {
		slot := &b.maxBwFilter[b.cycleCount%bbrMaxBwFilterLen]
		*slot = max(*slot, r)
		b.maxBw = max(b.maxBwFilter[0], b.maxBwFilter[1])
	}
}

// advanceMaxBwFilter is AdvanceMaxBwFilter. What leaves the window is noticed
// with the next sample, as the filter of the draft does.
func (b *bbr) advanceMaxBwFilter() {
	b.cycleCount++
	b.maxBwFilter[b.cycleCount%bbrMaxBwFilterLen] = 0
}

// boundBWForModel is BoundBWForModel.
func (b *bbr) boundBWForModel() { b.bw = min(b.maxBw, b.bwShortterm) }

// bbrFullPipe looks for the plateau that tells that the pipe is full.
type bbrFullPipe struct {
	fullBw        float64
	fullBwCount   int
	fullBwNow     bool
	fullBwReached bool
}

// resetFullBW is ResetFullBW.
func (b *bbr) resetFullBW() { b.fullBw, b.fullBwCount, b.fullBwNow = 0, 0, false }

// checkFullBWReached is CheckFullBWReached. A round that ends without a rate
// sample says nothing.
func (b *bbr) checkFullBWReached() {
	if b.fullBwNow || !b.roundStart || b.rs.isAppLimited || b.rs.deliveryRate == 0 {
		return
	}
	if b.rs.deliveryRate >= b.fullBw*bbrFullBwGrowth {
		b.resetFullBW()
		b.fullBw = b.rs.deliveryRate
		return
	}
	b.fullBwCount++
	b.fullBwNow = b.fullBwCount >= bbrFullBwRounds
	b.fullBwReached = b.fullBwReached || b.fullBwNow
}

// bbrAggregation estimates how much more than expected ACKs bring at once.
type bbrAggregation struct {
	extraAcked          float64
	extraAckedStart     time.Duration // BBR.extra_acked_interval_start
	extraAckedDelivered float64
	extraAckedFilter    [bbrExtraAckedFilterLen]float64 // by round
}

// updateACKAggregation is UpdateACKAggregation.
func (b *bbr) updateACKAggregation() {
	expected := b.bw * (b.now - b.extraAckedStart).Seconds()
	if b.extraAckedDelivered <= expected {
		b.extraAckedDelivered, b.extraAckedStart, expected = 0, b.now, 0
	}
	b.extraAckedDelivered += b.rs.newlyAcked
	extra := min(b.extraAckedDelivered-expected, b.cwnd)
	slot := &b.extraAckedFilter[b.roundCount%bbrExtraAckedFilterLen]
	*slot = max(*slot, extra)
	b.extraAcked = *slot
	if b.fullBwReached {
		for _, v := range b.extraAckedFilter {
			b.extraAcked = max(b.extraAcked, v)
		}
	}
}
