package simnet

import (
	"math/rand/v2"
	"time"
)

// A Shaper computes what one direction of a link does to datagrams. It keeps
// no datagrams and reads no clock: it maps the time at which a datagram is
// offered, and its size, to the times at which copies of it arrive.
//
// Times are durations since any fixed moment of the caller's choice. A Shaper
// is not safe for concurrent use.
type Shaper struct {
	link Link
	rng  *rand.Rand

	bad       bool          // the state of the burst loss
	free      time.Duration // when the last bit of the last datagram is sent
	remainder int64         // of the last division by the rate: serialisation times do not drift
	last      time.Duration // arrival of the last datagram that keeps order

	queue departures
	stats Stats
}

// A Fate is what a [Shaper] decided about one datagram.
type Fate struct {
	Verdict Verdict // Pass, or why it was dropped
	N       int     // number of copies that arrive: 0, 1 or 2
	Copies  [2]Copy // the first N are valid
}

// A Copy is one arrival of a datagram.
type Copy struct {
	At   time.Duration // when it arrives
	Flip int           // the bit of the payload to flip, or -1
}

// apply flips the bit that the copy is to have flipped in b, which must be a
// copy of the payload that was offered.
func (c Copy) apply(b []byte) {
	if c.Flip >= 0 {
		b[c.Flip/8] ^= 1 << (c.Flip % 8)
	}
}

// AppendTo appends the payload b, as this copy of it arrives, to dst.
func (c Copy) AppendTo(dst, b []byte) []byte {
	n := len(dst)
	dst = append(dst, b...)
	c.apply(dst[n:])
	return dst
}

// NewShaper returns a Shaper for l. Equal seed and stream give equal random
// numbers; directions that should not depend on each other have different
// streams.
func NewShaper(l Link, seed, stream uint64) *Shaper {
	return &Shaper{link: l.clamped(), rng: rand.New(rand.NewPCG(seed, stream))}
}

// SetLink changes the link for datagrams that are offered from now on.
// Those already in the queue keep their times and their order.
func (s *Shaper) SetLink(l Link) {
	s.link = l.clamped()
}

// Offer sends a datagram with the given payload size in bytes at the time now,
// which must not be before that of an earlier call.
func (s *Shaper) Offer(now time.Duration, size int) Fate {
	s.stats.Sent++
	s.stats.SentBytes += uint64(size)
	waiting := s.queue.advance(now)
	if v := s.drop(size, waiting); v != Pass {
		s.stats.count(v)
		return Fate{Verdict: v}
	}
	sent := s.transmit(now, size)
	f := Fate{N: 1}
	f.Copies[0] = s.propagate(sent, size)
	if s.chance(s.link.Duplicate) {
		s.stats.Duplicated++
		f.N = 2
		f.Copies[1] = s.propagate(sent, size)
	}
	return f
}

// Arrived counts a copy with the given payload size in bytes that reached the
// end of the link, where v became of it: [Pass] if it was delivered.
func (s *Shaper) Arrived(size int, v Verdict) {
	if v != Pass {
		s.stats.count(v)
		return
	}
	s.stats.Delivered++
	s.stats.DeliveredBytes += uint64(size)
}

// Stats returns the counts so far. The time now is as for [Shaper.Offer].
func (s *Shaper) Stats(now time.Duration) Stats {
	waiting := s.queue.advance(now)
	st := s.stats
	st.Queue = waiting
	st.MaxQueue = s.queue.most
	st.MeanQueue = s.queue.mean()
	return st
}

// drop says whether a datagram is dropped in front of the queue, and why.
func (s *Shaper) drop(size, waiting int) Verdict {
	l := &s.link
	switch {
	case l.Down:
		return DropDown
	case size+Overhead > l.MTU:
		return DropMTU
	case s.inBurst():
		return DropBurst
	case s.chance(l.Loss):
		return DropLoss
	case l.Queue > 0 && waiting >= l.Queue:
		return DropQueue
	}
	return Pass
}

// inBurst moves the burst loss on by one datagram and reports whether that
// datagram is lost.
func (s *Shaper) inBurst() bool {
	b := s.link.Burst
	switch {
	case b.Enter == 0:
		s.bad = false
	case s.bad:
		s.bad = !s.chance(b.Leave)
	default:
		s.bad = s.chance(b.Enter)
	}
	return s.bad
}

// transmit puts a datagram behind those that wait and returns when its last
// bit is sent.
func (s *Shaper) transmit(now time.Duration, size int) time.Duration {
	if s.free <= now {
		s.free, s.remainder = now, 0
	}
	// At most 65535*8*1e9 < 2^50 plus a remainder less than the rate, so there
	// is no overflow below 2^62 bits per second.
	work := int64(size+Overhead)*8*int64(time.Second) + s.remainder
	s.remainder = 0
	for {
		rate, until := s.link.at(s.free)
		if rate == 0 {
			break
		}
		if end := s.free + time.Duration(work/rate); end <= until {
			s.free, s.remainder = end, work%rate
			break
		}
		work -= rate * int64(until-s.free)
		s.free = until
	}
	if s.free > now {
		s.queue.push(s.free)
	}
	return s.free
}

// propagate returns the arrival of one copy of a datagram that was sent
// completely at the given time.
func (s *Shaper) propagate(sent time.Duration, size int) Copy {
	at := sent + s.link.Delay
	if s.link.Jitter > 0 {
		at += time.Duration(s.rng.Int64N(int64(s.link.Jitter) + 1))
	}
	// A link never turns the order of datagrams round by itself, not even
	// when its delay is changed to a smaller one.
	at = max(at, s.last)
	if s.chance(s.link.Reorder) {
		s.stats.Reordered++
		at += s.link.ReorderDelay
	} else {
		s.last = at
	}
	if s.link.Coalesce > 0 {
		at += s.link.Coalesce - 1
		at -= at % s.link.Coalesce
	}
	c := Copy{At: at, Flip: -1}
	if size > 0 && s.chance(s.link.Corrupt) {
		s.stats.Corrupted++
		c.Flip = s.rng.IntN(size * 8)
	}
	return c
}

// chance reports whether an event of probability p happens. It takes no random
// number for what is impossible or certain.
func (s *Shaper) chance(p float64) bool {
	return p > 0 && (p >= 1 || s.rng.Float64() < p)
}
