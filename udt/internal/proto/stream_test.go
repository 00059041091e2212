package proto

import (
	"bytes"
	"time"
)

// pattern is what streams carry: position i holds pattern[i mod len].
var pattern = func() []byte {
	b := make([]byte, 65521)
	r := newRand(7)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}()

func fill(p []byte, off int64) {
	for i := 0; i < len(p); {
		i += copy(p[i:], pattern[(off+int64(i))%int64(len(pattern)):])
	}
}

// matches reports whether p is what a stream carries from off on.
func matches(p []byte, off int64) bool {
	for len(p) > 0 {
		at := off % int64(len(pattern))
		n := min(len(p), len(pattern)-int(at))
		if !bytes.Equal(p[:n], pattern[at:int(at)+n]) {
			return false
		}
		p, off = p[n:], off+int64(n)
	}
	return true
}

// streamApp writes and reads a stream.
type streamApp struct {
	total   int64 // bytes to write
	written int64
	chunk   int           // at most so many bytes per write, zero for all
	every   time.Duration // pause between writes
	nextAt  time.Duration
	noClose bool // do not close at the end

	read    int64
	paused  bool
	slow    time.Duration // pause between reads
	readAt  time.Duration
	limit   int // bytes per read
	readErr error
	doneAt  time.Duration // when the last byte was read
	pieces  [][]byte
	buf     []byte
}

func (a *streamApp) step(s *side) bool {
	busy := false
	for a.readSome(s) {
		busy = true
	}
	for a.writeSome(s) {
		busy = true
	}
	c := s.c
	if c.Connecting() {
		return busy
	}
	if !a.paused && a.readErr == nil && !c.recv.discarding && !c.Readable() {
		a.readErr = c.ReadErr()
	}
	if c.Open() && a.written == a.total && !a.noClose || c.phase == phaseOpen && a.readErr != nil {
		if a.readErr != nil || a.oneWay(s) {
			c.Close(s.time())
			return true
		}
	}
	return busy
}

// oneWay reports that nothing is expected from the peer.
func (a *streamApp) oneWay(s *side) bool {
	p, ok := s.peer.app.(*streamApp)
	return !ok || p.total == 0 || a.read == p.total
}

func (a *streamApp) readSome(s *side) bool {
	c := s.c
	if a.paused || !c.Readable() {
		return false
	}
	if a.slow > 0 {
		if s.now < a.readAt {
			s.wake(a.readAt)
			return false
		}
		a.readAt = s.now + a.slow
	}
	limit := a.limit
	if limit == 0 {
		limit = 1 << 20
	}
	if a.pieces == nil {
		a.pieces = make([][]byte, 0, 32)
	}
	a.pieces = c.Pieces(limit, a.pieces[:0])
	n := 0
	for _, p := range a.pieces {
		if !matches(p, a.read) {
			s.failf("%s read wrong bytes at %d", s.name, a.read)
		}
		a.read += int64(len(p))
		n += len(p)
	}
	if n == 0 || n > limit {
		s.failf("%s: readable, but read %d bytes of %d", s.name, n, limit)
	}
	c.Consume(s.time(), n)
	a.doneAt = s.now
	return true
}

func (a *streamApp) writeSome(s *side) bool {
	c := s.c
	if a.written == a.total || !c.Open() || !c.Writable() {
		return false
	}
	if a.every > 0 {
		if s.now < a.nextAt {
			s.wake(a.nextAt)
			return false
		}
		a.nextAt = s.now + a.every
	}
	n := int(min(a.total-a.written, 1<<20))
	if a.chunk > 0 {
		n = min(n, 1+s.rng.IntN(a.chunk))
	}
	r := c.Reserve(n)
	if r.Size() == 0 {
		return false
	}
	if cap(a.buf) < r.Size() {
		a.buf = make([]byte, r.Size())
	}
	b := a.buf[:r.Size()]
	fill(b, a.written)
	if m := r.Copy(0, b); m != len(b) {
		s.failf("%s: %d bytes fitted a reservation of %d", s.name, m, len(b))
	}
	c.Commit(s.time(), &r, r.Size())
	a.written += int64(r.Size())
	return true
}

// wake plans the application's next turn.
func (x *side) wake(at time.Duration) {
	if x.appAt == 0 || at < x.appAt {
		x.appAt = at
	}
}
