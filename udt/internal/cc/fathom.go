package cc

import "time"

// Constants of Fathom; the methods that use them say why.
const (
	fathomInitialWindow = 32 // packets

	fathomRTTFraction = 32 // of the minimum: how near to it renews it,
	fathomRTTSlack    = 500 * time.Microsecond

	fathomQueueFraction = 8 // of the minimum: how much above it there is a queue,
	fathomQueueSlack    = 2 * time.Millisecond

	fathomBaseGain    = 1.0 / 8 // per round
	fathomBaseMax     = 0.2
	fathomCongestive  = 0.01 // of a round
	fathomProbeExcess = 0.05 // losses that a probe may see beyond twice the base
	fathomStartExcess = 0.15 // the same, Startup

	fathomHeldShare  = 0.8 // of the bandwidth: below it the bounds hold the flow back,
	fathomHeldQueue  = 2   // unless the round trip exceeds the minimum by a part,
	fathomHeldRounds = 3   // and are stale after so many rounds

	fathomHostTime    = time.Millisecond       // for a host to get to what has arrived
	fathomLocalRTT    = 100 * time.Microsecond // below it both ends are one host,
	fathomLocalWindow = 2048                   // where this many packets may wait

	fathomLegacyAckTime    = 10 * time.Millisecond
	fathomLegacyAckPackets = 64
)

// Fathom is the default: the model of BBR, made for paths that lose packets for
// other reasons than congestion. BBR as drafted multiplies its rate by what
// arrived in each round with a loss and ends its probes at 2 % loss, so that it
// keeps three quarters of a link that loses 1 % and next to nothing of one that
// loses 5 %. Fathom asks whether a queue stood when a packet was lost:
//
//   - only losses beside a queue slow it down (tolerance.congestiveRound);
//   - the loss that the path shows without probing is taken as its own and added
//     to the thresholds (tolerance.lossThresh, plainLoss, startupGoesOn);
//   - it begins with 32 packets, spread over a round trip (Init): what UDT's
//     handshake takes longer than TCP's is made up within the first round;
//   - it drains the pipe to measure the round trip only where its queue never
//     drains by itself (nearMinRTT);
//   - it probes at once when only bounds that past losses left hold it back
//     (tolerance.boundsAreStale);
//   - it keeps enough in flight for a peer that acknowledges every 10 ms
//     (ackBudget), and for hosts that do not react within microseconds
//     (hostBudget), and does not pace between processes of one (withinHost).
//
// The price is paid in shallow queues, where a loss looks the same whether
// Fathom caused it or not: there it drops some percent of what it sends, BBR one.
type Fathom struct{ bbr }

// NewFathom returns the default controller for one connection. Draw is as in
// NewBBR.
func NewFathom(draw func() float64) *Fathom {
	return &Fathom{bbr{draw: draw, tol: new(tolerance)}}
}

// tolerance is what Fathom knows of the losses of its path.
type tolerance struct {
	base       float64 // plain losses per packet, average over the rounds that do not probe
	lastQueue  float64 // congestive losses per packet of the latest round
	heldRounds int     // in a row, without signs of congestion, that the bounds held back

	// The present round.
	delivered  float64
	plain      float64
	congestive float64
}

// queueStands reports whether packets waited when rtt was measured. The slack is
// for jitter; where the whole round trip is shorter than that, twice the minimum
// is a queue.
func (b *bbr) queueStands(rtt time.Duration) bool {
	slack := min(fathomQueueSlack, b.minRTT)
	return b.minRTT != bbrNoRTT && rtt > b.minRTT+max(b.minRTT/fathomQueueFraction, slack)
}

// lost takes note of losses: congestive if a queue stood around them, else
// plain.
func (t *tolerance) lost(b *bbr, l *LossSample) {
	if b.queueStands(l.RTT) {
		t.congestive += float64(l.Packets)
	} else {
		t.plain += float64(l.Packets)
	}
}

// roundEnds learns from a round trip. Rounds that probe cause losses of their
// own, and Startup nothing else.
func (t *tolerance) roundEnds(b *bbr) {
	delivered := float64(b.delivered) - t.delivered
	total := delivered + t.plain + t.congestive
	if total > 0 {
		t.lastQueue = t.congestive / total
		if t.congestive == 0 && b.heldBack() {
			t.heldRounds++
		} else {
			t.heldRounds = 0
		}
		if b.inProbeBW() && b.state != bbrProbeBWUp {
			plain := min(t.plain/total, fathomBaseMax)
			t.base += (plain - t.base) * fathomBaseGain
		}
	}
	t.delivered, t.plain, t.congestive = float64(b.delivered), 0, 0
}

// congestiveRound decides whether losses lower the short-term bounds. Differs
// from the draft, where every loss does: a path that loses at random would pull
// them down each round until the next probe. Nor does a round in which nothing
// was measured, as happens when a peer of the reference waits for a repair.
func (t *tolerance) congestiveRound(b *bbr) bool {
	return t.lastQueue > fathomCongestive && b.bwLatest > 0
}

// heldBack reports whether the bounds that past losses left keep the flow well
// below what the path has shown, although nothing waits for the path any more.
func (b *bbr) heldBack() bool {
	if b.rs.isAppLimited || b.rs.deliveryRate == 0 || b.rs.deliveryRate > fathomHeldShare*b.maxBw ||
		b.rs.rtt > b.minRTT+b.minRTT/fathomHeldQueue {
		return false
	}
	return b.bwShortterm < fathomHeldShare*b.maxBw ||
		b.isCwndLimited && b.cwnd >= min(b.inflightShortterm, b.inflightWithHeadroom())
}

// boundsAreStale decides whether to probe at once. Differs from the draft, which
// waits two to three seconds whatever happens: where rates change by the second
// that is what remains of the good ones.
func (t *tolerance) boundsAreStale() bool { return t.heldRounds >= fathomHeldRounds }

// lossThresh differs from the draft by what the path loses by itself.
func (t *tolerance) lossThresh() float64 { return bbrLossThresh + t.base }

// plainLoss decides whether a probe goes on that lost more than the threshold.
// Differs from the draft: as long as no queue stands the probe did not cause
// these losses, up to what no guess about the path explains.
func (t *tolerance) plainLoss(b *bbr, l *LossSample) bool {
	return !b.queueStands(l.RTT) && b.rs.lost <= b.rs.txInFlight*(2*t.base+fathomProbeExcess)
}

// startupGoesOn decides whether Startup goes on although it lost more than the
// threshold. Differs from the draft, where a path with 2 % of loss never gets
// out of its first rounds.
func (t *tolerance) startupGoesOn(b *bbr) bool {
	return t.lastQueue <= fathomCongestive && b.rs.lost <= b.rs.txInFlight*(2*t.base+fathomStartExcess)
}

// nearMinRTT reports whether a sample is as good as the minimum. Differs from
// the draft, where only a smaller one is, so that timer noise makes ProbeRTT
// drain the pipe every 5 s although it never held a queue.
func (b *bbr) nearMinRTT(rtt time.Duration) bool {
	return b.probeRTTMinDelay != bbrNoRTT && rtt >= b.probeRTTMinDelay &&
		rtt <= b.probeRTTMinDelay+max(b.probeRTTMinDelay/fathomRTTFraction, fathomRTTSlack)
}

// renewMinRTT takes the minimum as measured just now.
func (b *bbr) renewMinRTT() {
	b.probeRTTMinStamp, b.probeRTTExpired = b.now, false
	if b.probeRTTMinDelay <= b.minRTT {
		b.minRTTStamp = b.now
	}
}

// ackBudget is what may be in flight beyond a send quantum because nobody
// acknowledges it earlier. Differs from the draft, where the peer acknowledges
// every other packet: one of the reference does so every 10 ms or 64 packets.
func (b *bbr) ackBudget() float64 {
	if !b.legacyPeer {
		return 0
	}
	return min(b.bw*fathomLegacyAckTime.Seconds(), fathomLegacyAckPackets)
}

// hostBudget is what may be in flight because hosts, not the path, take their
// time. Differs from the draft: over a path of some microseconds what a window
// waits for is a turn on a processor, at either end, and a window of two
// products of bandwidth and delay would make each packet train wait for one.
//
// Within one host it is at least a fixed number, because there every sample is a
// matter of who ran when: in proportion to those, of many connections the first
// would stay the largest.
func (b *bbr) hostBudget() float64 {
	budget := b.bw * fathomHostTime.Seconds()
	if b.withinHost() {
		budget = max(budget, fathomLocalWindow)
	}
	return budget
}

// withinHost reports whether both ends are on one host, where Fathom does not
// pace. Differs from the draft: no link is there whose queue to spare, memory
// takes what the peer's window lets in, and a sender that sleeps for
// microseconds only loses its turn.
func (b *bbr) withinHost() bool { return b.minRTT < fathomLocalRTT }
