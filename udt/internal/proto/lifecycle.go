package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Confirmed reports that the peer knows that the connection is over: its own
// Shutdown has arrived.
func (c *Conn) Confirmed() bool { return c.closing.confirmed }

// Heard reports that the peer has been heard since the connection is open: it is
// not merely somebody who has sent one valid conclusion.
func (c *Conn) Heard() bool { return c.heardData || !c.server }

// Shutdown returns what a Shutdown to the peer says.
func (c *Conn) Shutdown() wire.Shutdown {
	final := c.send.buf.next
	if c.closing.saidKnown {
		final = c.closing.said
	}
	return wire.Shutdown{Reason: c.closing.reason, Final: wire.Number(final)}
}

// GraveTime is for how long a peer that missed the end may still speak before it
// has noticed: a few of its probes.
func (c *Conn) GraveTime() time.Duration {
	return max(3*(c.rtt.rtt()+4*c.rtt.rttvar()), time.Second)
}

// Undelivered reports that something committed was discarded, by Abort, at the
// end of lingering or because the peer closed first.
func (c *Conn) Undelivered() bool { return c.closing.undelivered }

// Fail ends the connection without a word to the peer.
func (c *Conn) Fail(err error) { c.end(err) }

// Free gives all memory back. The application no longer uses the connection,
// and nobody holds any of its buffers.
func (c *Conn) Free() {
	c.end(ErrClosed)
	c.recv.messages = inMessages{scan: c.recv.buf.high}
	c.recv.buf.clear()
	c.recv.account(c.cfg.Pressure)
	c.recv.holes.clear()
	c.send.log = txLog{}
}

// TakeMessage takes the next message out of the buffer and appends its payload to
// parts, packet by packet, whose owners, where not nil, are the caller's to release.
// Call Taken after the last one.
func (c *Conn) TakeMessage(parts []Packet) []Packet {
	r := &c.recv
	m := r.messages.front()
	for n := m.first; n < m.end; n++ {
		s := r.buf.slot(n)
		parts = append(parts, Packet{B: s.payload, Owner: s.owner})
		r.buf.bytes -= len(s.payload)
		*s = inPacket{state: slotConsumed}
	}
	r.messages.pop()
	return parts
}

// Taken notes that messages were taken by TakeMessage, and reports whether the
// peer should hear of it.
func (c *Conn) Taken(now time.Time) (ackDue bool) {
	if c.recv.discarding {
		return false
	}
	c.advanceHead()
	return c.consumed(c.at(now))
}

// Unanswered reports that the peer has not answered a probe.
func (c *Conn) Unanswered() bool { return c.send.probe.count > 0 }
