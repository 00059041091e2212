package cc

import (
	"math"
	"time"
)

// ackPhase is what the ACKs that arrive tell about probing for bandwidth.
type ackPhase uint8

const (
	acksInit ackPhase = iota
	acksRefilling
	acksProbeStarting
	acksProbeFeedback
	acksProbeStopping
)

// bbrProbing is the state of ProbeBW.
type bbrProbing struct {
	ackPhase               ackPhase
	isBwProbeSample        bool
	inflightLongterm       float64
	bwProbeUpAcked         float64
	probeUpAckedPerInc     float64
	bwProbeUpRounds        int
	roundsSinceProbeUp     int64
	bwProbeWait            time.Duration
	cycleStamp             time.Duration
	prevProbeTooHigh       bool
	prevProbePrecautionary bool
}

// inProbeBW is IsInAProbeBWState.
func (b *bbr) inProbeBW() bool { return b.state >= bbrProbeBWDown && b.state <= bbrProbeBWUp }

// isProbingBW is IsProbingBW.
func (b *bbr) isProbingBW() bool {
	return b.state == bbrStartup || b.state == bbrProbeBWRefill || b.state == bbrProbeBWUp
}

// startProbeBWDown is StartProbeBW_DOWN.
func (b *bbr) startProbeBWDown() {
	b.resetCongestionSignals()
	b.probeUpAckedPerInc = infinity
	b.pickProbeWait()
	b.cycleStamp = b.now
	b.ackPhase = acksProbeStopping
	b.startRound()
	b.enter(bbrProbeBWDown)
}

// startProbeBWRefill is StartProbeBW_REFILL.
func (b *bbr) startProbeBWRefill() {
	if b.tol != nil {
		b.tol.heldRounds = 0
	}
	b.resetShortTermModel()
	b.bwProbeUpRounds = 0
	b.bwProbeUpAcked = 0
	b.prevProbePrecautionary = false
	b.ackPhase = acksRefilling
	b.startRound()
	b.enter(bbrProbeBWRefill)
}

// startProbeBWUp is StartProbeBW_UP.
func (b *bbr) startProbeBWUp() {
	b.ackPhase = acksProbeStarting
	b.startRound()
	b.resetFullBW()
	b.fullBw = b.rs.deliveryRate
	b.enter(bbrProbeBWUp)
	b.raiseInflightLongtermSlope()
}

// updateProbeBWCyclePhase is UpdateProbeBWCyclePhase.
func (b *bbr) updateProbeBWCyclePhase() {
	if !b.fullBwReached || b.adaptLongTermModel() || !b.inProbeBW() {
		return
	}
	switch b.state {
	case bbrProbeBWDown:
		if !b.isTimeToProbeBW() && b.isTimeToCruise() {
			b.enter(bbrProbeBWCruise)
		}
	case bbrProbeBWCruise:
		b.isTimeToProbeBW()
	case bbrProbeBWRefill:
		if b.roundStart {
			b.isBwProbeSample = true
			b.startProbeBWUp()
		}
	case bbrProbeBWUp:
		if b.isTimeToGoDown() {
			b.prevProbeTooHigh = false
			b.startProbeBWDown()
		}
	}
}

// adaptLongTermModel is AdaptLongTermModel: it tracks what ACKs mean, moves the
// bandwidth filter on and raises inflightLongterm. It reports whether it decided
// a transition.
func (b *bbr) adaptLongTermModel() bool {
	if b.ackPhase == acksProbeStarting && b.roundStart {
		b.ackPhase = acksProbeFeedback
	}
	if b.ackPhase == acksProbeStopping && b.roundStart {
		b.isBwProbeSample = false
		b.ackPhase = acksInit
		if b.inProbeBW() && !b.rs.isAppLimited {
			b.advanceMaxBwFilter()
		}
		if b.inProbeBW() && b.prevProbePrecautionary && !b.prevProbeTooHigh {
			b.startProbeBWRefill()
			return true
		}
	}
	if b.isInflightTooHigh() || math.IsInf(b.inflightLongterm, 1) {
		return false
	}
	b.inflightLongterm = max(b.inflightLongterm, b.rs.txInFlight)
	if b.state == bbrProbeBWUp {
		b.probeInflightLongtermUpward()
	}
	return false
}

// isTimeToCruise is IsTimeToCruise.
func (b *bbr) isTimeToCruise() bool {
	return b.inflight <= b.inflightWithHeadroom() && b.inflight <= b.inflightAt(b.maxBw, 1)
}

// isTimeToGoDown is IsTimeToGoDown.
func (b *bbr) isTimeToGoDown() bool {
	if b.prevProbeTooHigh && b.inflight >= b.inflightLongterm {
		b.prevProbePrecautionary = true
		return true
	}
	if b.isCwndLimited && b.cwnd >= b.inflightLongterm {
		b.resetFullBW()
		b.fullBw = b.rs.deliveryRate
		return false
	}
	return b.fullBwNow
}

// isTimeToProbeBW is IsTimeToProbeBW; if it is time, it starts refilling.
func (b *bbr) isTimeToProbeBW() bool {
	if b.now > b.cycleStamp+b.bwProbeWait || b.isRenoCoexistenceProbeTime() ||
		b.tol != nil && b.tol.boundsAreStale() {
		b.startProbeBWRefill()
		return true
	}
	return false
}

// pickProbeWait is PickProbeWait: random, so that flows mix.
func (b *bbr) pickProbeWait() {
	b.roundsSinceProbeUp = 0
	if b.draw() >= 0.5 {
		b.roundsSinceProbeUp = 1
	}
	b.bwProbeWait = bbrProbeWait + time.Duration(b.draw()*float64(bbrProbeWaitSpread))
}

// isRenoCoexistenceProbeTime is IsRenoCoexistenceProbeTime: a Reno flow of this
// size would have lost a packet by now.
func (b *bbr) isRenoCoexistenceProbeTime() bool {
	return float64(b.roundsSinceProbeUp) >= min(b.targetInflight(), bbrRenoRounds)
}

// targetInflight is TargetInflight.
func (b *bbr) targetInflight() float64 { return min(b.bdpMultiple(b.bw, 1), b.cwnd) }

// inflightWithHeadroom is InflightWithHeadroom.
func (b *bbr) inflightWithHeadroom() float64 {
	if math.IsInf(b.inflightLongterm, 1) {
		return infinity
	}
	headroom := max(1, bbrHeadroom*b.inflightLongterm)
	return max(b.inflightLongterm-headroom, bbrMinPipeCwnd)
}

// raiseInflightLongtermSlope is RaiseInflightLongtermSlope.
func (b *bbr) raiseInflightLongtermSlope() {
	growth := float64(int64(1) << b.bwProbeUpRounds)
	b.bwProbeUpRounds = min(b.bwProbeUpRounds+1, bbrMaxGrowthRounds)
	b.probeUpAckedPerInc = max(b.cwnd/growth, 1)
}

// probeInflightLongtermUpward is ProbeInflightLongtermUpward.
func (b *bbr) probeInflightLongtermUpward() {
	if !b.isCwndLimited || b.cwnd < b.inflightLongterm {
		return
	}
	b.bwProbeUpAcked += b.rs.newlyAcked
	if b.bwProbeUpAcked >= b.probeUpAckedPerInc {
		delta := math.Floor(b.bwProbeUpAcked / b.probeUpAckedPerInc)
		b.bwProbeUpAcked -= delta * b.probeUpAckedPerInc
		b.inflightLongterm += delta
	}
	if b.roundStart {
		b.raiseInflightLongtermSlope()
	}
}
