package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// When a gap is reported (SPEC.md#loss-reports).
const (
	nakThreshold   = 3 // later packets
	nakMinDelay    = time.Millisecond
	nakMinRepeat   = 40 * time.Millisecond
	nakMaxRepeat   = 300 * time.Millisecond
	maxNakRanges   = 32
	maxNakWords    = 364 // that are looked at: a packet of 1500 bytes holds no more
	maxFreshGaps   = 256 // beyond it the oldest are reported at once
	legacyQuietGap = 500 * time.Millisecond
)

// freshGap is a gap that has not been reported yet.
type freshGap struct {
	span
	seen time.Duration
}

// nakState decides when missing packets are reported.
type nakState struct {
	fresh     []freshGap
	reordered bool   // a gap has filled itself before it was reported
	deep      bool   // and one after it was: counting packets says nothing
	latest    uint32 // word 2 of the packet sent last, of those that came

	repeatAt time.Duration // zero: nothing to repeat
	repeat   time.Duration // present interval
	cursor   int64         // where the next extended ACK's list goes on
}

func (s *nakState) opened(now time.Duration, gap span) {
	s.fresh = append(s.fresh, freshGap{gap, now})
}

// filled notes that n arrived and reports whether it had not been asked for.
func (s *nakState) filled(n int64) bool {
	for i := range s.fresh {
		g := &s.fresh[i]
		if n < g.first || n >= g.end {
			continue
		}
		s.reordered = true
		switch {
		case g.first == g.end-1:
			s.fresh = append(s.fresh[:i], s.fresh[i+1:]...)
		case n == g.first:
			g.first++
		case n == g.end-1:
			g.end--
		default:
			rest := freshGap{span{n + 1, g.end}, g.seen}
			g.end = n
			s.fresh = append(s.fresh, rest)
		}
		return true
	}
	return false
}

// forget drops the numbers from first up to but not including end: the sender
// has given them up.
func (s *nakState) forget(first, end int64) {
	keep := s.fresh[:0]
	for _, g := range s.fresh {
		switch {
		case g.end <= first || g.first >= end:
		case g.first < first:
			g.end = first // what lies behind end, if anything, is in the next ACK or NAK
		default:
			g.first = max(g.first, end)
		}
		if g.first < g.end {
			keep = append(keep, g)
		}
	}
	s.fresh = keep
}

// ripe reports whether g has lasted so long that it is to be reported: so many
// later packets, or delay.
func (c *Conn) ripe(now time.Duration, g *freshGap, delay time.Duration) bool {
	s := &c.recv.naks
	return now-g.seen >= delay || len(s.fresh) > maxFreshGaps || !s.deep && c.recv.buf.high-g.end >= nakThreshold
}

func (c *Conn) nakDelay() time.Duration {
	if !c.extended && !c.recv.naks.reordered {
		return 0
	}
	return max(c.rtt.rtt()/8, nakMinDelay)
}

// nakDue returns when a NAK must be sent; zero means never.
func (c *Conn) nakDue(now time.Duration) time.Duration {
	s := &c.recv.naks
	due := s.repeatAt
	delay := c.nakDelay()
	for i := range s.fresh {
		at := s.fresh[i].seen + delay
		if c.ripe(now, &s.fresh[i], delay) {
			at = now
		}
		if due == 0 || at < due {
			due = at
		}
		if at <= now {
			break
		}
	}
	return due
}

// appendNak appends the ranges to report now, at most maxNakRanges.
func (c *Conn) appendNak(now time.Duration, b []byte) []byte {
	r := &c.recv
	s := &r.naks
	ranges := 0
	limit := min(maxNakRanges, c.payload/wire.MaxRangeLen)
	delay := c.nakDelay()
	keep := s.fresh[:0]
	var pending span
	flush := func() {
		if pending.first < pending.end {
			b = wire.AppendRange(b, pending.first, pending.end-1)
			ranges++
		}
		pending = span{}
	}
	for _, g := range s.fresh {
		if !c.ripe(now, &g, delay) || ranges >= limit-1 && pending.end != g.first {
			keep = append(keep, g)
			continue
		}
		if pending.end == g.first && pending.first < pending.end {
			pending.end = g.end
			continue
		}
		flush()
		pending = g.span
	}
	flush()
	s.fresh = keep
	if c.extended || r.holes.empty() {
		s.repeatAt = 0
		return b
	}
	base := max(c.rtt.rtt()+4*c.rtt.rttvar()+c.holeBudget(), nakMinRepeat)
	switch {
	case ranges > 0 || s.repeatAt == 0:
		// New losses were reported: the repetition starts over only if none is due.
		if s.repeatAt == 0 || s.repeatAt > now+base {
			s.repeat = base
			s.repeatAt = now + s.repeat
		}
	case now >= s.repeatAt:
		for _, h := range r.holes.list() {
			if ranges == limit {
				break
			}
			b = wire.AppendRange(b, h.first, h.end-1)
			ranges++
		}
		c.stats.NaksRepeated++
		s.repeat = min(max(2*s.repeat, base), max(nakMaxRepeat, base))
		if now-r.lastData > legacyQuietGap {
			s.repeat = max(s.repeat, legacyQuietGap)
		}
		s.repeatAt = now + s.repeat
	}
	return b
}

// holeBudget is how long the repair of all open holes takes at the pace of the
// packets that arrive.
func (c *Conn) holeBudget() time.Duration {
	rate, _ := c.recv.rate.estimates(c.now)
	if rate == 0 {
		return 0
	}
	return min(time.Duration(c.recv.holes.count)*time.Second/time.Duration(rate), time.Second)
}

// appendMissing appends missing ranges for an extended ACK: the first hole
// always, then on from where the previous list stopped, so that a few ACKs
// cover any number of holes (SPEC.md#loss-reports).
func (c *Conn) appendMissing(b []byte, limit int) []byte {
	r := &c.recv
	holes := r.holes.list()
	if len(holes) == 0 {
		r.naks.cursor = 0
		return b
	}
	b = wire.AppendRange(b, holes[0].first, holes[0].end-1)
	i := max(r.holes.search(r.naks.cursor)-r.holes.head, 1)
	n := 1
	for ; i < len(holes) && n < limit; i++ {
		b = wire.AppendRange(b, holes[i].first, holes[i].end-1)
		n++
	}
	r.naks.cursor = 0
	if i < len(holes) {
		r.naks.cursor = holes[i].first
	}
	return b
}
