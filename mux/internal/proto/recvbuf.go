package proto

import "sync"

// chunkSize is the unit in which received bytes are held.
const chunkSize = 8 << 10

type chunk [chunkSize]byte

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// span is the bytes from first to end of a stream, end excluded.
type span struct{ first, end int64 }

// recvBuffer puts the bytes of a stream in order. It holds chunks for the bytes
// from start on, and knows which of them have arrived: all before ready, and those
// in islands. Chunks exist only where something arrived.
type recvBuffer struct {
	start   int64 // next byte that the application reads
	ready   int64 // end of what it can read
	islands []span
	held    []*chunk
	origin  int64 // offset of held[0]

	lent   []byte // by a reader, to be filled with the next bytes in order
	filled int    // of them
}

// insert puts p at offset off. Where bytes have arrived before, they must be the
// same, and which are kept is undefined.
func (r *recvBuffer) insert(off int64, p []byte) {
	if skip := r.ready - off; skip > 0 {
		if skip >= int64(len(p)) {
			return
		}
		off, p = r.ready, p[skip:]
	}
	if off == r.start && len(r.islands) == 0 { // and nothing is held
		n := copy(r.lent[r.filled:], p)
		r.filled += n
		off, p = off+int64(n), p[n:]
		r.start, r.ready = off, off
	}
	if len(p) == 0 {
		return
	}
	r.write(off, p)
	end := off + int64(len(p))
	if off == r.ready && len(r.islands) == 0 {
		r.ready = end
		return
	}
	r.note(span{off, end})
	if r.islands[0].first <= r.ready {
		r.ready = r.islands[0].end
		r.islands = append(r.islands[:0], r.islands[1:]...)
	}
	if len(r.islands) == 0 {
		r.islands = nil
	}
}

// fragments returns how many islands there are beyond what any stream may have: 64,
// and as many as have a decent size on average.
func (r *recvBuffer) fragments() int {
	n := len(r.islands)
	if n <= 64 {
		return 0
	}
	return max(0, n-64-int((r.islands[n-1].end-r.start)/256))
}

// note adds s to the islands, which stay sorted and apart.
func (r *recvBuffer) note(s span) {
	i, above := 0, len(r.islands)
	for i < above {
		if m := (i + above) / 2; r.islands[m].end < s.first {
			i = m + 1
		} else {
			above = m
		}
	}
	j := i
	for j < len(r.islands) && r.islands[j].first <= s.end {
		s.first = min(s.first, r.islands[j].first)
		s.end = max(s.end, r.islands[j].end)
		j++
	}
	if i == j {
		r.islands = append(r.islands, span{})
		copy(r.islands[i+1:], r.islands[i:])
		r.islands[i] = s
		return
	}
	r.islands[i] = s
	r.islands = append(r.islands[:i+1], r.islands[j:]...)
}

// write copies p to the chunks.
func (r *recvBuffer) write(off int64, p []byte) {
	if len(r.held) == 0 {
		r.origin = r.start - r.start%chunkSize
	}
	for len(p) > 0 {
		i := int((off - r.origin) / chunkSize)
		for i >= len(r.held) {
			r.held = append(r.held, nil)
		}
		if r.held[i] == nil {
			r.held[i] = chunks.Get().(*chunk)
		}
		n := copy(r.held[i][(off-r.origin)%chunkSize:], p)
		off += int64(n)
		p = p[n:]
	}
}

// peek returns the next bytes in order that lie together, at most limit.
func (r *recvBuffer) peek(limit int) []byte {
	n := min(r.ready-r.start, int64(limit))
	if n == 0 {
		return nil
	}
	at := r.start - r.origin
	b := r.held[at/chunkSize][at%chunkSize:]
	return b[:min(n, int64(len(b)))]
}

// consume forgets the next n bytes.
func (r *recvBuffer) consume(n int) {
	r.start += int64(n)
	gone := int((r.start - r.origin) / chunkSize)
	if r.start == r.ready && len(r.islands) == 0 {
		gone = len(r.held) // the rest of the last chunk is empty
	}
	if gone == 0 {
		return
	}
	for _, c := range r.held[:gone] {
		if c != nil {
			chunks.Put(c)
		}
	}
	clear(r.held[:gone])
	if gone == len(r.held) && cap(r.held) <= 8 {
		r.held = r.held[:0]
		return
	}
	if gone == len(r.held) {
		r.held = nil // an idle stream holds little
		return
	}
	r.held = r.held[gone:]
	r.origin += int64(gone) * chunkSize
}

// discard forgets everything.
func (r *recvBuffer) discard() {
	for _, c := range r.held {
		if c != nil {
			chunks.Put(c)
		}
	}
	r.held, r.islands = nil, nil
	r.start = r.ready
}
