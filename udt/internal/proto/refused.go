package proto

import "time"

// refusedRetry is when a refused request is repeated: one ICMP message may have
// been caused by a packet of another program.
const refusedRetry = 20 * time.Millisecond

// HandleRefused takes the system's report that the peer's port is unreachable.
// A second one ends a handshake; an open connection never ends by ICMP, which
// anyone can send: it tests the peer.
func (c *Conn) HandleRefused(now time.Time) {
	t := c.at(now)
	switch {
	case c.phase == phaseConnecting && !c.rendezvous:
		if c.hs.refused {
			c.end(ErrRefused)
			return
		}
		c.hs.refused = true
		c.hs.due = t + refusedRetry
	case c.phase == phaseOpen && c.extended:
		c.wantAckRequest = true
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
		c.phase == phaseDraining && c.drained():
		return true
	}
	next := c.nextTime()
	return next != 0 && next <= t
}

// AckDue reports whether an acknowledgement waits to be sent, as after Consume
// has opened the window.
func (c *Conn) AckDue() bool { return c.recv.acks.now }
