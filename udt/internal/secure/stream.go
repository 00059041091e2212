package secure

import "slices"

const (
	maxAhead = 16 << 10 // bytes kept before those in front of them arrive
	maxClear = 16 << 10 // of a level that anyone can write to
	maxSpans = 32
)

// A stream puts the bytes of one level into order.
type stream struct {
	next  int // all before has been taken
	limit int // where the level ends at the latest
	ahead []byte
	spans []span // in order, apart; offsets into the level
}

type span struct{ from, to int }

// add takes bytes from offset on and returns those that are next. The result
// aliases data or the stream and is valid until the next call. A stream that would
// have to keep too much keeps nothing.
func (s *stream) add(offset int, data []byte) []byte {
	end := offset + len(data)
	if end <= s.next || end > s.next+maxAhead || end > s.limit {
		return nil
	}
	if offset < s.next {
		data = data[s.next-offset:]
		offset = s.next
	}
	if offset == s.next && len(s.spans) == 0 {
		s.next = end
		return data
	}
	if len(s.spans) == maxSpans {
		return nil
	}
	if n := end - s.next; n > len(s.ahead) {
		s.ahead = append(s.ahead, make([]byte, n-len(s.ahead))...)
	}
	copy(s.ahead[offset-s.next:], data)
	s.insert(span{offset, end})
	if s.spans[0].from != s.next {
		return nil
	}
	n := s.spans[0].to - s.next
	out := s.ahead[:n:n]
	s.ahead = s.ahead[n:]
	s.next = s.spans[0].to
	s.spans = s.spans[1:]
	if len(s.spans) == 0 {
		s.ahead, s.spans = nil, nil
	}
	return out
}

// insert adds n and joins it with what it touches.
func (s *stream) insert(n span) {
	i := 0
	for i < len(s.spans) && s.spans[i].to < n.from {
		i++
	}
	j := i
	for ; j < len(s.spans) && s.spans[j].from <= n.to; j++ {
		n.from, n.to = min(n.from, s.spans[j].from), max(n.to, s.spans[j].to)
	}
	s.spans = slices.Replace(s.spans, i, j, n)
}
