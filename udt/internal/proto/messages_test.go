package proto

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// messageApp writes and reads messages whose content follows from their number.
type messageApp struct {
	total    int // messages to write
	size     func() int
	ordered  func() bool
	ttl      func() time.Duration
	every    time.Duration // pause between messages
	nextAt   time.Duration
	noClose  bool
	stepwise bool // may stop between the parts of a message

	written int
	begun   bool
	body    []byte
	off     int
	log     []writtenMessage

	seen    map[uint32]bool
	got     []uint32
	paused  bool
	slow    time.Duration
	readAt  time.Duration
	readErr error
}

type writtenMessage struct {
	ordered bool
	ttl     time.Duration
}

func body(id uint32, size int) []byte {
	b := make([]byte, size)
	fill(b, int64(id)*7919)
	binary.BigEndian.PutUint32(b, id)
	return b
}

func (m *messageApp) step(s *side) bool {
	busy := false
	for m.readOne(s) {
		busy = true
	}
	for m.writeSome(s) {
		busy = true
	}
	c := s.c
	if c.Connecting() {
		return busy
	}
	if !m.paused && m.readErr == nil && !c.recv.discarding && !c.Readable() {
		m.readErr = c.ReadErr()
	}
	if c.phase == phaseOpen && (m.readErr != nil || m.written == m.total && !m.noClose && m.oneWay(s)) {
		c.Close(s.time())
		return true
	}
	return busy
}

func (m *messageApp) oneWay(s *side) bool {
	p, ok := s.peer.app.(*messageApp)
	return !ok || p.total == 0 || len(m.got) == p.total
}

func (m *messageApp) readOne(s *side) bool {
	c := s.c
	if m.paused || !c.Readable() {
		return false
	}
	if m.slow > 0 {
		if s.now < m.readAt {
			s.wake(m.readAt)
			return false
		}
		m.readAt = s.now + m.slow
	}
	var b []byte
	for _, p := range c.Pieces(0, nil) {
		b = append(b, p...)
	}
	if len(b) != c.MessageSize() || len(b) < 4 {
		s.failf("%s: message of %d bytes, MessageSize %d", s.name, len(b), c.MessageSize())
	}
	id := binary.BigEndian.Uint32(b)
	if string(b) != string(body(id, len(b))) {
		s.failf("%s: message %d is damaged", s.name, id)
	}
	if m.seen == nil {
		m.seen = map[uint32]bool{}
	}
	if m.seen[id] {
		s.failf("%s: message %d came twice", s.name, id)
	}
	m.seen[id] = true
	m.got = append(m.got, id)
	c.ConsumeMessage(s.time())
	return true
}

func (m *messageApp) writeSome(s *side) bool {
	c := s.c
	if !m.begun {
		if m.written == m.total || !c.Open() {
			return false
		}
		if m.every > 0 {
			if s.now < m.nextAt {
				s.wake(m.nextAt)
				return false
			}
			m.nextAt = s.now + m.every
		}
		if m.body == nil {
			m.body = body(uint32(m.written), min(max(m.size(), 4), c.MaxMessage()))
			w := writtenMessage{ordered: m.ordered != nil && m.ordered()}
			if m.ttl != nil {
				w.ttl = m.ttl()
			}
			m.log = append(m.log, w)
		}
		w := m.log[m.written]
		if could := c.WritableMessage(len(m.body)); c.BeginMessage(s.time(), len(m.body), w.ttl, w.ordered) != could && could {
			s.failf("%s: BeginMessage differs from WritableMessage", s.name)
		} else if !could && c.MessageLeft() == 0 {
			return false
		}
		m.begun, m.off = true, 0
	}
	r := c.Reserve(len(m.body) - m.off)
	if r.Size() == 0 {
		if c.Open() {
			s.failf("%s: no room for a message that was begun", s.name)
		}
		m.total, m.begun = m.written, false
		return false
	}
	r.Copy(0, m.body[m.off:m.off+r.Size()])
	c.Commit(s.time(), &r, r.Size())
	if m.off += r.Size(); m.off < len(m.body) {
		if m.stepwise && s.rng.IntN(2) == 0 {
			s.wake(s.now + time.Millisecond)
			return false
		}
		return true
	}
	m.begun, m.body = false, nil
	m.written++
	return true
}

// delivered checks what x's application got against what the peer wrote.
func (m *messageApp) delivered(w *messageApp) error {
	if len(m.got) > w.written {
		return fmt.Errorf("%d messages of %d", len(m.got), w.written)
	}
	for id, l := range w.log[:w.written] {
		if l.ttl == 0 && !m.seen[uint32(id)] {
			return fmt.Errorf("message %d is missing; got %d of %d", id, len(m.got), w.written)
		}
	}
	before := 0 // messages that came before the present one, lowest missing first
	seen := map[uint32]bool{}
	for _, id := range m.got {
		if w.log[id].ordered {
			for ; before < int(id); before++ {
				if l := w.log[before]; !seen[uint32(before)] && m.seen[uint32(before)] {
					return fmt.Errorf("ordered message %d came before %d (%+v)", id, before, l)
				}
			}
		}
		seen[id] = true
	}
	return nil
}

// exchange sends messages from a to b, and the other way, and closes.
func (s *sim) exchange(limit time.Duration) {
	s.t.Helper()
	a, b := s.a.app.(*messageApp), s.b.app.(*messageApp)
	if s.a.c == nil {
		s.start()
	}
	done := s.run(limit, func() bool { return s.b.c != nil && s.ended() })
	require.True(s.t, done, "seed %d: after %v: a phase %d wrote %d got %d, b phase %d wrote %d got %d\n%+v", s.seed, s.now, s.a.c.phase, a.written, len(a.got), s.b.c.phase, b.written, len(b.got), s.a.c.Info())
	require.NoError(s.t, b.delivered(a), "seed %d: a %v, b %v", s.seed, s.a.c.Err(), s.b.c.Err())
	require.NoError(s.t, a.delivered(b), "seed %d: a %v, b %v", s.seed, s.a.c.Err(), s.b.c.Err())
	s.quiet()
}

func messageKinds() []kind {
	var all []kind
	for _, k := range kinds() {
		if k.message {
			all = append(all, k)
		}
	}
	return all
}

func TestMessagesArriveWholeAndOnce(t *testing.T) {
	ks := messageKinds()
	scenarios(t, 160, func(t *testing.T, seed uint64) {
		k := ks[seed%uint64(len(ks))]
		t.Run(fmt.Sprintf("%v/%d", k, seed), func(t *testing.T) {
			s := newSim(t, seed, k)
			s.harsh()
			r := s.rng
			for _, x := range s.sides() {
				large := []int{50, 1500, 5000, 15000}[r.IntN(4)]
				m := &messageApp{
					size: func() int { return 4 + r.IntN(large) },
					ordered: func() bool {
						return r.IntN(2) == 0
					},
				}
				if x.cfg.RecvBuffer < 80_000 {
					x.cfg.RecvBuffer = 80_000
				}
				x.cfg.FlowWindow = max(x.cfg.FlowWindow, 400)
				if x == s.a || r.IntN(2) == 0 {
					m.total = r.IntN(100)
				}
				if r.IntN(3) == 0 {
					m.every = time.Duration(r.IntN(5000)) * time.Microsecond
				}
				if r.IntN(3) == 0 {
					m.slow = time.Millisecond
				}
				m.stepwise = r.IntN(2) == 0
				if r.IntN(2) == 0 {
					m.ttl = func() time.Duration {
						if r.IntN(2) == 0 {
							return 0
						}
						return time.Duration(1 + r.IntN(int(100*time.Millisecond)))
					}
				}
				x.app = m
			}
			// Who waits for all of the peer's messages must not wait for expired ones.
			for _, x := range s.sides() {
				if p := x.peer.app.(*messageApp); p.ttl != nil && p.total > 0 && x.app.(*messageApp).total > 0 {
					p.ttl = nil
				}
			}
			s.exchange(1000 * time.Second)
		})
	})
}
