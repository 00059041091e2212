package udpio

import "net/netip"

// maxArrivals is how many datagrams one call receives at most: as many of Ethernet's
// size as a buffer of 64 KiB holds.
const maxArrivals = 44

// An arrival is a datagram that was received and not yet handed out: data, then rest.
type arrival struct {
	data, rest []byte
	from       netip.AddrPort
	local      netip.Addr
}

func (a *arrival) len() int { return len(a.data) + len(a.rest) }

// arrivals are the datagrams of one call, which may be from many peers and of any
// sizes, in order. They leave as runs.
type arrivals struct {
	list      [maxArrivals]arrival
	next, end int // list[next:end] are left
}

// add appends an arrival.
func (q *arrivals) add(a arrival) {
	q.list[q.end] = a
	q.end++
}

// empty reports whether nothing is left. It makes room for the next call's if so.
func (q *arrivals) empty() bool {
	if q.next < q.end {
		return false
	}
	q.next, q.end = 0, 0
	return true
}

// take copies the next run into b: datagrams of one size, of which the last may be
// shorter, from one peer to one local address. Those that are longer than b are lost,
// and counted. Without datagrams got.N is 0.
func (q *arrivals) take(b []byte) (got Received, lost int) {
	for ; q.next < q.end; q.next++ {
		a := &q.list[q.next]
		n := a.len()
		switch {
		case got.N > 0 && (n > got.Segment || got.N+n > len(b) || a.from != got.From || a.local != got.Local):
			return got, lost
		case n > len(b):
			lost++
			continue
		case got.N == 0:
			got = Received{Segment: n, From: a.from, Local: a.local}
		}
		got.N += copy(b[got.N:], a.data)
		got.N += copy(b[got.N:], a.rest)
		if n < got.Segment {
			q.next++
			break // only the last may be shorter
		}
	}
	return got, lost
}

const (
	// leastSlot holds a jumbo frame. It is no power of two, so that the beginnings
	// of slots, all that is used as a rule, spread over the processor's caches.
	leastSlot = 15 << 10
	// mostSlot holds the largest datagram.
	mostSlot = 64 << 10
	// slotPeriod is after how many calls slots that were not needed shrink.
	slotPeriod = 256
)

// slots is what a call receives datagrams into: each has a slot, and what is longer
// goes on in the spill, which all share.
type slots struct {
	memory [maxArrivals * leastSlot]byte
	spill  [mostSlot]byte
	size   int // of each slot, 0 before the first layout
}

// count returns how many slots there are.
func (s *slots) count() int { return len(s.memory) / s.size }

// slot returns slot i.
func (s *slots) slot(i int) []byte { return s.memory[i*s.size:][:s.size:s.size] }

// datagram returns the n bytes received in slot i, the second part from the spill.
func (s *slots) datagram(i, n int) (data, rest []byte) {
	return s.slot(i)[:min(n, s.size)], s.spill[:max(n-s.size, 0)]
}

// slotSize chooses the size of the slots by what has arrived: datagrams of a path are
// alike, and when several exceed their slots in one call all but the last are lost.
type slotSize struct {
	size    int // 0 for leastSlot
	largest int // datagram in this period
	calls   int // in this period
}

// now returns the size for the next call.
func (z *slotSize) now() int { return max(z.size, leastSlot) }

// note tells the length of the largest datagram of a call. Slots grow at once.
func (z *slotSize) note(largest int) {
	z.largest = max(z.largest, largest)
	if z.calls++; z.largest > z.now() || z.calls == slotPeriod {
		z.size = min((z.largest+leastSlot-1)/leastSlot*leastSlot, mostSlot)
		z.largest, z.calls = 0, 0
	}
}
