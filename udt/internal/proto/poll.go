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

// Poll appends to out, which must be empty, what may be sent at now and reports
// whether that is anything. With controlOnly set it adds no data packets.
func (c *Conn) Poll(now time.Time, out *Batch, controlOnly bool) bool {
	t := c.at(now)
	switch c.phase {
	case phaseEnded:
		if c.closing.answer {
			out.end(c.appendShutdown(t, out.begin()))
		}
		return !out.Empty()
	case phaseConnecting:
		if h := &c.hs; h.deadline != 0 && t >= h.deadline {
			c.end(ErrHandshakeTimeout)
		} else if t >= h.due {
			out.end(c.appendRequest(t, out.begin()))
		}
		return !out.Empty()
	}
	if c.pollLife(t) {
		return false
	}
	if c.hs.responseDue || c.hs.replyDue {
		out.end(c.appendResponse(t, out.begin()))
	}
	if !c.holdData(t) {
		c.pollClose(t)
		if c.phase <= phaseDraining && !c.closing.peer {
			c.pollControl(t, out)
			if !c.extended {
				c.legacyTimers(t)
			}
			if !controlOnly {
				c.pollData(t, out)
				if out.record.n > 0 {
					out.record.inFlight = c.inFlight()
					c.send.log.push(out.record)
					c.piggyback(t, out)
				}
			}
			if out.Empty() {
				c.pollControl(t, out) // what looking for data has brought up
			}
		}
		c.pollShutdown(t, out)
	} else {
		c.pollMeeting(t, out)
	}
	if !out.Empty() {
		c.life.sent = t
	}
	return !out.Empty()
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

// Due reports whether Poll would have something at now.
func (c *Conn) Due(now time.Time) bool {
	t := c.at(now)
	switch {
	case c.phase == phaseEnded:
		return c.closing.answer
	case c.phase == phaseConnecting:
	case c.hs.responseDue, c.hs.replyDue, c.closing.answer:
		return true
	case c.phase > phaseDraining, c.closing.peer, c.holdData(t):
	case len(c.ack2s) > 0, len(c.user) > 0, len(c.send.outgoing.requests) > 0, c.wantAckRequest,
		c.phase == phaseDraining && c.drained() && t >= c.shutdownTime():
		return true
	}
	next := c.nextTime()
	return next != 0 && next <= t
}

// Next returns when Poll will have something even if nothing arrives; the zero
// Time means never. It is meaningful once Poll has reported nothing.
func (c *Conn) Next() time.Time {
	due := c.nextTime()
	if due == 0 {
		return time.Time{}
	}
	return c.start.Add(due)
}

// never is later than any time a connection sees.
const never = time.Duration(1<<63 - 1)

func (c *Conn) nextTime() time.Duration {
	due := never
	consider := func(at time.Duration) {
		if at != 0 && at < due {
			due = max(at, 1)
		}
	}
	switch {
	case c.phase == phaseEnded:
		return 0
	case c.phase == phaseConnecting:
		consider(c.hs.due)
		consider(c.hs.deadline)
		return due
	case c.closing.peer:
		return 0
	}
	consider(c.deathTime())
	switch {
	case c.holdData(c.now):
		consider(c.hs.responseAt + legacyHold)
		consider(c.meetTime())
		return due
	case c.phase == phaseShutdown:
		consider(c.closing.due)
		return due
	}
	consider(c.nakDue(c.now))
	consider(c.ackTime(c.now))
	consider(c.keepAliveTime())
	consider(c.testTime())
	consider(c.expireTime())
	if c.phase == phaseDraining {
		consider(c.closing.deadline)
		if c.drained() {
			consider(c.shutdownTime())
		}
	}
	consider(c.sendTime())
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
