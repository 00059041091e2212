package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// The most bytes that control packets take.
const (
	maxControl = wire.HeaderLen + wire.HandshakeLen + maxNakRanges*wire.MaxRangeLen
	maxAck     = wire.HeaderLen + 48 + wire.MaxAckRanges*wire.MaxRangeLen
)

// Amount says how much is ready to be sent.
type Amount uint8

// The amounts of data.
const (
	NoData   Amount = iota
	FewData         // new packets, less than half a batch
	ManyData        // half a batch or more, or something to be sent again
)

// A Plan is what a Conn wants of its driver.
type Plan struct {
	At     time.Time // when Poll will have something if nothing arrives before; the zero Time means never
	Due    bool      // At has come
	Ready  Amount    // what the window lets be sent, pacing aside
	Idle   bool      // nothing is on its way
	Answer bool      // the peer has told of the end and waits for the answer
	Fine   bool      // it is pacing that waits, at a rate at which a coarse timer would make long bursts
}

// Poll appends to out, which must be empty, what may be sent at now. If that is
// nothing it returns when to call Poll again; otherwise the Plan is zero: out is to be
// sent first. With a nil out it sends nothing, ends nothing and only returns the Plan.
func (c *Conn) Poll(now time.Time, out *Batch) Plan {
	t := c.at(now)
	if out == nil {
		return c.plan(t)
	}
	switch c.phase {
	case phaseEnded:
		if c.closing.answer {
			out.end(c.appendShutdown(t, out.begin()))
		}
	case phaseConnecting:
		if h := &c.hs; h.deadline != 0 && t >= h.deadline {
			c.end(ErrHandshakeTimeout)
		} else if t >= h.due {
			out.end(c.appendRequest(t, out.begin()))
		}
	default:
		if !c.pollLife(t) {
			c.pollOpen(t, out)
		}
	}
	if out.Empty() {
		return c.plan(t)
	}
	c.life.sent = t
	return Plan{}
}

// pollOpen adds what an open connection has to say.
func (c *Conn) pollOpen(now time.Duration, out *Batch) {
	if c.hs.responseDue || c.hs.replyDue {
		out.end(c.appendResponse(now, out.begin()))
	}
	if c.holdData(now) {
		c.pollMeeting(now, out)
		return
	}
	c.pollClose(now)
	if c.phase <= phaseDraining && !c.closing.peer {
		c.pollControl(now, out)
		if !c.extended {
			c.legacyTimers(now)
		}
		c.pollData(now, out)
		if out.record.n > 0 {
			out.record.inFlight = c.inFlight()
			c.send.log.push(out.record)
			c.piggyback(now, out)
		}
		if out.Empty() {
			c.pollControl(now, out) // what looking for data has brought up
		}
	}
	c.pollShutdown(now, out)
}

// pollShutdown adds the Shutdown, or the answer to the peer's, that is due.
func (c *Conn) pollShutdown(now time.Duration, out *Batch) {
	k := &c.closing
	if (k.answer || c.phase == phaseShutdown && now >= k.due) && out.packets == 0 && out.room(wire.HeaderLen+wire.ShutdownLen) {
		out.end(c.appendShutdown(now, out.begin()))
	}
}

// pollControl adds the control packets that are due: ACK2, NAK, ACK and the
// rest, in this order.
func (c *Conn) pollControl(now time.Duration, out *Batch) {
	for len(c.ack2s) > 0 && out.room(wire.HeaderLen+wire.PadLen) {
		b := c.appendHeader(out.begin(), wire.TypeAck2, 0, c.ack2s[0])
		out.end(append(b, 0, 0, 0, 0))
		c.ack2s = c.ack2s[:copy(c.ack2s, c.ack2s[1:])]
		c.stats.Ack2sSent++
	}
	for out.room(maxControl) {
		due := c.nakDue(now)
		if due == 0 || now < due {
			break
		}
		head := c.appendHeader(out.begin(), wire.TypeNak, 0, 0)
		b := c.appendNak(now, head)
		if len(b) == len(head) {
			break
		}
		out.end(b)
		c.stats.NaksSent++
	}
	if due := c.ackTime(now); due != 0 && now >= due && out.room(maxAck) {
		out.end(c.appendAck(now, out.begin()))
	}
	for len(c.send.outgoing.requests) > 0 && out.room(maxControl) {
		out.end(c.appendDropRequest(out.begin()))
	}
	for len(c.user) > 0 && out.room(wire.HeaderLen+max(len(c.user[0].body), wire.PadLen)) {
		out.end(c.appendUserControl(out.begin()))
	}
	if c.wantAckRequest && out.room(maxControl) {
		c.wantAckRequest = false
		out.end(c.appendAckRequest(out.begin()))
	}
	if out.room(maxControl) {
		out.end(c.appendLifeSign(now, out.begin()))
	}
}

// plan says what is next.
func (c *Conn) plan(now time.Duration) Plan {
	due := c.nextTime(now)
	if due == 0 {
		return Plan{}
	}
	p := Plan{Due: due <= now, Answer: c.closing.answer}
	if p.Due {
		due = now
	}
	p.At = c.start.Add(due)
	if c.phase == phaseConnecting {
		return p
	}
	s := &c.send
	p.Idle = s.buf.una == s.buf.next
	p.Fine = s.stopped == StopPacing && c.period()*fastRate >= time.Duration(c.datagramSize())*time.Second
	switch ready := int(c.newEnd() - s.buf.next); {
	case ready >= c.batchPackets()/2 || !s.losses.empty():
		p.Ready = ManyData
	case ready > 0:
		p.Ready = FewData
	}
	return p
}

// never is later than any time a connection sees.
const never = time.Duration(1<<63 - 1)

// nextTime returns when Poll will have something if nothing arrives before, a time
// that is not later than now if it has something already; zero means never.
func (c *Conn) nextTime(now time.Duration) time.Duration {
	due := never
	consider := func(at time.Duration) {
		if at != 0 && at < due {
			due = max(at, 1)
		}
	}
	switch {
	case c.phase == phaseConnecting:
		consider(c.hs.due)
		consider(c.hs.deadline)
		return due
	case c.closing.answer:
		return now
	case c.phase == phaseEnded:
		return 0
	case c.hs.responseDue, c.hs.replyDue:
		return now
	case c.closing.peer:
		return 0
	}
	consider(c.deathTime())
	switch {
	case c.holdData(now):
		consider(c.hs.responseAt + legacyHold)
		consider(c.meetTime())
		return due
	case c.phase == phaseShutdown:
		consider(c.closing.due)
		return due
	case len(c.ack2s) > 0, len(c.user) > 0, len(c.send.outgoing.requests) > 0, c.wantAckRequest:
		return now
	}
	consider(c.sendTime())
	consider(c.ackTime(now))
	consider(c.nakDue(now))
	consider(c.closing.challengeEnd)
	consider(c.keepAliveTime())
	consider(c.testTime())
	consider(c.expireTime())
	if c.phase == phaseDraining {
		consider(c.closing.deadline)
		if c.drained() {
			consider(max(c.shutdownTime(), 1))
		}
	}
	consider(c.holeTime())
	consider(c.presumeTime())
	if due == never {
		return 0
	}
	return due
}

// sendTime returns when data may be sent, or a probe is due.
func (c *Conn) sendTime() time.Duration {
	if c.closing.peer {
		return 0
	}
	if c.blocked() {
		return c.probeTime()
	}
	period := c.period()
	if period <= 0 {
		return max(c.now, 1)
	}
	window := c.congestionWindow() - c.inFlight()
	return max(c.send.pacer.due(period, c.burstReady(c.burst(period), window)), 1)
}
