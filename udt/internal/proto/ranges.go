package proto

// span is the packet numbers from first up to but not including end.
type span struct{ first, end int64 }

// ranges is an ordered set of packet numbers, kept as disjoint spans that do
// not touch. Its zero value is empty. Both loss lists are ranges.
type ranges struct {
	spans []span
	head  int   // spans before it are removed
	count int64 // numbers in the set
}

func (r *ranges) list() []span { return r.spans[r.head:] }

// search returns the index of the first span that ends after n.
func (r *ranges) search(n int64) int {
	lo, hi := r.head, len(r.spans)
	// Most look-ups concern the first span or what follows the last one.
	if lo == hi || r.spans[hi-1].end <= n {
		return hi
	}
	if r.spans[lo].end > n {
		return lo
	}
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if r.spans[mid].end > n {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

func (r *ranges) empty() bool { return r.head == len(r.spans) }

func (r *ranges) contains(n int64) bool {
	i := r.search(n)
	return i < len(r.spans) && r.spans[i].first <= n
}

// min returns the lowest number; the set must not be empty.
func (r *ranges) min() int64 { return r.spans[r.head].first }

// add inserts the numbers from first up to but not including end.
func (r *ranges) add(first, end int64) {
	if first >= end {
		return
	}
	i := r.search(first - 1) // a span that ends at first is extended
	if i == len(r.spans) {
		if i == r.head {
			r.spans, r.head, i = r.spans[:0], 0, 0
		}
		r.spans = append(r.spans, span{first, end})
		r.count += end - first
		return
	}
	j := i
	merged := span{first, end}
	for j < len(r.spans) && r.spans[j].first <= end {
		merged.first = min(merged.first, r.spans[j].first)
		merged.end = max(merged.end, r.spans[j].end)
		r.count -= r.spans[j].end - r.spans[j].first
		j++
	}
	r.count += merged.end - merged.first
	r.replace(i, j, merged)
}

// remove takes the numbers from first up to but not including end out.
func (r *ranges) remove(first, end int64) {
	if first >= end {
		return
	}
	i := r.search(first)
	j := i
	var left, right span
	for j < len(r.spans) && r.spans[j].first < end {
		s := r.spans[j]
		if s.first < first {
			left = span{s.first, first}
		}
		if s.end > end {
			right = span{end, s.end}
		}
		r.count -= min(s.end, end) - max(s.first, first)
		j++
	}
	if i == j {
		return
	}
	var keep [2]span
	n := 0
	if left.first < left.end {
		keep[n] = left
		n++
	}
	if right.first < right.end {
		keep[n] = right
		n++
	}
	r.replace(i, j, keep[:n]...)
}

func (r *ranges) removeBefore(n int64) {
	if !r.empty() && r.min() < n {
		r.remove(r.min(), n)
	}
}

func (r *ranges) clear() { *r = ranges{} }

// replace puts with in the place of the spans i to j.
func (r *ranges) replace(i, j int, with ...span) {
	switch grow := len(with) - (j - i); {
	case grow < 0 && i == r.head:
		r.head -= grow // keep the tail where it is
		i = r.head
	case grow < 0:
		copy(r.spans[j+grow:], r.spans[j:])
		r.spans = r.spans[:len(r.spans)+grow]
	case grow > 0:
		if r.head >= 16 && r.head*2 > len(r.spans) {
			n := copy(r.spans, r.spans[r.head:])
			r.spans, i, j, r.head = r.spans[:n], i-r.head, j-r.head, 0
		}
		r.spans = append(r.spans, make([]span, grow)...)
		copy(r.spans[j+grow:], r.spans[j:])
	}
	copy(r.spans[i:], with)
	if r.head == len(r.spans) {
		r.spans, r.head = r.spans[:0], 0
	}
}
