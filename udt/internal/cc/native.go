package cc

import (
	"math"
	"time"
)

const (
	// syn is UDT's base control interval in microseconds: the least time between
	// two rate updates, and what a round trip counts for beyond its RTT.
	syn = 10_000

	initialWindow = 16    // packets
	initialPeriod = 1     // microseconds
	initialRTT    = 1e5   // microseconds, while nobody has measured one
	backoff       = 1.125 // what a decrease multiplies the period by

	// maxDecreases bounds what one epoch may cost beyond its first decrease:
	// only so many further loss reports are considered.
	maxDecreases = 4
)

// Native is UDT's own rate control (SPEC.md#native-rate-control): slow start by
// window, then additive increase of the rate by what the peer's estimate of the
// link capacity leaves free, and a decrease to 8/9 on loss, randomly thinned out
// within an epoch.
//
// It paces by State.SendPeriod, and not at all in slow start, where the period
// is 1 microsecond as in the reference. It leaves the ACK timing alone: zero
// means the 10 ms that the reference asks for.
//
// Differs from the reference in two places, both in leaving slow start before
// the peer has reported a receive rate; see leaveSlowStart and setWindow.
type Native struct {
	draw func() float64

	period float64 // microseconds between packets
	window float64 // packets

	slowStart  bool
	lastAck    int64     // up to where slow start has counted
	upTo       int64     // what the last ACK acknowledged
	lastUpdate time.Time // when an ACK was last used

	lossSeen      bool    // the next ACK does not raise the rate
	lastDec       int64   // highest packet sent at the last decrease; a loss above it begins an epoch
	lastDecPeriod float64 // period when the epoch began
	decCount      int     // loss reports of the epoch that were considered
	nakCount      int     // the same, as far as they count for avgNak
	avgNak        int     // smoothed nakCount of past epochs
	decRandom     int     // within an epoch, every decRandom-th report decreases
}

// NewNative returns UDT's rate control for one connection. Seed returns uniform
// draws from 0 to 1; it is called once per epoch, under the rules of Controller,
// and must not be nil.
func NewNative(seed func() float64) *Native {
	return &Native{draw: seed}
}

// Init implements Controller.
func (n *Native) Init(now time.Time, s *State) {
	last := s.NextPacket - 1
	*n = Native{
		draw:          n.draw,
		period:        initialPeriod,
		window:        initialWindow,
		slowStart:     true,
		lastAck:       last,
		lastUpdate:    now,
		lastDec:       last - 1,
		lastDecPeriod: initialPeriod,
		decRandom:     1,
	}
	n.publish(s)
}

// OnAck implements Controller. It uses at most one ACK per 10 ms, and towards the
// reference only those of the receiver, not what its NAKs tell.
func (n *Native) OnAck(now time.Time, s *State, a *AckSample) {
	if s.LegacyPeer && a.UpTo <= n.upTo {
		return
	}
	n.upTo = a.UpTo
	if now.Sub(n.lastUpdate) < syn*time.Microsecond {
		return
	}
	n.lastUpdate = now
	if n.slowStart {
		n.grow(s, a.UpTo)
	} else {
		n.setWindow(s)
	}
	switch {
	case n.slowStart:
	case n.lossSeen:
		n.lossSeen = false
	default:
		n.increase(s)
	}
	n.publish(s)
}

// OnLoss implements Controller.
func (n *Native) OnLoss(now time.Time, s *State, l *LossSample) {
	if l.Packets == 0 {
		return
	}
	if n.slowStart {
		n.leaveSlowStart(s)
		if s.RecvRate > 0 {
			// Falling back to what arrives is decrease enough.
			n.publish(s)
			return
		}
	}
	n.lossSeen = true
	sent := s.NextPacket - 1
	first := sent
	if len(l.Ranges) > 0 {
		first = l.Ranges[0].First
	}
	if first > n.lastDec {
		n.beginEpoch(sent)
	} else {
		n.continueEpoch(sent)
	}
	n.publish(s)
}

// OnTimeout implements Controller. A timeout ends slow start and changes
// nothing after it.
func (n *Native) OnTimeout(now time.Time, s *State) {
	if n.slowStart {
		n.leaveSlowStart(s)
		n.publish(s)
	}
}

// grow opens the window by what was acknowledged since the last update, counted
// inclusively as the reference does: one more than the packets, and two more the
// first time. Slow start ends above the maximum.
func (n *Native) grow(s *State, upTo int64) {
	if upTo > n.lastAck {
		n.window += float64(upTo - n.lastAck + 1)
		n.lastAck = upTo
	}
	if n.window > float64(s.MaxWindow) {
		n.leaveSlowStart(s)
	}
}

// leaveSlowStart goes over from window to rate: to the rate at which packets
// arrive, or as long as that is unknown to the rate that the window made.
//
// Differs from the reference: on loss and timeout that computes the latter as
// W/(RTT+C), packets per microsecond, where a period is wanted, hence the
// inverse. And it starts its receive rate at 16 packets/s instead of unknown,
// so that a loss before any rate feedback stops it down to these.
func (n *Native) leaveSlowStart(s *State) {
	n.slowStart = false
	if s.RecvRate > 0 {
		n.period = 1e6 / float64(s.RecvRate)
	} else {
		n.period = (rtt(s) + syn) / n.window
	}
}

// setWindow makes the window hold what arrives in a round trip and one control
// interval, and 16 packets more.
//
// Differs from the reference: while the receive rate is unknown the window
// stays, instead of shrinking to what 16 packets/s need.
func (n *Native) setWindow(s *State) {
	if s.RecvRate > 0 {
		n.window = float64(s.RecvRate)/1e6*(rtt(s)+syn) + 16
	}
}

// increase raises the rate by a number of packets per control interval that
// depends on the decade of the free capacity in bits per second. As long as the
// rate is below that of the last decrease, a ninth of the link is as much as
// counts for free: the decrease took no more.
func (n *Native) increase(s *State) {
	free := int64(float64(s.LinkCapacity) - 1e6/n.period)
	if s.LinkCapacity == 0 {
		// Differs from the reference, which takes its initial value for a
		// measurement: while nothing is known, there is as much again to be had.
		free = int64(1e6 / n.period)
	} else if n.period > n.lastDecPeriod {
		free = min(free, int64(s.LinkCapacity/9))
	}
	const least = 0.01
	packets := least
	if free > 0 && s.MSS > 0 {
		mss := float64(s.MSS)
		packets = max(nextDecade(float64(free)*mss*8)*0.0000015/mss, least)
	}
	n.period = n.period * syn / (n.period*packets + syn)
}

// nextDecade returns the smallest power of ten that is not below x, for x >= 1.
// It is exact where a rounded logarithm could be off by a whole decade.
func nextDecade(x float64) float64 {
	decade := 1.0
	for decade < x {
		decade *= 10
	}
	return decade
}

// beginEpoch answers the first loss among the packets sent since the last
// decrease. The draw keeps flows that lose together from decreasing together.
func (n *Native) beginEpoch(sent int64) {
	n.lastDecPeriod = n.period
	n.decrease(sent)
	n.avgNak = int(math.Ceil(float64(n.avgNak)*0.875 + float64(n.nakCount)*0.125))
	n.nakCount = 1
	n.decCount = 1
	n.decRandom = max(int(math.Ceil(float64(n.avgNak)*n.draw())), 1)
}

// continueEpoch answers further losses among packets sent before it.
func (n *Native) continueEpoch(sent int64) {
	if n.decCount > maxDecreases {
		return
	}
	n.decCount++
	n.nakCount++
	if n.nakCount%n.decRandom == 0 {
		n.decrease(sent)
	}
}

func (n *Native) decrease(sent int64) {
	n.period = math.Ceil(n.period * backoff)
	n.lastDec = sent
}

func (n *Native) publish(s *State) {
	s.SendPeriod = max(time.Duration(n.period*1e3), 1)
	s.Window = int(n.window)
}

// rtt returns the round-trip time in whole microseconds, the unit in which the
// peer reports it.
func rtt(s *State) float64 {
	switch {
	case s.PeerRTT > 0:
		return float64(s.PeerRTT.Microseconds())
	case s.RTT > 0:
		return float64(s.RTT.Microseconds())
	}
	return initialRTT
}
