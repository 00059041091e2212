package proto

import "math/bits"

// preferred is how many bytes of those streams that go first are sent for one byte of
// those that wait for them, and patience when that begins.
const (
	preferred = 15
	patience  = preferred << 10
)

// quantum is how many bytes a stream that is incremental sends in a turn. With less,
// what arrives together is for many streams, each of which has to be woken.
const quantum = 16 << 10

// scheduler holds the streams that have data they may send, by urgency, and says
// whose turn it is: RFC 9218, section 10. Streams of one urgency are served in the
// order in which they came; one that is incremental goes to the end after a quantum,
// another one stays in front until it has nothing to send. Those that would wait
// until others have nothing to send get a small share, for the others may never end.
type scheduler struct {
	queues [8]struct{ head, tail *Stream }
	filled uint8 // bit per queue
	ahead  int   // bytes that those which wait are behind their share, times preferred
	last   uint8 // urgency of the one that had its share last
}

func (q *scheduler) empty() bool { return q.filled == 0 }

// first returns the stream whose turn it is, nil if there is none.
func (q *scheduler) first() *Stream {
	if q.filled == 0 {
		return nil
	}
	top := uint8(bits.TrailingZeros8(q.filled))
	head := q.queues[top].head
	alone := q.filled == 1<<top && (head.incremental || head.next == nil)
	if alone || q.ahead < patience {
		return head
	}
	for i := range uint8(8) {
		switch u := (q.last + 1 + i) % 8; {
		case u != top && q.filled&(1<<u) != 0:
			return q.queues[u].head
		case u == top && !head.incremental && head.next != nil:
			return head.next
		}
	}
	return head
}

// only reports whether st, which is queued, is the only one.
func (q *scheduler) only(st *Stream) bool {
	return q.filled&(q.filled-1) == 0 && st.prev == nil && st.next == nil
}

func (q *scheduler) add(st *Stream) {
	if st.queued {
		return
	}
	l := &q.queues[st.urgency]
	st.queued, st.prev, st.next = true, l.tail, nil
	if l.tail == nil {
		l.head = st
	} else {
		l.tail.next = st
	}
	l.tail = st
	q.filled |= 1 << st.urgency
}

func (q *scheduler) remove(st *Stream) {
	if !st.queued {
		return
	}
	l := &q.queues[st.urgency]
	if st.prev == nil {
		l.head = st.next
	} else {
		st.prev.next = st.next
	}
	if st.next == nil {
		l.tail = st.prev
	} else {
		st.next.prev = st.prev
	}
	st.queued, st.prev, st.next, st.turn = false, nil, nil, 0
	if l.head == nil {
		q.filled &^= 1 << st.urgency
	}
}

// served notes that n bytes of st, which first returned, were sent.
func (q *scheduler) served(st *Stream, n int) {
	top := uint8(bits.TrailingZeros8(q.filled))
	waited := st.urgency != top || st.prev != nil
	if waited {
		q.ahead -= preferred * n
		q.last = st.urgency
	} else {
		q.ahead = min(q.ahead+n, 4*patience)
	}
	st.turn += n
	if (st.incremental && st.turn >= quantum || waited) && st.next != nil {
		q.remove(st)
		q.add(st)
	}
}
