package udt

import "time"

// shareInterval is how often it is counted who receives.
const shareInterval = 50 * time.Millisecond

// A socketShare divides the socket's receive buffer among the connections that
// receive data through it, so that together they do not promise more than it
// holds. It belongs to the reader of the socket.
type socketShare struct {
	buffer int // bytes; zero unknown
	start  time.Time
	round  uint32 // counts intervals, from 1
	active int    // connections that received in this one
	before int    // and in the one before
}

// note counts c as a receiver and returns its share in bytes, zero if unknown.
func (s *socketShare) note(now time.Time, c *Conn) int {
	if now.Sub(s.start) >= shareInterval {
		s.start, s.before, s.active = now, s.active, 0
		s.round++
	}
	if c.shareRound != s.round {
		c.shareRound = s.round
		s.active++
	}
	return s.buffer / max(s.active, s.before, 1)
}
