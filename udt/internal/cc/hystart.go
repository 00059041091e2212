package cc

import "time"

// The constants of RFC 9406, section 4.3.
const (
	hyStartMinThresh  = 4 * time.Millisecond  // MIN_RTT_THRESH
	hyStartMaxThresh  = 16 * time.Millisecond // MAX_RTT_THRESH
	hyStartDivisor    = 8                     // MIN_RTT_DIVISOR
	hyStartSamples    = 8                     // N_RTT_SAMPLE
	hyStartCSSDivisor = 4                     // CSS_GROWTH_DIVISOR
	hyStartCSSRounds  = 5                     // CSS_ROUNDS
)

// hyStartLeastAcks is how many RTT samples a round needs whatever they stand for.
const hyStartLeastAcks = 2

// A hyStart ends the first slow start when round trips become longer, before
// the queue overflows: HyStart++, RFC 9406. From the first such round on, in
// Conservative Slow Start (CSS), the window grows a quarter as fast; if round
// trips become shorter again, it was a false alarm.
//
// Growth by one ACK has no limit of its own (the RFC's L), as the RFC has it for
// senders that pace.
//
// Differs from the RFC: it wants 8 samples in a round, which it expects one of
// per packet or two. Our peers acknowledge every 10 ms or 64 packets, so that a
// sample stands for as many as its ACK acknowledged; but one alone decides
// nothing.
type hyStart struct {
	windowEnd int64 // the round ends when all before this packet has arrived

	lastMin, currentMin time.Duration // smallest sample of the rounds; zero if none
	samples             float64       // of the present round, in packets
	acks                int           // of the present round, with a sample

	baseline time.Duration // currentMin when CSS began; zero outside CSS
	rounds   int           // that CSS has lasted
}

func newHyStart(s *State) hyStart { return hyStart{windowEnd: s.NextPacket} }

// grow returns by how much n packets, acknowledged in slow start, open the
// window.
func (h *hyStart) grow(n float64) float64 {
	if h.baseline > 0 {
		return n / hyStartCSSDivisor
	}
	return n
}

// done takes an ACK that was credited for n packets and reports whether slow
// start is over.
func (h *hyStart) done(s *State, a *AckSample, n float64) bool {
	if a.UpTo >= h.windowEnd {
		if h.baseline > 0 {
			if h.rounds++; h.rounds >= hyStartCSSRounds {
				return true
			}
		}
		h.windowEnd = s.NextPacket
		h.lastMin, h.currentMin = h.currentMin, 0
		h.samples, h.acks = 0, 0
	}
	if a.RTT > 0 && n > 0 {
		if h.currentMin == 0 || a.RTT < h.currentMin {
			h.currentMin = a.RTT
		}
		h.samples += n
		h.acks++
	}
	if h.samples < hyStartSamples || h.acks < hyStartLeastAcks {
		return false
	}
	switch {
	case h.baseline > 0:
		if h.currentMin < h.baseline {
			h.baseline, h.rounds = 0, 0
		}
	case h.lastMin > 0:
		thresh := min(max(h.lastMin/hyStartDivisor, hyStartMinThresh), hyStartMaxThresh)
		if h.currentMin >= h.lastMin+thresh {
			h.baseline, h.rounds = h.currentMin, 0
		}
	}
	return false
}
