package cc

import "time"

// bbrRTT is the minimum of the round-trip time and the schedule of ProbeRTT.
type bbrRTT struct {
	minRTT            time.Duration
	minRTTStamp       time.Duration
	probeRTTMinDelay  time.Duration
	probeRTTMinStamp  time.Duration
	probeRTTExpired   bool
	probeRTTDoneStamp time.Duration // zero while in flight is still too much
	probeRTTRoundDone bool
}

// updateMinRTT is UpdateMinRTT.
func (b *bbr) updateMinRTT() {
	b.probeRTTExpired = b.now > b.probeRTTMinStamp+bbrProbeRTTInterval
	if rtt := b.rs.rtt; rtt > 0 {
		if b.tol != nil && b.nearMinRTT(rtt) {
			b.renewMinRTT()
		}
		if rtt < b.probeRTTMinDelay || b.probeRTTExpired {
			b.probeRTTMinDelay, b.probeRTTMinStamp = rtt, b.now
		}
	}
	expired := b.now > b.minRTTStamp+bbrMinRTTFilterLen
	if b.probeRTTMinDelay < b.minRTT || expired {
		b.minRTT, b.minRTTStamp = b.probeRTTMinDelay, b.probeRTTMinStamp
	}
}

// checkProbeRTT is CheckProbeRTT.
func (b *bbr) checkProbeRTT() {
	if b.state != bbrProbeRTT && b.probeRTTExpired && !b.idleRestart {
		b.enter(bbrProbeRTT)
		b.saveCwnd()
		b.probeRTTDoneStamp = 0
		b.ackPhase = acksProbeStopping
		b.startRound()
	}
	if b.state == bbrProbeRTT {
		b.handleProbeRTT()
	}
	if b.rs.delivered > 0 {
		b.idleRestart = false
	}
}

// handleProbeRTT is HandleProbeRTT.
func (b *bbr) handleProbeRTT() {
	b.markConnectionAppLimited()
	switch {
	case b.probeRTTDoneStamp == 0 && b.inflight <= b.probeRTTCwnd():
		b.probeRTTDoneStamp = b.now + bbrProbeRTTDuration
		b.probeRTTRoundDone = false
		b.startRound()
	case b.probeRTTDoneStamp != 0:
		b.probeRTTRoundDone = b.probeRTTRoundDone || b.roundStart
		if b.probeRTTRoundDone {
			b.checkProbeRTTDone()
		}
	}
}

// checkProbeRTTDone is CheckProbeRTTDone, with ExitProbeRTT.
func (b *bbr) checkProbeRTTDone() {
	if b.probeRTTDoneStamp == 0 || b.now <= b.probeRTTDoneStamp {
		return
	}
	b.probeRTTMinStamp = b.now
	b.restoreCwnd()
	b.resetShortTermModel()
	if b.fullBwReached {
		b.startProbeBWDown()
		b.enter(bbrProbeBWCruise)
	} else {
		b.enter(bbrStartup)
	}
}

// probeRTTCwnd is ProbeRTTCwnd.
func (b *bbr) probeRTTCwnd() float64 {
	return max(b.bdpMultiple(b.bw, bbrProbeRTTCwndGain), bbrMinPipeCwnd)
}
