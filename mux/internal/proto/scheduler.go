package proto

import "math/bits"

// scheduler holds the streams that have data they may send, by urgency, and says
// whose turn it is: RFC 9218, section 10. Streams of one urgency are served in the
// order in which they came; one that is incremental goes to the end after a frame,
// another one stays in front until it has nothing to send.
type scheduler struct {
	queues [8]struct{ head, tail *Stream }
	filled uint8 // bit per queue
}

func (q *scheduler) empty() bool { return q.filled == 0 }

// first returns the stream whose turn it is, nil if there is none.
func (q *scheduler) first() *Stream {
	if q.filled == 0 {
		return nil
	}
	return q.queues[bits.TrailingZeros8(q.filled)].head
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
	st.queued, st.prev, st.next = false, nil, nil
	if l.head == nil {
		q.filled &^= 1 << st.urgency
	}
}

// served notes that st had a turn.
func (q *scheduler) served(st *Stream) {
	if st.incremental && st.next != nil {
		q.remove(st)
		q.add(st)
	}
}
