package cc

import (
	"math"
	"time"
)

const (
	// ackedInitial is the initial window in packets (RFC 6928), and the restart
	// window after idle times (RFC 5681, section 4.1).
	ackedInitial = 10

	// ackedLeast is the smallest window in packets: the least that RFC 5681
	// lets ssthresh be, and what the connection sends after a timeout.
	ackedLeast = 2

	// Pacing, as multiples of cwnd/RTT: fast enough that the window remains
	// what limits the sender, slow enough that what an ACK lets go does not
	// reach a short queue as one burst.
	slowStartPace = 2.0
	avoidancePace = 1.2

	// A window counts as used where it held the sender back, or where in flight
	// came this near to it. In slow start the sender is behind a window that
	// doubles: half of it will do.
	usedInAvoidance = 7.0 / 8
	usedInSlowStart = 1.0 / 2

	leastRTO = time.Second // RFC 6298, section 2.4
	mostPace = 1e15        // bytes per second
)

// An ackedWindow is what the controllers share that open a window by what is
// acknowledged and close it on loss: the window itself, in the terms of
// RFC 5681, and the counters that make lying ACKs harmless.
//
// These credit packets, never ACKs, so that nothing is gained by dividing ACKs,
// and each transmission once, so that nothing is gained by repeating them or by
// acknowledging what was not sent. Losses count once per round trip: all that
// was sent before the first of them was noticed belongs to one event.
type ackedWindow struct {
	cwnd, ssthresh float64 // packets; ssthresh is infinite in the first slow start

	sent    int64 // one past the highest packet that was sent
	pending int64 // transmissions that no ACK was credited for
	heard   time.Time

	// The latest loss event.
	open      bool // not all that was sent before it has arrived
	passed    bool // but a round trip has passed
	timedOut  bool // it was a timeout: the window grows at once
	recover   int64
	openedAt  time.Time
	delivered int64 // State.Delivered then

	// What the event is worth if all of it was only late.
	losses       int // of the event, not taken back yet; zero: nothing to undo
	undoCwnd     float64
	undoSsthresh float64
}

func newAckedWindow(now time.Time, s *State) ackedWindow {
	return ackedWindow{cwnd: ackedInitial, ssthresh: math.Inf(1), sent: s.NextPacket, heard: now}
}

// most is the peer's window in packets.
func most(s *State) float64 { return float64(max(s.MaxWindow, ackedLeast)) }

// noteSent accounts for what was sent since the last call. No more can be
// awaiting credit than the peer's window lets out.
func (w *ackedWindow) noteSent(s *State, resent int) {
	limit := int64(most(s))
	w.pending += min(max(s.NextPacket-w.sent, 0), limit)
	w.pending += min(max(int64(resent), 0), limit)
	w.pending = min(w.pending, limit)
	w.sent = max(w.sent, s.NextPacket)
}

// acked returns how many packets the ACK is to be credited for, and whether the
// window may grow by them: not in recovery, nor on the ACK that ends it.
func (w *ackedWindow) acked(now time.Time, s *State, a *AckSample) (n float64, grow bool) {
	w.noteSent(s, 0)
	credit := min(int64(max(a.Packets, 0)), w.pending)
	w.pending -= credit
	w.heard = now
	recovering := w.recovering()
	// RFC 6582 ends recovery when all has arrived that was sent before the
	// event. Where a repair was lost too, it is enough for growth that something
	// has that was sent after it.
	w.open = w.open && a.UpTo < w.recover
	w.passed = w.passed || a.PriorDelivered > w.delivered
	return float64(credit), credit > 0 && !recovering
}

func (w *ackedWindow) recovering() bool { return w.open && !w.passed && !w.timedOut }

// initial reports whether this is the first slow start.
func (w *ackedWindow) initial() bool { return math.IsInf(w.ssthresh, 1) }

func (w *ackedWindow) inSlowStart() bool { return w.cwnd < w.ssthresh }

// used reports whether the sender, before n packets were acknowledged, had made
// use of the window, so that it may grow (RFC 9438, section 4.6, and RFC 7661).
func (w *ackedWindow) used(s *State, n float64) bool {
	share := usedInAvoidance
	if w.inSlowStart() {
		share = usedInSlowStart
	}
	return s.WindowLimited || float64(s.InFlight)+n >= share*w.cwnd
}

// slowStart opens the window by n packets, if it was used, and ends the first
// slow start when h finds that it is time.
func (w *ackedWindow) slowStart(s *State, a *AckSample, h *hyStart, n float64, used bool) {
	if !w.initial() {
		if used {
			w.cwnd = min(w.cwnd+n, w.ssthresh)
		}
		return
	}
	if used {
		w.cwnd += min(h.grow(n), w.cwnd)
	}
	if h.done(s, a, n) {
		w.cwnd = min(w.cwnd, most(s))
		w.ssthresh = w.cwnd
	}
}

// lost reports whether the sample is a new loss event, which the caller is to
// answer after what undo needs has been kept here.
func (w *ackedWindow) lost(now time.Time, s *State, l *LossSample) bool {
	if l.Packets <= 0 {
		return false
	}
	w.noteSent(s, l.Packets)
	if w.open && w.covers(now, s, l) {
		if w.losses > 0 {
			w.losses = min(w.losses, math.MaxInt32) + min(l.Packets, math.MaxInt32)
		}
		return false
	}
	w.openEvent(now, s)
	w.losses, w.undoCwnd, w.undoSsthresh = l.Packets, w.cwnd, w.ssthresh
	return true
}

// covers reports whether the losses belong to the event that is open, because
// the packets were sent before it. A sender that waits for its window to drain
// may learn that late of the last of them; where it is not known which packets
// are lost, those of one round trip count.
//
// Word of a packet sent later cannot come sooner than that could have arrived;
// half of a round trip leaves room for ACKs that were late when MinRTT was
// measured.
func (w *ackedWindow) covers(now time.Time, s *State, l *LossSample) bool {
	n := len(l.Ranges)
	if n == 0 {
		return !w.passed
	}
	return min(l.Ranges[n-1].End, s.NextPacket) <= w.recover || now.Sub(w.openedAt) < s.MinRTT/2
}

func (w *ackedWindow) openEvent(now time.Time, s *State) {
	w.open, w.passed, w.timedOut = true, false, false
	w.recover, w.openedAt, w.delivered = w.sent, now, s.Delivered
	w.losses = 0
}

// reduce sets the window to a share of what it was.
func (w *ackedWindow) reduce(share float64) {
	w.ssthresh = max(w.cwnd*share, ackedLeast)
	w.cwnd = w.ssthresh
}

// timeout begins slow start anew, up to a share of the window (RFC 5681,
// section 3.1). Losses that only now come to light belong to it.
func (w *ackedWindow) timeout(now time.Time, s *State, share float64) {
	w.noteSent(s, 0)
	w.openEvent(now, s)
	w.timedOut = true
	w.ssthresh = max(w.cwnd*share, ackedLeast)
	w.cwnd = ackedLeast
}

// spurious reports whether the sample takes back the last of the losses that
// made the latest event: it should not have been answered.
func (w *ackedWindow) spurious(l *LossSample) bool {
	if w.losses == 0 || l.Spurious <= 0 {
		return false
	}
	w.losses = max(w.losses-l.Spurious, 0)
	return w.losses == 0
}

// undo restores the window as it was before the latest event, unless it has
// outgrown that, and reports whether it did.
func (w *ackedWindow) undo() bool {
	if w.cwnd >= w.undoCwnd {
		return false
	}
	w.cwnd, w.ssthresh = w.undoCwnd, w.undoSsthresh
	w.open = false
	return true
}

// idle reports whether nothing has been heard for so long that the window says
// nothing of the path any more, when sending begins again.
func (w *ackedWindow) idle(now time.Time, s *State) bool {
	return now.Sub(w.heard) > max(s.RTT+4*s.RTTVar, leastRTO)
}

// restart begins again with the restart window. It remembers most of what the
// window was for slow start to return to (RFC 2861, section 3).
func (w *ackedWindow) restart() {
	if w.cwnd <= ackedInitial {
		return
	}
	w.ssthresh = max(w.ssthresh, w.cwnd*3/4)
	w.cwnd = ackedInitial
	w.losses = 0
}

// publish sets window and pace. While no round trip is known there is none.
func (w *ackedWindow) publish(s *State) {
	w.cwnd = min(max(w.cwnd, ackedLeast), most(s))
	s.Window = int(w.cwnd)
	s.SendPeriod, s.PacingRate = 0, 0
	if s.RTT <= 0 {
		return
	}
	pace := avoidancePace
	if w.cwnd < w.ssthresh/2 {
		pace = slowStartPace
	}
	rate := pace * w.cwnd * float64(max(s.MSS, 1)) / s.RTT.Seconds()
	s.PacingRate = int64(min(max(rate, 1), mostPace))
}
