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
