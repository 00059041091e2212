package cc

import "time"

// Bounds of the send quantum, which is the burst of the connection's pacer.
const (
	quantumTime     = time.Millisecond
	quantumMin      = 2
	quantumMax      = 16
	quantumFast     = 44 // above quantumFastRate, or where the round trip is under quantumTime
	quantumFastRate = 2e9 / 8
)

// updateControlParameters is UpdateControlParameters.
func (b *bbr) updateControlParameters() {
	b.setPacingRate()
	b.setSendQuantum()
	b.setCwnd()
}

// initPacingRate is InitPacingRate.
func (b *bbr) initPacingRate(rtt time.Duration) {
	if b.hasSeenRTT = rtt > 0; !b.hasSeenRTT {
		rtt = bbrUnknownRTT
	}
	b.pacingRate = bbrStartupPacingGain * b.initialCwnd / rtt.Seconds()
}

// setPacingRate is SetPacingRate. If the handshake told no round trip, the first
// sample makes up for it.
func (b *bbr) setPacingRate() {
	if !b.hasSeenRTT && b.rs.rtt > 0 {
		b.initPacingRate(b.rs.rtt)
	}
	b.setPacingRateWithGain(b.pacingGain)
}

// setPacingRateWithGain is SetPacingRateWithGain.
func (b *bbr) setPacingRateWithGain(gain float64) {
	rate := gain * b.bw * (100 - bbrPacingMarginPercent) / 100
	if rate > 0 && (b.fullBwReached || rate > b.pacingRate) {
		b.pacingRate = rate
	}
}

// setSendQuantum is SetSendQuantum with the bounds of the connection's pacer.
func (b *bbr) setSendQuantum() {
	switch {
	case b.pacingRate*b.packetSize > quantumFastRate, b.senderMinRTT > 0 && b.senderMinRTT < quantumTime:
		b.sendQuantum = quantumFast
	default:
		b.sendQuantum = min(max(b.pacingRate*quantumTime.Seconds(), quantumMin), quantumMax)
	}
}

// bdpMultiple is BDPMultiple.
func (b *bbr) bdpMultiple(bw, gain float64) float64 {
	if b.minRTT == bbrNoRTT {
		return b.initialCwnd
	}
	return gain * bw * b.minRTT.Seconds()
}

// quantizationBudget is QuantizationBudget. The offload budget is one quantum,
// as in QUIC.
func (b *bbr) quantizationBudget(inflight float64) float64 {
	budget := b.sendQuantum
	if b.tol != nil {
		budget += b.ackBudget()
	}
	inflight = max(inflight, budget, bbrMinPipeCwnd)
	if b.state == bbrProbeBWUp {
		inflight += bbrPipeliningInProbeUp
	}
	return inflight
}

// inflightAt is Inflight: what has to be in flight for gain times a bandwidth.
func (b *bbr) inflightAt(bw, gain float64) float64 {
	return b.quantizationBudget(b.bdpMultiple(bw, gain))
}

// maxInflight is UpdateMaxInflight.
func (b *bbr) maxInflight() float64 {
	inflight := b.bdpMultiple(b.bw, b.cwndGain) + b.extraAcked
	if b.tol != nil {
		inflight = max(inflight, b.hostBudget())
	}
	return b.quantizationBudget(inflight)
}

// setCwnd is SetCwnd.
func (b *bbr) setCwnd() {
	limit := b.maxInflight()
	switch {
	case b.fullBwReached:
		b.cwnd = min(b.cwnd+b.rs.newlyAcked, limit)
	case b.cwnd < limit || float64(b.delivered) < b.initialCwnd:
		b.cwnd += b.rs.newlyAcked
	}
	b.cwnd = max(b.cwnd, bbrMinPipeCwnd)
	if b.state == bbrProbeRTT { // BoundCwndForProbeRTT
		b.cwnd = min(b.cwnd, b.probeRTTCwnd())
	}
	b.boundCwndForModel()
}

// boundCwndForModel is BoundCwndForModel.
func (b *bbr) boundCwndForModel() {
	limit := infinity
	switch {
	case b.state == bbrProbeRTT || b.state == bbrProbeBWCruise:
		limit = b.inflightWithHeadroom()
	case b.inProbeBW():
		limit = b.inflightLongterm
	}
	limit = max(min(limit, b.inflightShortterm), bbrMinPipeCwnd)
	b.cwnd = min(b.cwnd, limit)
}
