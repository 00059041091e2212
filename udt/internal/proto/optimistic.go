package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A receiver gains speed by acknowledging what it has not received yet (Savage et
// al., 1999). Among extended peers the counters show it: they name transmissions,
// and among those the sender leaves out numbers at random. Nobody can have received
// a number that was never used, so a count that includes one is a lie. Unlike
// withholding packets it costs an honest receiver nothing.
const (
	skipEvery   = 256 // transmissions per number left out, on average
	maxProofs   = 3   // counts that include a number left out
	maxStrikes  = 8   // impossible ACKs in a row,
	strikesTime = 100 * time.Millisecond
)

// skips are the transmission numbers that were left out.
type skips struct {
	next    int64   // the transmission number from which on the next one is left out
	used    int64   // all numbers before it may have been used already
	ahead   []int64 // those left out beyond the largest transmission known to have arrived
	before  int64   // how many before that
	proofs  int
	strikes int
	struck  time.Duration // first of these
}

// skipNumber leaves out the next transmission number if it is time. It is called
// between batches only, so that the numbers of one are in a row.
func (c *Conn) skipNumber() {
	s, k := &c.send, &c.send.skips
	if s.txNext < k.next || s.txNext < k.used {
		return // or the network gave the number back, maybe after using it
	}
	if k.next != 0 {
		k.ahead = append(k.ahead, s.txNext)
		s.txNext++
	}
	k.next = s.txNext + skipEvery/2 + int64(c.rand.Uint32()%skipEvery)
}

// made returns how many transmissions up to number tx there were, for tx at or
// after the largest that is known to have arrived.
func (k *skips) made(tx int64) int64 {
	n := tx - k.before
	for _, skipped := range k.ahead {
		if skipped > tx {
			break
		}
		n--
	}
	return n
}

// passed forgets the numbers before tx, which has arrived.
func (k *skips) passed(tx int64) {
	n := 0
	for n < len(k.ahead) && k.ahead[n] < tx {
		n++
	}
	if n > 0 {
		k.before += int64(n)
		k.ahead = k.ahead[:copy(k.ahead, k.ahead[n:])]
	}
}

// plausible reports whether the counters of an extended ACK, which acknowledges all
// before next, can be true, and ends the connection if they prove that the peer
// lies. Those of an ACK that was overtaken need not be judged if it is for nothing
// new.
func (c *Conn) plausible(now time.Duration, next int64, a *wire.Ack) bool {
	s, k := &c.send, &c.send.skips
	largest := wire.Unwrap32(s.extended.largest, a.LargestTx)
	received := wire.Unwrap32(s.extended.received, a.Received)
	old := largest < s.extended.largest || received < s.extended.received
	proof := false
	switch {
	case received > largest || received < 0 || largest >= s.txNext || next > s.buf.next:
	case old && next <= s.buf.una:
		return true
	case old:
	case received > k.made(largest):
		proof = true
	case next > s.buf.una && s.unsentBefore(next-1, largest):
	default:
		k.strikes = 0
		return true
	}
	c.stats.Malformed++
	c.stats.Optimistic++
	if proof {
		k.proofs++
	}
	if s.buf.una < s.buf.next && next <= s.buf.next+int64(c.peerWindow) {
		// An honest peer's ACKs come all the time meanwhile: whoever guesses does
		// not get that many in a row.
		if k.strikes == 0 {
			k.struck = now
		}
		k.strikes++
	}
	if k.proofs >= maxProofs || k.strikes >= maxStrikes && now-k.struck >= strikesTime {
		c.err = ErrOptimisticACK
		c.abort(now, wire.ReasonProtocol)
	}
	return false
}

// unsentBefore reports whether packet n was sent for the first time after
// transmission tx.
func (s *sender) unsentBefore(n, tx int64) bool {
	p := s.buf.packet(n)
	return p.sends == 1 && p.flags&packetDropped == 0 && p.tx > tx
}
