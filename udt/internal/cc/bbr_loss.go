package cc

import "math"

// bbrCongestion is what losses have told: the latest delivery, for the
// short-term model, and the loss round.
type bbrCongestion struct {
	bwLatest           float64
	inflightLatest     float64
	inflightShortterm  float64
	lossRoundDelivered int64
	lossRoundStart     bool
	isLossInRound      bool
	inLossRecovery     bool // from the first loss to the end of a round without any
	lossEvents         int  // separate ranges lost in this loss round
}

// bbrUndo is what is restored if losses turn out to have been none.
type bbrUndo struct {
	priorCwnd             float64
	undoState             bbrState
	undoBwShortterm       float64
	undoInflightShortterm float64
	undoInflightLongterm  float64
	undoLosses            float64 // losses since the state was saved, less those taken back
}

// updateLatestDeliverySignals is UpdateLatestDeliverySignals.
func (b *bbr) updateLatestDeliverySignals() {
	b.lossRoundStart = false
	b.bwLatest = max(b.bwLatest, b.rs.deliveryRate)
	b.inflightLatest = max(b.inflightLatest, b.rs.delivered)
	if b.rs.priorDelivered >= b.lossRoundDelivered {
		b.lossRoundDelivered = b.delivered
		b.lossRoundStart = true
	}
}

// advanceLatestDeliverySignals is AdvanceLatestDeliverySignals. It also ends the
// loss round for those who count in it.
func (b *bbr) advanceLatestDeliverySignals() {
	if b.lossRoundStart {
		b.bwLatest = b.rs.deliveryRate
		b.inflightLatest = b.rs.delivered
		b.lossEvents = 0
	}
}

// resetCongestionSignals is ResetCongestionSignals.
func (b *bbr) resetCongestionSignals() {
	b.isLossInRound = false
	b.bwLatest, b.inflightLatest = 0, 0
}

// updateCongestionSignals is UpdateCongestionSignals. A connection leaves
// recovery, for which the draft has no name of its own, with the first round
// that brings no loss.
func (b *bbr) updateCongestionSignals() {
	b.updateMaxBw()
	if !b.lossRoundStart {
		return
	}
	b.adaptLowerBoundsFromCongestion()
	if b.inLossRecovery && !b.isLossInRound {
		b.inLossRecovery = false
		b.restoreCwnd()
	}
	b.isLossInRound = false
}

// adaptLowerBoundsFromCongestion is AdaptLowerBoundsFromCongestion.
func (b *bbr) adaptLowerBoundsFromCongestion() {
	if b.isProbingBW() || !b.isLossInRound {
		return
	}
	if b.tol != nil && !b.tol.congestiveRound(b) {
		return
	}
	// InitLowerBounds
	if math.IsInf(b.bwShortterm, 1) {
		b.bwShortterm = b.maxBw
	}
	if math.IsInf(b.inflightShortterm, 1) {
		b.inflightShortterm = b.cwnd
	}
	// LossLowerBounds
	b.bwShortterm = max(b.bwLatest, bbrBeta*b.bwShortterm)
	b.inflightShortterm = max(b.inflightLatest, bbrBeta*b.inflightShortterm)
}

// resetShortTermModel is ResetShortTermModel.
func (b *bbr) resetShortTermModel() { b.bwShortterm, b.inflightShortterm = infinity, infinity }

// lossThresh is BBR.LossThresh.
func (b *bbr) lossThresh() float64 {
	if b.tol != nil {
		return b.tol.lossThresh()
	}
	return bbrLossThresh
}

// isInflightTooHigh is IsInflightTooHigh. Every peer reports all its losses.
func (b *bbr) isInflightTooHigh() bool { return b.rs.lost > b.rs.txInFlight*b.lossThresh() }

// handleLostPacket is HandleLostPacket.
func (b *bbr) handleLostPacket(l *LossSample) {
	b.noteLoss()
	b.undoLosses += float64(l.Packets)
	b.lossEvents += min(l.Packets, max(len(l.Ranges), 1))
	if b.tol != nil {
		b.tol.lost(b, l)
	}
	if !b.isBwProbeSample {
		return
	}
	b.rs.txInFlight = float64(l.TxInFlight)
	b.rs.lost = float64(l.LostSince)
	if !b.isInflightTooHigh() || b.tol != nil && b.tol.plainLoss(b, l) {
		return
	}
	b.rs.txInFlight = b.inflightAtLoss(float64(l.Packets))
	b.handleInflightTooHigh()
}

// noteLoss is NoteLoss.
func (b *bbr) noteLoss() {
	if !b.isLossInRound {
		b.lossRoundDelivered = b.delivered
		b.saveStateUponLoss()
	}
	b.isLossInRound = true
	b.inLossRecovery = true
}

// inflightAtLoss is InflightAtLoss: how much was in flight when losses crossed
// the threshold, which may have been within the burst of size packets.
func (b *bbr) inflightAtLoss(size float64) float64 {
	inflightPrev := b.rs.txInFlight - size
	lostPrev := b.rs.lost - size
	thresh := b.lossThresh()
	lostPrefix := (thresh*inflightPrev - lostPrev) / (1 - thresh)
	return inflightPrev + lostPrefix
}

// handleInflightTooHigh is HandleInflightTooHigh.
func (b *bbr) handleInflightTooHigh() {
	b.prevProbeTooHigh = true
	b.isBwProbeSample = false
	if !b.rs.isAppLimited {
		b.inflightLongterm = max(b.rs.txInFlight, b.targetInflight()*bbrBeta)
	}
	if b.state == bbrProbeBWUp {
		b.undoState = bbrProbeBWUp
		b.startProbeBWDown()
	}
}

// checkStartupHighLoss is CheckStartupHighLoss: many ranges and more than the
// threshold lost in the round that followed a first loss.
func (b *bbr) checkStartupHighLoss() {
	if b.state != bbrStartup || !b.lossRoundStart ||
		b.lossEvents < bbrStartupFullLossCnt || !b.isInflightTooHigh() {
		return
	}
	if b.tol != nil && b.tol.startupGoesOn(b) {
		return
	}
	b.undoState = bbrStartup
	b.fullBwNow, b.fullBwReached = true, true
	b.inflightLongterm = max(b.bdpMultiple(b.bw, 1), b.inflightLatest)
}

// saveStateUponLoss is SaveStateUponLoss.
func (b *bbr) saveStateUponLoss() {
	b.saveCwnd()
	b.undoState = bbrNone
	b.undoBwShortterm = b.bwShortterm
	b.undoInflightShortterm = b.inflightShortterm
	b.undoInflightLongterm = b.inflightLongterm
	b.undoLosses = 0
}

// lossesTakenBack undoes the response to an episode none of whose losses were
// any.
func (b *bbr) lossesTakenBack(n float64) {
	if b.undoLosses <= 0 {
		return
	}
	if b.undoLosses -= n; b.undoLosses <= 0 {
		b.handleSpuriousLossDetection()
	}
}

// handleSpuriousLossDetection is HandleSpuriousLossDetection.
func (b *bbr) handleSpuriousLossDetection() {
	b.restoreCwnd()
	b.isLossInRound, b.inLossRecovery = false, false
	b.lossEvents = 0
	b.resetFullBW()
	b.bwShortterm = max(b.bwShortterm, b.undoBwShortterm)
	b.inflightShortterm = max(b.inflightShortterm, b.undoInflightShortterm)
	b.inflightLongterm = max(b.inflightLongterm, b.undoInflightLongterm)
	switch {
	case b.undoState == bbrStartup && b.state != bbrStartup:
		b.fullBwReached = false
		if b.state != bbrProbeRTT {
			b.enter(bbrStartup)
		}
	case b.undoState == bbrProbeBWUp && b.state != bbrProbeBWUp:
		if b.state != bbrProbeRTT {
			b.startProbeBWRefill()
		}
	}
	b.undoState = bbrNone
	b.boundBWForModel()
}

// saveCwnd is SaveCwnd.
func (b *bbr) saveCwnd() {
	if !b.inLossRecovery && b.state != bbrProbeRTT {
		b.priorCwnd = b.cwnd
	} else {
		b.priorCwnd = max(b.priorCwnd, b.cwnd)
	}
}

// restoreCwnd is RestoreCwnd.
func (b *bbr) restoreCwnd() { b.cwnd = max(b.cwnd, b.priorCwnd) }
