package proto

import "github.com/udtgo/udtgo/udt/internal/wire"

// inMessages finds complete messages in a receive buffer. An unordered message
// is deliverable when complete, any other when all numbers before it have
// arrived or been given up (SPEC.md#messages).
type inMessages struct {
	ready  []span // deliverable, in order of delivery
	head   int    // spans before it are delivered
	unread int    // packets of those that are not
	scan   int64  // all messages before it are in ready, delivered or discarded
	within int64  // last packet of the message at scan that is known to belong to it
}

func (m *inMessages) empty() bool { return m.head == len(m.ready) }

// front returns the next message to deliver.
func (m *inMessages) front() span { return m.ready[m.head] }

func (m *inMessages) push(s span) {
	m.ready = append(m.ready, s)
	m.unread += int(s.end - s.first)
}

func (m *inMessages) pop() {
	s := m.front()
	m.unread -= int(s.end - s.first)
	m.head++
	if m.head == len(m.ready) {
		m.ready, m.head = m.ready[:0], 0
	} else if m.head >= 64 && m.head*2 > len(m.ready) {
		n := copy(m.ready, m.ready[m.head:])
		m.ready, m.head = m.ready[:n], 0
	}
}

// queued marks the first packet of a message that is in ready. Message number
// zero is never sent by a correct peer and has no meaning here otherwise.
const queued = 1 << 31

// arrived looks at number n, which was placed behind a gap, and queues the
// message it completes if that is unordered.
func (m *inMessages) arrived(b *recvBuffer, n int64) {
	// Both directions in turn, so that the shorter side bounds the work: a
	// packet between a long run and a gap costs little.
	first, last := n, n
	for {
		haveFirst, haveLast := b.slot(first).boundary.IsFirst(), b.slot(last).boundary.IsLast()
		if haveFirst && haveLast {
			break
		}
		if !haveFirst {
			if first--; !continues(b, first, wire.Last) {
				return
			}
		}
		if !haveLast {
			if last++; !continues(b, last, wire.First) {
				return
			}
		}
	}
	s := b.slot(first)
	if b.slot(last).ordered || s.message&queued != 0 {
		return
	}
	s.message |= queued
	m.push(span{first, last + 1})
}

// continues reports whether the message goes on at n: held, and not across a
// boundary of the given kind.
func continues(b *recvBuffer, n int64, stop wire.Boundary) bool {
	s := b.slot(n)
	return s != nil && s.state == slotHeld && s.boundary&stop == 0
}

// inOrder queues what has become deliverable in order, all numbers before next
// having arrived or been given up. Pieces of messages that can never become
// complete are discarded.
func (m *inMessages) inOrder(b *recvBuffer, next int64) {
	for m.scan < next {
		s := b.slot(m.scan)
		if s == nil || s.state != slotHeld {
			m.scan++
			continue
		}
		if !s.boundary.IsFirst() {
			b.discard(m.scan)
			m.scan++
			continue
		}
		m.within = max(m.within, m.scan)
		broken := false
		for !broken && !b.slot(m.within).boundary.IsLast() {
			if m.within+1 >= next {
				return // the rest is still to come
			}
			if broken = !continues(b, m.within+1, wire.First); !broken {
				m.within++
			}
		}
		if broken {
			for ; m.scan <= m.within; m.scan++ {
				b.discard(m.scan)
			}
			continue
		}
		if s.message&queued == 0 {
			s.message |= queued
			m.push(span{m.scan, m.within + 1})
		}
		m.scan = m.within + 1
	}
}
