package secure

import "slices"

const (
	maxAhead = 16 << 10 // bytes kept before those in front of them arrive
	maxClear = 16 << 10 // of a level that anyone can write to
	maxSpans = 32

	usualMessage = 2 << 10 // bytes: room for more only once more has come
)

// A stream puts the bytes of one level into order.
type stream struct {
	next  int // all before has been taken
	limit int // where the level ends at the latest
	ahead []byte
	spans []span // in order, apart; offsets into the level

	held []byte // the beginning of a message, in order
	torn bool   // the beginning of one was not held
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

// messages holds back what add has returned until there is a whole message for TLS,
// which has a goroutine to wake for each piece that it is given. The result aliases
// data or the stream.
func (s *stream) messages(data []byte) []byte {
	if s.torn || len(data) == 0 {
		return data
	}
	if len(s.held) > 0 {
		s.held = append(s.held, data...)
		data = s.held
	}
	n := messageLen(data)
	if n > len(data) && n <= s.limit {
		if s.held == nil {
			s.held = append(make([]byte, 0, min(n, usualMessage)), data...)
		}
		return nil
	}
	s.held = nil
	rest := data
	for n <= len(rest) {
		rest = rest[n:]
		n = messageLen(rest)
	}
	s.torn = len(rest) > 0
	return data
}

// messageLen returns the length of the TLS message that b begins with, as far as b
// tells it.
func messageLen(b []byte) int {
	if len(b) < 4 {
		return 4
	}
	return 4 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
}
