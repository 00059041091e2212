package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// An Opening is what the exchange that opens a protected connection has agreed on.
type Opening struct {
	Server bool
	Number uint32         // our initial sequence number
	Peer   wire.Handshake // what the peer said
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
	c.cfg.ChallengeShutdown = false // nobody can forge one
	c.recv.window.limit = cfg.FlowWindow
	if o.RTT > 0 {
		c.rtt.sample(c.now, min(o.RTT, maxHandshakeRTT))
	}
	c.phase = phaseOpen
	c.open(c.now, &o.Peer)
	return c
}

// protectedTransmission returns the low bits of the transmission number whose
// lowest are in the header of a protected packet.
func (c *Conn) protectedTransmission(message uint32) uint32 {
	return uint32(wire.UnwrapMessage(c.recv.arrivals.largest, message))
}

// SetMaxInFlight bounds the packets on their way, whatever the controller says. Two
// and probes are always allowed.
func (c *Conn) SetMaxInFlight(n int) { c.maxInFlight = n }

// AnswerChallenge answers a challenge of our path, if they are not too many.
func (c *Conn) AnswerChallenge(now time.Time, body []byte) {
	if c.allow(c.at(now), budgetPath) {
		c.queueControl(wire.ExtPathResponse, 0, body)
	}
}

// PathChanged makes the sender find out soon what of the packets on their way was
// lost because the peer has moved.
func (c *Conn) PathChanged() { c.wantAckRequest = true }

// Told returns what the peer has told of what it received: the low bits of the
// largest transmission number, as a protected packet carries it, and the number of
// the last ACK that it has confirmed.
func (c *Conn) Told() (transmission, ack uint32) {
	return uint32(c.send.extended.largest) & wire.MessageMask, c.recv.acks.answered
}

// Transmission returns what a protected data packet, not sealed yet, carries of its
// transmission number.
func Transmission(p []byte) uint32 { return wire.ParseData(p).Message }
