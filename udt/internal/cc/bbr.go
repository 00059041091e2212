package cc

import (
	"math"
	"time"
)

// Constants of draft-ietf-ccwg-bbr, named as there.
const (
	bbrStartupPacingGain   = 2.77 // 4 ln 2
	bbrDrainPacingGain     = 0.5
	bbrDownPacingGain      = 0.9
	bbrCruisePacingGain    = 1.0
	bbrRefillPacingGain    = 1.0
	bbrUpPacingGain        = 1.25
	bbrPacingMarginPercent = 1
	bbrDefaultCwndGain     = 2.0
	bbrUpCwndGain          = 2.25
	bbrProbeRTTCwndGain    = 0.5
	bbrLossThresh          = 0.02
	bbrBeta                = 0.7
	bbrHeadroom            = 0.15
	bbrMinPipeCwnd         = 4 // packets
	bbrMaxBwFilterLen      = 2 // ProbeBW cycles
	bbrExtraAckedFilterLen = 10
	bbrMinRTTFilterLen     = 10 * time.Second
	bbrProbeRTTDuration    = 200 * time.Millisecond
	bbrProbeRTTInterval    = 5 * time.Second
	bbrStartupFullLossCnt  = 6
	bbrFullBwGrowth        = 1.25
	bbrFullBwRounds        = 3
	bbrDrainRounds         = 3
	bbrRenoRounds          = 63
	bbrProbeWait           = 2 * time.Second // and up to a second more
	bbrProbeWaitSpread     = time.Second
	bbrInitialCwnd         = 10               // packets, RFC 6928
	bbrUnknownRTT          = time.Millisecond // for the first pacing rate
	bbrMaxPacingRate       = 1 << 50          // bytes per second, so that the figure fits
	bbrMaxGrowthRounds     = 30
	bbrDatagramOverhead    = 28 // what State.MSS counts beyond a datagram: IPv4 and UDP headers
	bbrPipeliningInProbeUp = 2  // packets that ProbeBW_UP may have in flight beyond its model
)

// bbrState is where a BBR flow stands in its state machine.
type bbrState uint8

const (
	bbrStartup bbrState = iota
	bbrDrain
	bbrProbeBWDown
	bbrProbeBWCruise
	bbrProbeBWRefill
	bbrProbeBWUp
	bbrProbeRTT
	bbrNone // for undoState: nothing to return to
)

// bbrGains are the pacing and window gains of each state.
var bbrGains = [...]struct{ pacing, cwnd float64 }{
	bbrStartup:       {bbrStartupPacingGain, bbrDefaultCwndGain},
	bbrDrain:         {bbrDrainPacingGain, bbrDefaultCwndGain},
	bbrProbeBWDown:   {bbrDownPacingGain, bbrDefaultCwndGain},
	bbrProbeBWCruise: {bbrCruisePacingGain, bbrDefaultCwndGain},
	bbrProbeBWRefill: {bbrRefillPacingGain, bbrDefaultCwndGain},
	bbrProbeBWUp:     {bbrUpPacingGain, bbrUpCwndGain},
	bbrProbeRTT:      {1, bbrProbeRTTCwndGain},
}

// BBR is BBRv3 as draft-ietf-ccwg-bbr describes it: a model of the path's
// bandwidth and round-trip time sets pace and window, and probing keeps the
// model current. Its rules answer every loss, so that it is at its best below
// 1 % and starves at 5 %; Fathom is what came of it.
//
// Volumes are counted in packets, rates in packets per second.
type BBR struct{ bbr }

// NewBBR returns BBRv3 for one connection. Draw returns uniform draws from 0 to
// 1; it is called once or twice per probe for bandwidth, under the rules of
// Controller, and must not be nil.
func NewBBR(draw func() float64) *BBR { return &BBR{bbr{draw: draw}} }

// bbr is the model that BBR and Fathom share. Names are the draft's. Where
// Fathom differs the code asks tol, which is nil in BBR.
type bbr struct {
	draw func() float64
	tol  *tolerance

	// What the connection says, as of the present event.
	now             time.Duration // since Init
	start           time.Time
	packetSize      float64 // bytes
	delivered       int64   // C.delivered
	deliveredBefore int64   // at the ACK before
	inflight        float64 // C.inflight
	senderMinRTT    time.Duration
	legacyPeer      bool
	isCwndLimited   bool // C.is_cwnd_limited
	limitedNow      bool // the same, for the present round
	rs              bbrSample

	// What the connection is told.
	cwnd        float64
	initialCwnd float64
	pacingRate  float64
	sendQuantum float64

	state         bbrState
	pacingGain    float64
	cwndGain      float64
	hasSeenRTT    bool
	idleRestart   bool
	appLimitedAt  int64 // samples of packets sent from here, in terms of C.delivered,
	appLimitedEnd int64 // to here are limited by ProbeRTT

	bbrRounds
	bbrBandwidth
	bbrRTT
	bbrAggregation
	bbrFullPipe
	bbrProbing
	bbrCongestion
	bbrUndo
}

// bbrSample is RS, the rate sample of the present ACK.
type bbrSample struct {
	rtt            time.Duration // zero if none
	newlyAcked     float64
	delivered      float64
	deliveryRate   float64 // zero if none
	priorDelivered int64   // below zero if unknown
	txInFlight     float64
	lost           float64
	isAppLimited   bool
}

var infinity = math.Inf(1)

// Init implements Controller; it is OnInit.
func (b *bbr) Init(now time.Time, s *State) {
	*b = bbr{draw: b.draw, tol: b.tol, start: now, initialCwnd: bbrInitialCwnd}
	if b.tol != nil {
		*b.tol = tolerance{}
		b.initialCwnd = fathomInitialWindow
	}
	b.observe(now, s)
	b.deliveredBefore = b.delivered
	b.cwnd = b.initialCwnd
	b.minRTT = bbrNoRTT
	if s.RTT > 0 {
		b.minRTT = s.RTT
	}
	b.probeRTTMinDelay = b.minRTT
	b.inflightLongterm = infinity
	b.probeUpAckedPerInc = infinity
	b.undoState = bbrNone
	b.bwShortterm, b.inflightShortterm = infinity, infinity
	b.initPacingRate(s.RTT)
	b.enter(bbrStartup)
	b.setSendQuantum()
	b.publish(s)
}

// OnAck implements Controller; it is UpdateOnACK.
func (b *bbr) OnAck(now time.Time, s *State, a *AckSample) {
	b.observe(now, s)
	b.generateRateSample(a)
	b.updateModelAndState()
	b.updateControlParameters()
	b.publish(s)
}

// OnLoss implements Controller. All that an ACK reveals counts as the loss of
// one burst, which is what the draft calls a packet P here.
func (b *bbr) OnLoss(now time.Time, s *State, l *LossSample) {
	b.observe(now, s)
	if l.Packets > 0 {
		b.handleLostPacket(l)
	}
	if l.Spurious > 0 {
		b.lossesTakenBack(float64(l.Spurious))
	}
	b.publish(s)
}

// OnTimeout implements Controller; it is OnEnterRTO.
func (b *bbr) OnTimeout(now time.Time, s *State) {
	b.observe(now, s)
	b.saveStateUponLoss()
	b.lossRoundDelivered = b.delivered
	b.isLossInRound, b.inLossRecovery = true, true
	b.cwnd = b.inflight + 1
	b.publish(s)
}

// OnRestart implements RestartObserver; it is HandleRestartFromIdle. Over the
// shortest paths it happens between any two bursts. So the count of
// UpdateACKAggregation begins anew together with its interval, which the draft
// does not say: else it would grow with each restart.
func (b *bbr) OnRestart(now time.Time, s *State) {
	b.observe(now, s)
	b.idleRestart = true
	b.extraAckedStart, b.extraAckedDelivered = b.now, 0
	switch {
	case b.inProbeBW():
		b.setPacingRateWithGain(1)
	case b.state == bbrProbeRTT:
		b.checkProbeRTTDone()
	}
	b.publish(s)
}

// observe takes over what the connection says.
func (b *bbr) observe(now time.Time, s *State) {
	b.now = now.Sub(b.start)
	b.packetSize = float64(max(s.MSS-bbrDatagramOverhead, 1))
	b.delivered = s.Delivered
	b.inflight = float64(s.InFlight)
	b.senderMinRTT = s.MinRTT
	b.legacyPeer = s.LegacyPeer
	b.limitedNow = b.limitedNow || s.WindowLimited
	b.isCwndLimited = b.isCwndLimited || s.WindowLimited
}

func (b *bbr) publish(s *State) {
	s.Window = int(min(max(b.cwnd, 1), math.MaxInt32))
	s.PacingRate = int64(min(max(b.pacingRate*b.packetSize, 1), bbrMaxPacingRate))
	if b.tol != nil && b.withinHost() {
		s.PacingRate = 0
	}
}

// generateRateSample is GenerateRateSample. The connection has done the
// counting.
func (b *bbr) generateRateSample(a *AckSample) {
	b.rs = bbrSample{
		rtt: a.RTT, newlyAcked: float64(max(b.delivered-b.deliveredBefore, 0)), priorDelivered: -1,
		txInFlight: float64(a.TxInFlight), lost: float64(a.LostSince),
	}
	b.deliveredBefore = b.delivered
	if a.TxInFlight > 0 {
		b.rs.priorDelivered = a.PriorDelivered
		b.rs.delivered = float64(b.delivered - a.PriorDelivered)
		limited := a.PriorDelivered >= b.appLimitedAt && a.PriorDelivered < b.appLimitedEnd
		b.rs.isAppLimited = a.AppLimited || limited
	}
	if a.Interval > 0 && a.Delivered > 0 {
		b.rs.delivered = float64(a.Delivered)
		b.rs.deliveryRate = b.rs.delivered / a.Interval.Seconds()
	}
}

// markConnectionAppLimited is MarkConnectionAppLimited, for what is sent from
// now on until all that is in flight has arrived.
func (b *bbr) markConnectionAppLimited() {
	if b.delivered > b.appLimitedEnd {
		b.appLimitedAt = b.delivered
	}
	b.appLimitedEnd = max(b.delivered+int64(b.inflight), 1)
}

// updateModelAndState is UpdateModelAndState.
func (b *bbr) updateModelAndState() {
	b.updateLatestDeliverySignals()
	b.updateCongestionSignals()
	b.updateACKAggregation()
	b.checkFullBWReached()
	b.checkStartupDone()
	b.checkDrainDone()
	b.updateProbeBWCyclePhase()
	b.updateMinRTT()
	b.checkProbeRTT()
	b.advanceLatestDeliverySignals()
	b.boundBWForModel()
}

// enter goes over to state with its gains.
func (b *bbr) enter(state bbrState) {
	b.state = state
	b.pacingGain, b.cwndGain = bbrGains[state].pacing, bbrGains[state].cwnd
}

// checkStartupDone is CheckStartupDone.
func (b *bbr) checkStartupDone() {
	b.checkStartupHighLoss()
	if b.state == bbrStartup && b.fullBwReached {
		b.enter(bbrDrain)
		b.drainStartRound = b.roundCount
	}
}

// checkDrainDone is CheckDrainDone.
func (b *bbr) checkDrainDone() {
	if b.state == bbrDrain &&
		(b.inflight <= b.inflightAt(b.bw, 1) || b.roundCount > b.drainStartRound+bbrDrainRounds) {
		b.startProbeBWDown()
	}
}
