package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/cc"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Limits of one batch.
const (
	probeModulus = 16 // a packet pair starts at every multiple (SPEC.md#sending)
	stallWindow  = 2  // packets, after probes went unanswered
)

// sender decides what to send next.
type sender struct {
	buf    sendBuffer
	losses ranges // to be sent again
	txNext int64  // number of the next data transmission, from 1
	log    txLog
	pacer  pacer
	probe  probeTimer

	limit      int64 // one past the highest number the peer's window lets in
	limitKnown bool  // it is from an ACK, not from the handshake
	fullAcked  int64 // acknowledged by ACKs other than light ones
	lost       int64
	delivered  int64

	deliveredAt time.Duration
	firstSentAt time.Duration // send time of the packet sampled last
	limitedTill int64         // delivered count up to and with which what is sent is limited by the application; zero never

	lastSent         time.Duration // last data transmission
	lastProgress     time.Duration // last ACK that moved anything
	lastAnswer       time.Duration // last sign that the peer handles our data
	fullAckedAt      time.Duration // when fullAcked moved last, zero if never
	outstandingSince time.Duration
	movedAt          time.Duration // when the first unacknowledged packet last changed
	committedAt      time.Duration // when something was committed after all was acknowledged
	busySince        time.Duration // when data became outstanding after none were
	busy             time.Duration // before that, with data outstanding
	requestedAt      time.Duration // last request for an ACK because a window was full

	extended extendedSampler
	skips    skips
	legacy   legacySampler

	outgoing outMessages
	stopped  StopReason
}

// StopReason says why the sender last stopped.
type StopReason uint8

// The reasons for which a sender stops.
const (
	StopNone       StopReason = iota
	StopApp                   // nothing to send
	StopWindow                // the controller's window
	StopFlowWindow            // the peer's window
	StopPacing
	StopSocket // the system took no more
)

// inFlight is how many packets are on their way: none once everything that was sent
// is acknowledged or given up, although no later transmission has told so.
func (c *Conn) inFlight() int {
	if c.send.buf.una == c.send.buf.next {
		return 0
	}
	if c.extended {
		return int(c.send.txNext-1-c.send.extended.largest) - len(c.send.skips.ahead)
	}
	return c.send.legacy.inFlight
}

// period is the time between packets, zero for none.
func (c *Conn) period() time.Duration {
	period := c.cc.SendPeriod
	size := c.datagramSize()
	if c.cc.PacingRate > 0 {
		period = time.Duration(float64(size) / float64(c.cc.PacingRate) * float64(time.Second))
	}
	if c.maxBandwidth > 0 {
		period = max(period, time.Duration(float64(size)/float64(c.maxBandwidth)*float64(time.Second)))
	}
	return period
}

func (c *Conn) burst(period time.Duration) int {
	if c.cc.MaxBurst > 0 {
		return min(c.cc.MaxBurst, maxSegments)
	}
	return burstSize(period, c.datagramSize(), c.rtt.min())
}

func (c *Conn) congestionWindow() int {
	if c.send.probe.stalled {
		return stallWindow
	}
	if c.maxInFlight > 0 {
		return max(min(c.cc.Window, c.maxInFlight), stallWindow)
	}
	return max(c.cc.Window, stallWindow)
}

// newEnd is one past the last packet that may be sent for the first time. The
// peer's first ACK may let in less than its handshake promised, and was sent.
func (c *Conn) newEnd() int64 {
	s := &c.send
	end := s.buf.end
	if s.buf.reserved && s.buf.open {
		end-- // its writer is still filling it
	}
	return max(min(end, s.limit), s.buf.next)
}

// lossDue reports whether there is anything to send again that the peer's
// window lets in.
func (s *sender) lossDue() bool { return !s.losses.empty() && s.losses.min() < s.limit }

// pollData adds data packets to out: retransmissions first, lowest number
// first, then new ones, as far as pacing and windows let it.
func (c *Conn) pollData(now time.Duration, out *Batch) {
	s := &c.send
	if c.holdData(now) {
		return
	}
	c.expireMessages(now)
	c.skipDropped()
	c.pollProbe(now, out)
	period := c.period()
	burst := c.burst(period)
	s.losses.removeBefore(s.buf.una)
	window := c.congestionWindow() - c.inFlight()
	credit := s.pacer.credit(now, period, burst, c.burstReady(burst, window))
	room := min(credit, window, c.batchPackets())
	before := out.packets
	for room > 0 && s.lossDue() {
		if n := s.losses.min(); c.resend(now, out, n) {
			room--
		}
	}
	for room > 0 && s.buf.next < c.newEnd() {
		if !c.skipDropped() {
			room -= c.sendRun(now, out, room)
		}
	}
	sent := out.packets - before
	if period > 0 {
		s.pacer.sent(sent, period)
	}
	c.noteStop(now, credit-sent, window-sent)
}

// burstReady is how many packets the next burst has: less than a whole one if
// there are no more, or window lets no more.
func (c *Conn) burstReady(burst, window int) int {
	s := &c.send
	ready := int(s.losses.count + c.newEnd() - s.buf.next)
	return max(min(burst, ready, window), 1)
}

// noteStop records what ended a batch, for pacing, samples and statistics.
func (c *Conn) noteStop(now time.Duration, credit, window int) {
	s := &c.send
	pending := s.lossDue() || s.buf.next < s.buf.end
	s.stopped, c.cc.WindowLimited = StopNone, false
	switch {
	case pending && window <= 0:
		s.stopped, c.cc.WindowLimited = StopWindow, true
	case !s.lossDue() && s.buf.next < s.buf.end && s.buf.next >= s.limit:
		s.stopped = StopFlowWindow
	case !pending:
		s.stopped = StopApp
	case credit <= 0:
		s.stopped = StopPacing
		return
	default:
		return // the batch is full
	}
	s.pacer.paused = true
	if (s.stopped == StopWindow || s.stopped == StopFlowWindow) && c.extended &&
		(s.requestedAt == 0 || now-s.requestedAt >= max(c.rtt.rtt()/4, time.Millisecond)) {
		s.requestedAt = now
		c.wantAckRequest = true
	}
	if window > 0 && s.stopped != StopWindow {
		// Even if pacing would have stopped it as well: the samples to come say
		// what the application sends, not what the path can carry.
		s.limitedTill = s.delivered + int64(c.inFlight())
	}
}

// batchPackets is how many packets one batch may hold.
func (c *Conn) batchPackets() int {
	return min(maxSegments, maxRunBytes/c.datagramSize())
}

// transmit accounts for one data packet leaving at now and writes its header.
func (c *Conn) transmit(now time.Duration, out *Batch, n int64, p *outPacket) {
	s := &c.send
	size := wire.HeaderLen + int(p.size) + c.cfg.Tag
	if s.buf.una == s.buf.next && p.sends == 0 {
		s.outstandingSince, s.busySince = now, now
	}
	if out.record.n == 0 {
		if c.inFlight() == 0 {
			s.firstSentAt, s.deliveredAt = now, now
			c.restart(now)
		}
		if c.extended {
			c.skipNumber()
		}
		out.record = txRecord{
			first: s.txNext, sentAt: now, firstSentAt: s.firstSentAt,
			delivered: s.delivered, deliveredAt: s.deliveredAt, lost: s.lost,
			appLimited: s.limitedTill != 0 && s.delivered <= s.limitedTill,
		}
	}
	h := wire.Data{
		Number: wire.Number(n), Boundary: p.boundary, Ordered: p.flags&packetOrdered != 0,
		Message: p.message, Time: uint32(now / time.Microsecond), Dest: c.peerID,
	}
	switch {
	case c.protected:
		h.Message = uint32(s.txNext) // see protectedTransmission
	case c.extended:
		h.Time = uint32(s.txNext)
	}
	h.Put(p.slab.slot(int(p.slot)))
	out.record.n++
	out.record.bytes += size
	out.packets++
	p.tx = s.txNext
	p.sentAt = now
	s.txNext++
	s.lastSent = now
	if p.sends < 255 {
		p.sends++
	}
	if !c.extended {
		s.legacy.transmitted(now, p)
	}
	c.stats.PacketsSent++
	c.stats.BytesSent += uint64(p.size)
	if c.observer != nil {
		c.observer.OnPacketSent(c.start.Add(now), &c.cc, n, size)
	}
}

// restart tells the controller that sending begins with nothing on its way.
func (c *Conn) restart(now time.Duration) {
	if o, ok := c.controller.(cc.RestartObserver); ok {
		c.fillState()
		o.OnRestart(c.start.Add(now), &c.cc)
	}
}

// resend takes packet n from the loss list and reports whether it was sent.
func (c *Conn) resend(now time.Duration, out *Batch, n int64) bool {
	s := &c.send
	s.losses.remove(n, n+1)
	if n < s.buf.una || n >= s.buf.next {
		return false
	}
	p := s.buf.packet(n)
	if p.flags&packetDropped != 0 {
		c.requestDrop(n)
		return false
	}
	if c.extended && p.tx > s.extended.largest && p.sends > 1 && !s.probe.due(now) {
		return false // its last transmission is still under way
	}
	c.transmit(now, out, n, p)
	out.pin(p.slab)
	out.resent = append(out.resent, n)
	b := p.slab.slot(int(p.slot))[:wire.HeaderLen+int(p.size)]
	out.Runs = append(out.Runs, wire.Run{B: b, Segment: len(b)})
	c.stats.PacketsRetransmitted++
	return true
}

// sendRun sends at most room new packets that lie in a row and returns how many.
func (c *Conn) sendRun(now time.Duration, out *Batch, room int) int {
	s := &c.send
	end := c.newEnd()
	p := s.buf.packet(s.buf.next)
	slab, first := p.slab, int(p.slot)
	n, last := 0, 0
	for {
		if s.buf.next == s.buf.end-1 {
			s.buf.close()
		}
		c.transmit(now, out, s.buf.next, p)
		s.buf.next++
		s.buf.unsent -= int(p.size)
		n++
		last = int(p.size)
		pair := (s.buf.next-1)%probeModulus == 0
		if n >= room && !pair || n == maxSegments || s.buf.next >= end || last < slab.stride-wire.HeaderLen {
			break
		}
		q := s.buf.packet(s.buf.next)
		if q.slab != slab || int(q.slot) != first+n || q.flags&packetDropped != 0 {
			break
		}
		p = q
	}
	out.fresh += n
	out.pin(slab)
	start := first * slab.stride
	out.Runs = append(out.Runs, wire.Run{
		B:       slab.mem[start : start+(n-1)*slab.stride+wire.HeaderLen+last],
		Segment: slab.stride,
	})
	return n
}

// skipDropped passes new packets whose message has expired: a drop request
// stands for them. It reports whether there were any.
func (c *Conn) skipDropped() bool {
	s := &c.send
	first, end := s.buf.next, c.newEnd()
	for s.buf.next < end && s.buf.packet(s.buf.next).flags&packetDropped != 0 {
		if s.buf.una == s.buf.next {
			s.outstandingSince, s.busySince = c.now, c.now
		}
		for last := max(c.requestDrop(s.buf.next), s.buf.next+1); s.buf.next < min(last, end); s.buf.next++ {
			s.buf.packet(s.buf.next).sentAt = c.now
		}
		s.lastSent = c.now
	}
	return s.buf.next > first
}

// Sent reports that the network took the first n datagrams of out. What it did
// not take is as if it had never been sent, and the controller hears nothing of
// it.
func (c *Conn) Sent(now time.Time, out *Batch, n int) {
	s := &c.send
	kept := min(max(n-out.controls, 0), out.packets)
	if missing := out.packets - kept; missing > 0 {
		s.stopped = StopSocket
		s.skips.used = max(s.skips.used, s.txNext)
		s.txNext -= int64(missing)
		s.pacer.next -= time.Duration(missing) * c.period()
		c.stats.PacketsSent -= uint64(missing)
		s.log.unsend(missing)
		resent := min(kept, len(out.resent))
		for _, p := range out.resent[resent:] {
			c.unsend(p)
			c.stats.PacketsRetransmitted--
			if p >= s.buf.una && p < s.buf.next {
				s.losses.add(p, p+1)
			}
		}
		fresh := out.fresh - (kept - resent)
		for fresh > 0 && s.buf.next > s.buf.una { // else it was acknowledged before it was sent: the peer lies
			s.buf.next--
			if p := s.buf.packet(s.buf.next); p.flags&packetDropped == 0 {
				fresh--
				c.unsend(s.buf.next)
				s.buf.unsent += int(p.size)
			}
		}
		s.losses.remove(s.buf.next, s.buf.end)
		s.extended.largest = min(s.extended.largest, s.txNext-1)
	}
	for _, t := range out.pinned {
		t.pins--
		s.buf.release(t)
	}
	out.reset()
}

func (c *Conn) unsend(n int64) {
	if n < c.send.buf.una || n >= c.send.buf.end {
		return
	}
	p := c.send.buf.packet(n)
	p.sends--
	p.tx = 0 // its number goes to another packet
	c.stats.BytesSent -= uint64(p.size)
	if !c.extended {
		c.send.legacy.untransmitted(p)
	}
}

// handleNak queues what the peer misses (SPEC.md#repair).
func (c *Conn) handleNak(now time.Duration, body []byte) {
	s := &c.send
	c.stats.NaksReceived++
	hold := min(max(c.rtt.min()*3/4, c.rtt.soonest(), time.Millisecond), 50*time.Millisecond)
	var lost lossReport
	sample := &c.ackSample
	*sample = cc.AckSample{}
	list := wire.ParseRanges(body)
	left := s.buf.next - s.buf.una // nobody misses more than is outstanding
	allowed := false
	for n := 0; left > 0 && n < maxNakWords; n++ {
		f, l, ok := list.Next()
		if !ok {
			break
		}
		first := wire.Unwrap(s.buf.una, f)
		end := wire.Unwrap(first, l) + 1
		if first >= end || first >= s.buf.next || end > s.buf.next {
			c.stats.Malformed++
			continue
		}
		first = max(first, s.buf.una)
		if first >= end {
			continue
		}
		if !allowed && !c.allow(now, budgetNak) {
			return
		}
		allowed = true
		left -= end - first
		s.lastAnswer = now
		if c.extended {
			if s.extended.reoWindow == 0 {
				for n := first; n < end; n++ {
					if p := s.buf.packet(n); p.sends <= 1 && now-p.sentAt >= hold {
						c.queueLoss(n, n+1)
					}
				}
			}
			continue // counted when the next ACK's counters show it
		}
		c.legacyNak(now, first, end, hold, &lost, sample)
	}
	if !c.extended {
		c.legacyEnd(now, &lost)
		if sample.Packets > 0 || sample.Interval > 0 {
			// A NAK tells what has arrived as well as an ACK does, and on a path
			// that loses packets there is a hole most of the time.
			sample.UpTo = s.buf.una
			c.fillState()
			c.controller.OnAck(c.start.Add(now), &c.cc, sample)
		}
	}
}

// queueLoss puts packets on the loss list.
func (c *Conn) queueLoss(first, end int64) {
	c.send.losses.add(first, end)
}

// lossReport gathers what one packet from the peer says of losses.
type lossReport struct {
	packets  int
	spurious int
	ranges   []cc.PacketRange
	first    *outPacket
}

func (r *lossReport) add(first, end int64) {
	if n := len(r.ranges); n > 0 && r.ranges[n-1].End == first {
		r.ranges[n-1].End = end
		return
	}
	r.ranges = append(r.ranges, cc.PacketRange{First: first, End: end})
}

// reportLoss tells the controller.
func (c *Conn) reportLoss(now time.Duration, r *lossReport, txInFlight int, lostSince int64) {
	if r.packets == 0 && r.spurious == 0 {
		return
	}
	c.stats.PacketsLostSend += uint64(r.packets)
	c.stats.LossesSpurious += uint64(r.spurious)
	c.fillState()
	c.controller.OnLoss(c.start.Add(now), &c.cc, &cc.LossSample{
		Packets: r.packets, Spurious: r.spurious, Ranges: r.ranges,
		TxInFlight: txInFlight, LostSince: int(lostSince), RTT: c.rtt.latest,
	})
}
