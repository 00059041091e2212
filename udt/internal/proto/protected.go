package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// doneInterval bounds how often a server repeats that it has opened.
const doneInterval = 50 * time.Millisecond

// An Opening is what the exchange that opens a protected connection has agreed on.
type Opening struct {
	Server bool
	Number uint32         // initial sequence number of both directions
	Peer   wire.Handshake // what the peer asked for
	RTT    time.Duration  // of the exchange, zero if unknown
}

// NewProtected returns one side of a connection that an exchange has opened, and
// whose packets are sealed on their way. The peer speaks our extensions.
//
// The third word of the header is then the packet number of the protection, so
// data packets carry their transmission number in place of that of the message,
// which no receiver of ours looks at.
func NewProtected(now time.Time, cfg *Config, o *Opening) *Conn {
	c := newConn(now, cfg)
	c.server, c.protected, c.extended = o.Server, true, true
	c.first = int64(o.Number & wire.NumberMask)
	c.recv.window.limit = cfg.FlowWindow
	if o.RTT > 0 {
		c.rtt.sample(c.now, min(o.RTT, maxHandshakeRTT))
	}
	c.phase = phaseOpen
	peer := o.Peer
	peer.Number = o.Number
	c.open(c.now, &peer)
	c.hs.doneDue = o.Server
	c.hs.done = o.Server
	return c
}

// protectedTransmission returns the low bits of the transmission number whose
// lowest are in the header of a protected packet.
func (c *Conn) protectedTransmission(message uint32) uint32 {
	return uint32(wire.UnwrapMessage(c.recv.arrivals.largest, message))
}

// RepeatHandshakeDone tells the client, which repeats its last flight, again that
// the server has opened.
func (c *Conn) RepeatHandshakeDone(now time.Time) {
	if t := c.at(now); c.server && c.phase <= phaseDraining && t >= c.hs.doneAgain {
		c.hs.doneDue = true
	}
}

// HandshakeDone reports whether both sides know that the connection is open.
func (c *Conn) HandshakeDone() bool { return c.hs.done }

func (c *Conn) appendHandshakeDone(b []byte) []byte {
	c.hs.doneDue = false
	c.hs.doneAgain = c.now + doneInterval
	b = c.appendHeader(b, wire.TypeUser, wire.ExtHandshakeDone, 0)
	return append(b, 0, 0, 0, 0)
}

// handleOwnControl takes a user-defined packet of the range that is ours.
func (c *Conn) handleOwnControl(head wire.Control, _ []byte) {
	if head.Ext == wire.ExtHandshakeDone && !c.server {
		c.hs.done = true
	}
}
