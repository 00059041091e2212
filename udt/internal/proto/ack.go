package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// The rhythm of acknowledgements (SPEC.md#acknowledgement).
const (
	syncPeriod    = 10 * time.Millisecond // UDT's "SYN"
	lightInterval = 64                    // packets per light ACK
	ackHistory    = 64                    // numbered ACKs that wait for their ACK2
	maxAckDelay   = 10 * time.Millisecond
	minAckDelay   = time.Millisecond
	minAckEvery   = 2
	youngPackets  = 8 // a connection that has received no more may end after one exchange
	maxAckEvery   = 64
	fastAckEvery  = 256 // where the round trip is under a millisecond: each ACK wakes the peer
)

// sentAck is a numbered ACK that may be confirmed by an ACK2.
type sentAck struct {
	number uint32
	at     time.Duration
	next   int64
	edge   int64 // of the window it announced
}

// ackState decides when and what to acknowledge.
type ackState struct {
	packets int  // data packets since the last full ACK
	bytes   int  // their payload
	lights  int  // light ACKs since then, plus one
	now     bool // an ACK is due at once
	light   bool // a light ACK is due
	due     time.Duration
	repeat  time.Duration // when an unconfirmed ACK is repeated, zero never

	next         int64  // highest number acknowledged
	edge         int64  // window edge last advertised
	answered     uint32 // number of the ACK that was confirmed last
	confirmed    int64  // highest number whose ACK was confirmed
	lastFull     time.Duration
	lastNumbered time.Duration
	anySent      bool
	update       bool // the ACK that is due announces a window that has opened
	unopened     bool // such an ACK is not confirmed yet
	repeats      int

	history []sentAck
	at      int

	largestAt time.Duration // arrival of the largest transmission number
}

// ackPoint is what may be acknowledged: what has arrived, but not the two
// packets accepted beyond a closed window, whose acknowledgement is what wakes
// a sender of the reference (SPEC.md#reopening-a-window).
func (c *Conn) ackPoint() int64 { return min(c.recv.next, c.edge()) }

// ackEvery is how many full packets an extended peer sends per ACK: a quarter of
// those that fit in a round trip. Small ones wait for the timer, so that an
// exchange of small messages does not pay for an ACK with every other one.
func (c *Conn) ackEvery() int {
	rate, _ := c.recv.rate.estimates(c.now)
	perRTT := int(float64(rate) * c.rtt.rtt().Seconds())
	most := maxAckEvery
	if c.rtt.min() != 0 && c.rtt.min() < time.Millisecond {
		most = fastAckEvery
	}
	return min(max(perRTT/4, minAckEvery), most)
}

// ackData decides what a batch of data makes due.
func (c *Conn) ackData(now time.Duration, b batchState) {
	a := &c.recv.acks
	a.packets += b.packets
	a.bytes += b.bytes
	if c.extended {
		if b.gap || b.duplicate || a.packets >= fastAckEvery || a.bytes >= c.ackEvery()*c.payload {
			a.now = true
		} else if a.due == 0 {
			a.due = now + min(max(c.rtt.rtt()/4, minAckDelay), maxAckDelay)
		}
		return
	}
	period := syncPeriod
	if p := c.cc.AckPeriod; p > 0 {
		period = min(p, syncPeriod)
	}
	switch {
	case b.irregular, c.cc.AckInterval > 0 && a.packets >= c.cc.AckInterval, !a.anySent, now-a.lastFull >= period:
		a.now = true
	case a.due == 0:
		a.due = a.lastFull + period
	}
	if a.packets >= lightInterval*(a.lights+1) {
		a.lights = a.packets / lightInterval
		a.light = true
	}
}

// requestAck makes an ACK due at once: the peer asked for it.
func (c *Conn) requestAck() { c.recv.acks.now = true }

// consumed is called when the application has read, and reports whether an ACK is
// due: the window may have to be announced.
func (c *Conn) consumed(now time.Duration) (ackDue bool) {
	if c.phase > phaseDraining || c.closing.peer {
		return false
	}
	a := &c.recv.acks
	c.recv.account(c.cfg.Pressure)
	c.recv.relax(c.cfg.Pressure)
	c.recv.window.grow(now, c.rtt.rtt(), 0, c.unread())
	open := c.edge() - a.edge
	left := a.edge - a.next
	if open <= 0 || !a.anySent {
		return a.now
	}
	switch {
	case c.extended:
		a.update = a.update || left < 16 || open >= max(int64(c.recv.window.size)/4, 16)
	default:
		a.update = a.update || left < 16 && (c.ackPoint() > a.next || left < minWindow)
	}
	a.now = a.now || a.update
	return a.now
}

// ackTime returns when an ACK must be sent; zero means never.
func (c *Conn) ackTime(now time.Duration) time.Duration {
	a := &c.recv.acks
	if a.now || a.light {
		return now
	}
	due := a.due
	if a.repeat != 0 && (due == 0 || a.repeat < due) {
		due = a.repeat
	}
	return due
}

// appendAck appends the ACK that is due now, with its header, to b.
func (c *Conn) appendAck(now time.Duration, b []byte) []byte {
	a := &c.recv.acks
	fullDue := a.now || a.due != 0 && now >= a.due
	repeatDue := a.repeat != 0 && now >= a.repeat
	next, edge := c.ackPoint(), c.edge()
	if !fullDue && !repeatDue {
		if !a.light {
			return b
		}
		a.light = false
		if c.extended || next == a.confirmed {
			return b
		}
		c.stats.AcksSent++
		light := wire.Ack{Form: wire.AckLight, Next: wire.Number(next)}
		return light.Append(c.appendHeader(b, wire.TypeAck, 0, 0))
	}
	if fullDue {
		a.packets, a.bytes, a.lights, a.light = 0, 0, 0, false
		a.now, a.due = false, 0
		a.lastFull = now
	}
	if c.extended {
		a.update = a.update || repeatDue
		return c.appendExtendedAck(now, b, next, edge)
	}
	// A sender of the reference that hears nothing new needs quiet to notice
	// a lost tail, so what was said already is said again only seldom.
	if !repeatDue && next <= a.next && !a.update {
		return b
	}
	return c.appendLegacyAck(now, b, next, edge)
}

func (c *Conn) appendLegacyAck(now time.Duration, b []byte, next, edge int64) []byte {
	r := &c.recv
	window := max(edge-next, minWindow)
	if window > int64(r.window.limit) {
		window = int64(r.window.limit)
	}
	body := wire.Ack{
		Form:   wire.AckShort,
		Next:   wire.Number(next),
		RTT:    micros(c.rtt.rtt()),
		RTTVar: micros(c.rtt.rttvar()),
		Window: uint32(window),
	}
	if rate, capacity := r.rate.estimates(now); rate > 0 {
		body.Form, body.RecvRate, body.Capacity = wire.AckFull, uint32(rate), uint32(max(capacity, r.pairs.capacity()))
	}
	number := c.numberAck(now, next, edge)
	return body.Append(c.appendHeader(b, wire.TypeAck, 0, number))
}

func (c *Conn) appendExtendedAck(now time.Duration, b []byte, next, edge int64) []byte {
	r := &c.recv
	a := &r.acks
	window := max(edge-next, minWindow)
	rate, capacity := r.rate.estimates(now)
	body := wire.Ack{
		Form:      wire.AckExtended,
		Next:      wire.Number(next),
		RTT:       micros(c.rtt.rtt()),
		RTTVar:    micros(c.rtt.rttvar()),
		Window:    uint32(window),
		RecvRate:  uint32(rate),
		Capacity:  uint32(max(capacity, min(r.pairs.capacity(), 1<<30))),
		LargestTx: uint32(r.arrivals.largest),
		Received:  uint32(r.arrivals.received),
		Delay:     micros(now - a.largestAt),
		HighNext:  wire.Number(r.buf.high),
		Clock:     uint32(a.largestAt / time.Microsecond),
	}
	number := uint32(0)
	if a.update || next > a.next && now-a.lastNumbered >= syncPeriod {
		number = c.numberAck(now, next, edge)
	} else {
		c.noteAck(next, edge)
	}
	room := min(wire.MaxAckRanges, (c.payload-48)/wire.MaxRangeLen)
	b = body.Append(c.appendHeader(b, wire.TypeAck, 0, number))
	if room > 0 {
		b = c.appendMissing(b, room)
	}
	return b
}

// piggyback adds an ACK that waits for its time to a batch of data, if both leave
// in one system call: only the last datagram of a segmented send may be smaller.
// An exchange of messages then needs no ACKs of their own; a fast one does not
// acknowledge each, unless it has just begun and may be short.
func (c *Conn) piggyback(now time.Duration, out *Batch) {
	const size = wire.HeaderLen + wire.ExtendedAckLen
	a := &c.recv.acks
	if !c.extended || a.due == 0 || now-a.lastFull < minAckDelay && c.recv.arrivals.largest > youngPackets {
		return
	}
	if out.controls > 0 || len(out.Runs) != 1 || !c.recv.holes.empty() || !out.room(size) {
		return
	}
	run := out.Runs[0]
	switch single := len(run.B) <= run.Segment; {
	case single && len(run.B) <= size:
		a.now = true
		out.endFirst(c.appendAck(now, out.begin()))
	case run.Segment >= size && len(run.B)%run.Segment == 0 || single:
		a.now = true
		out.endLast(c.appendAck(now, out.begin()))
	}
}

// numberAck gives a full ACK its number and remembers it. Numbers are
// unpredictable: a peer can confirm only what it has received.
func (c *Conn) numberAck(now time.Duration, next, edge int64) uint32 {
	a := &c.recv.acks
	number := c.rand.Uint32() & wire.NumberMask
	if number == 0 {
		number = 1
	}
	if sent := (sentAck{number, now, next, edge}); len(a.history) < ackHistory {
		a.history = append(a.history, sent)
	} else {
		a.history[a.at] = sent
		a.at = (a.at + 1) % ackHistory
	}
	a.unopened = a.unopened || a.update
	a.update = false
	a.lastNumbered = now
	c.noteAck(next, edge)
	a.repeat = 0
	// An extended sender's probes repeat what it misses, so that only a window
	// that has opened must be told again; one of the reference sends none.
	if a.unopened || !c.extended && next > a.confirmed {
		interval := max(c.rtt.rtt()+4*c.rtt.rttvar(), syncPeriod)
		interval <<= min(a.repeats, 5)
		if !c.extended && now-c.recv.lastData > legacyQuietGap/2 {
			interval = max(interval, legacyQuietGap)
		}
		a.repeat = now + min(interval, time.Second)
		a.repeats++
	}
	return number
}

// noteAck accounts for an ACK of any number.
func (c *Conn) noteAck(next, edge int64) {
	a := &c.recv.acks
	if next > a.next {
		a.repeats = 0
	}
	a.anySent = true
	a.next, a.edge = max(a.next, next), max(a.edge, edge)
	c.recv.window.promised = max(c.recv.window.promised, edge)
	c.stats.AcksSent++
}

// handleAck2 takes the confirmation of a numbered ACK.
func (c *Conn) handleAck2(now time.Duration, number uint32) {
	a := &c.recv.acks
	c.stats.Ack2sReceived++
	for i := range a.history {
		s := &a.history[i]
		if s.number != number || s.number == 0 {
			continue
		}
		c.rtt.sample(now, now-s.at)
		a.answered = number
		c.answered(s.at)
		a.confirmed = max(a.confirmed, s.next)
		if a.edge <= s.edge {
			a.unopened = false
		}
		if !a.unopened && (c.extended || a.confirmed >= a.next) {
			a.repeat = 0
		}
		a.repeats = 0
		s.number = 0
		return
	}
}

func micros(d time.Duration) uint32 {
	return uint32(min(max(d/time.Microsecond, 0), 1<<31-1))
}
