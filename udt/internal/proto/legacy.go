package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/cc"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Margins for what a peer of the reference leaves unsaid
// (SPEC.md#samples-from-a-legacy-peer, SPEC.md#hole-timer).
const (
	presumeMargin = 12 * time.Millisecond
	holeMargin    = 20 * time.Millisecond
	maxKnees      = 256

	maxHoleBackoff = 4
	minLogged      = 1024 // transmissions
)

// legacySampler infers from the ACKs and NAKs of the reference what has
// arrived. Data behind a hole are not acknowledged until the hole closes, and a
// NAK is sent once; but a NAK says that all before the gap has arrived, and
// that the packet behind it just did.
type legacySampler struct {
	high     int64 // highest number known to have arrived
	inFlight int
	missing  ranges // reported and not acknowledged yet

	holeTimeouts int // since the ACK point last moved

	reported int64 // packets ever reported
	resent   []resentAt
	repaired int64 // retransmissions old enough to have arrived

	knees     []knee
	presumeAt int64         // packets before it have been looked at
	presumed  time.Duration // when they were
	lastFull  time.Duration
}

type resentAt struct {
	at time.Duration
	n  int64
}

// knee is a moment at which the number of packets that have arrived is known.
type knee struct {
	at, sentAt time.Duration
	delivered  int64
}

func (l *legacySampler) transmitted(now time.Duration, p *outPacket) {
	if p.flags&packetOut == 0 {
		p.flags |= packetOut
		l.inFlight++
	}
	if p.sends <= 1 {
		return
	}
	if n := len(l.resent); n > 0 && l.resent[n-1].at == now {
		l.resent[n-1].n++
	} else {
		l.resent = append(l.resent, resentAt{now, 1})
	}
}

func (l *legacySampler) untransmitted(p *outPacket) {
	if p.flags&packetOut != 0 {
		p.flags &^= packetOut
		l.inFlight--
	}
}

// reached notes that p has arrived, or is presumed to have.
func (c *Conn) reached(p *outPacket) int {
	s := &c.send
	if p.flags&packetOut != 0 {
		p.flags &^= packetOut
		s.legacy.inFlight--
	}
	if p.flags&packetReached != 0 {
		p.flags &^= packetPresumed
		return 0
	}
	p.flags |= packetReached
	s.delivered++
	return 1
}

// missed notes that the last transmission of p is lost.
func (c *Conn) missed(n int64, p *outPacket, lost *lossReport) {
	s := &c.send
	if p.flags&packetReported != 0 && p.flags&(packetOut|packetReached) == 0 {
		return // known, and not sent again yet
	}
	if p.flags&packetReached != 0 {
		// Presumed delivered too early.
		p.flags &^= packetReached | packetPresumed
		s.delivered--
	}
	if p.flags&packetOut != 0 {
		p.flags &^= packetOut
		s.legacy.inFlight--
	}
	if p.flags&packetReported == 0 {
		p.flags |= packetReported
		s.legacy.reported++
	}
	s.legacy.missing.add(n, n+1)
	s.lost++
	lost.packets++
	lost.add(n, n+1)
	lost.first = p
}

// legacyNak applies one range of a NAK, clipped to what is outstanding.
func (c *Conn) legacyNak(now time.Duration, first, end int64, hold time.Duration, lost *lossReport, sample *cc.AckSample) {
	s := &c.send
	l := &s.legacy
	if end < s.buf.next && end > l.high && now-s.buf.packet(end).sentAt < c.rtt.soonest() {
		c.stats.Malformed++ // what it says has just arrived cannot have
		return
	}
	count := func(p *outPacket) {
		if c.reached(p) > 0 {
			sample.Packets++
			sample.Bytes += int(p.size) + wire.HeaderLen
		}
	}
	for n := max(l.high+1, s.buf.una); n < first; n++ {
		count(s.buf.packet(n))
	}
	if end < s.buf.next && end > l.high {
		p := s.buf.packet(end)
		count(p)
		if p.sends == 1 {
			sample.RTT = now - p.sentAt
			c.rtt.hint(now, sample.RTT)
		}
		l.high = end
		s.deliveredAt = now
		c.sampleKnee(now, p, sample)
		if r := s.log.find(p.tx); r != nil {
			sample.PriorDelivered, sample.TxInFlight = r.delivered, r.inFlight
			sample.LostSince, sample.AppLimited = int(s.lost-r.lost), r.appLimited
			s.firstSentAt = r.sentAt
		}
	}
	for n := first; n < end; n++ {
		p := s.buf.packet(n)
		if age := now - p.sentAt; age < hold && p.sends > 1 || age < c.rtt.soonest() {
			continue // its repair is under way, or it cannot have been missed yet
		}
		c.missed(n, p, lost)
		c.queueLoss(n, n+1)
	}
}

// legacyAck takes what an ACK says of packets before next, which is not beyond
// what was sent.
func (c *Conn) legacyAck(now time.Duration, next int64, full bool) {
	s := &c.send
	l := &s.legacy
	sample := &c.ackSample
	*sample = cc.AckSample{UpTo: next}
	var lost lossReport
	if next > s.buf.una {
		fresh := next-1 > l.high
		latest := s.buf.packet(next - 1)
		for n := s.buf.una; n < next; n++ {
			p := s.buf.packet(n)
			// What closed a hole nobody had reported says when that arrived,
			// not when the latest packet did.
			fresh = fresh && p.sends == 1
			if k := c.reached(p); k > 0 {
				sample.Packets++
				sample.Bytes += int(p.size) + wire.HeaderLen
			}
		}
		s.deliveredAt = now
		l.holeTimeouts = 0
		l.missing.removeBefore(next)
		l.high = max(l.high, next-1)
		if fresh {
			rtt := now - latest.sentAt
			c.rtt.sample(now, rtt)
			sample.RTT = rtt
			c.sampleKnee(now, latest, sample)
		}
		if r := s.log.find(latest.tx); r != nil {
			sample.PriorDelivered, sample.TxInFlight = r.delivered, r.inFlight
			sample.LostSince, sample.AppLimited = int(s.lost-r.lost), r.appLimited
			s.firstSentAt = r.sentAt
		}
		// What is outstanding was sent among the latest transmissions.
		s.log.forget(s.txNext - 4*(s.buf.next-s.buf.una) - minLogged)
	}
	// The ACK point stands at a hole whose NAK was lost: later packets have
	// arrived, or this one should long have.
	if next >= s.buf.una && next < s.buf.next && !c.closedWindow() {
		p := s.buf.packet(next)
		age := now - p.sentAt
		if p.flags&packetReported == 0 && (next <= l.high && age >= c.rtt.rtt() || age >= c.spread()+presumeMargin) {
			c.missed(next, p, &lost)
			c.queueLoss(next, next+1)
		}
	}
	if full {
		l.lastFull = now
	}
	c.reportLoss(now, &lost, sample.TxInFlight, int64(sample.LostSince))
	if sample.Packets > 0 || sample.Interval > 0 || full && next > s.fullAcked {
		c.fillState()
		c.controller.OnAck(c.start.Add(now), &c.cc, sample)
	}
}

// legacyEnd finishes a NAK.
func (c *Conn) legacyEnd(now time.Duration, lost *lossReport) {
	if lost.packets == 0 {
		return
	}
	var txInFlight int
	var lostSince int64
	if r := c.send.log.find(lost.first.tx); r != nil {
		txInFlight, lostSince = r.inFlight, c.send.lost-r.lost
	}
	c.reportLoss(now, lost, txInFlight, lostSince)
}

// sampleKnee makes a rate sample between now, when p is known to have arrived
// as the newest packet, and the latest such moment at least a round trip ago.
func (c *Conn) sampleKnee(now time.Duration, p *outPacket, sample *cc.AckSample) {
	s := &c.send
	l := &s.legacy
	for len(l.resent) > 0 && l.resent[0].at <= now-c.rtt.rtt() {
		l.repaired += l.resent[0].n
		l.resent = l.resent[1:]
	}
	k := knee{now, p.sentAt, l.high + 1 - c.first - l.reported + l.repaired}
	minRTT := c.rtt.min()
	i := 0
	for i+1 < len(l.knees) && now-l.knees[i+1].at >= minRTT {
		i++
	}
	l.knees = append(l.knees[:copy(l.knees, l.knees[i:])], k)
	if len(l.knees) > maxKnees {
		l.knees = append(l.knees[:1], l.knees[len(l.knees)/2:]...)
	}
	o := l.knees[0]
	interval := max(k.at-o.at, k.sentAt-o.sentAt)
	if k.at-o.at < minRTT || interval <= 0 || k.delivered <= o.delivered {
		return
	}
	size := wire.HeaderLen + s.buf.payload
	c.cc.DeliveryRate = int64(float64(k.delivered-o.delivered) * float64(size) / interval.Seconds())
	if sample != nil {
		sample.Delivered, sample.Interval = k.delivered-o.delivered, interval
	}
}

// legacyTimers repairs what the peer will not report again, and takes packets
// out of flight that a NAK would have named by now.
func (c *Conn) legacyTimers(now time.Duration) {
	s := &c.send
	l := &s.legacy
	if s.buf.una >= s.buf.next {
		return
	}
	if due := c.holeTime(); due != 0 && now >= due {
		l.holeTimeouts++
		old := now - c.spread() - holeMargin
		var lost lossReport
		if p := s.buf.packet(s.buf.una); p.flags&packetReported == 0 {
			c.missed(s.buf.una, p, &lost)
			c.queueLoss(s.buf.una, s.buf.una+1)
		}
		end := s.buf.next
		if l.holeTimeouts > 1 {
			end = s.buf.una + 1 // it is this one again, or its ACK
		}
		for _, m := range l.missing.list() {
			for n := max(m.first, s.buf.una); n < min(m.end, end); n++ {
				if p := s.buf.packet(n); p.sentAt <= old && !s.losses.contains(n) {
					c.missed(n, p, &lost)
					c.queueLoss(n, n+1)
				}
			}
		}
		c.legacyEnd(now, &lost)
	}
	if now-l.presumed < c.presumePause() {
		return
	}
	l.presumed = now
	old := now - c.spread() - presumeMargin
	l.presumeAt = max(l.presumeAt, s.buf.una)
	for ; l.presumeAt < s.buf.next; l.presumeAt++ {
		p := s.buf.packet(l.presumeAt)
		if p.sentAt <= old {
			c.presume(p)
		} else if p.sends == 1 {
			break
		}
	}
	for _, m := range l.missing.list() {
		for n := max(m.first, s.buf.una+1); n < m.end; n++ {
			if p := s.buf.packet(n); p.sentAt <= old {
				c.presume(p)
			}
		}
	}
}

func (c *Conn) presume(p *outPacket) {
	if p.flags&packetOut != 0 && p.flags&packetReached == 0 {
		c.reached(p)
		p.flags |= packetPresumed
	}
}

// spread is how long a packet and what answers it at once take at most.
func (c *Conn) spread() time.Duration { return c.rtt.rtt() + 4*c.rtt.rttvar() }

// presumePause is how often packets are looked for that must have arrived.
func (c *Conn) presumePause() time.Duration { return max(c.rtt.rtt()/8, time.Millisecond) }

// presumeTime returns when a sender whose window is full may presume that
// packets have arrived; zero means never.
func (c *Conn) presumeTime() time.Duration {
	s := &c.send
	l := &s.legacy
	n := max(l.presumeAt, s.buf.una)
	if c.extended || n >= s.buf.next || l.inFlight < c.congestionWindow() {
		return 0
	}
	return max(s.buf.packet(n).sentAt+c.spread()+presumeMargin, l.presumed+c.presumePause())
}

// holeTime returns when the packets are due again that the ACK point still
// waits for: those reported, or the first one if the peer says nothing at all;
// zero means never.
func (c *Conn) holeTime() time.Duration {
	s := &c.send
	if c.extended || s.buf.una >= s.buf.next || c.closedWindow() {
		return 0
	}
	if !s.losses.empty() && s.losses.min() == s.buf.una {
		return 0 // it is about to be sent
	}
	p := s.buf.packet(s.buf.una)
	// It may be the ACK that was lost, and the reference repeats one only after
	// its own estimate of spread, which starts at 300 ms.
	due := p.sentAt + (c.spread()+holeMargin)<<min(s.legacy.holeTimeouts, maxHoleBackoff)
	if p.flags&packetReported == 0 {
		// A sender with ever new data never gets to probe.
		due = max(due, s.lastProgress+c.spread()) + legacyAckDelay
	}
	return due
}
