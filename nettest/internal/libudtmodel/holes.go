package libudtmodel

import "slices"

// holes are ranges of missing packets in order.
type holes []hole

// hole is the packets from first up to but not including end.
type hole struct{ first, end int64 }

// add appends a range behind all others.
func (h *holes) add(first, end int64) { *h = append(*h, hole{first, end}) }

// remove takes out one packet, if it is in.
func (h *holes) remove(n int64) {
	i, _ := slices.BinarySearchFunc(*h, n, func(e hole, n int64) int {
		if e.end <= n {
			return -1
		}
		return 1
	})
	if i == len(*h) || (*h)[i].first > n {
		return
	}
	e := &(*h)[i]
	switch {
	case e.first == n && e.end == n+1:
		*h = slices.Delete(*h, i, i+1)
	case e.first == n:
		e.first++
	case e.end == n+1:
		e.end--
	default:
		rest := hole{n + 1, e.end}
		e.end = n
		*h = slices.Insert(*h, i+1, rest)
	}
}
