package simnet

import "time"

// A Timeline holds values until they are due. It gives them back in order of
// time, and those of equal time in the order in which they came. Times are as
// for a [Shaper]. The zero Timeline is empty and ready to use. It is not safe
// for concurrent use.
type Timeline[T any] struct {
	// Most values come in order of time, being on their way over one busy
	// link: they need no heap.
	inOrder fifo[event[T]]
	last    time.Duration // time of the last value in inOrder

	heap []event[T] // the others; binary: the parent of i is (i-1)/2
	seq  uint64
}

type event[T any] struct {
	at    time.Duration
	seq   uint64
	value T
}

func (e *event[T]) before(o *event[T]) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

// Len returns the number of values.
func (t *Timeline[T]) Len() int { return t.inOrder.len() + len(t.heap) }

// Next returns the time of the earliest value; ok is false if there is none.
func (t *Timeline[T]) Next() (at time.Duration, ok bool) {
	e := t.first()
	if e == nil {
		return 0, false
	}
	return e.at, true
}

// first returns the earliest event, or nil.
func (t *Timeline[T]) first() *event[T] {
	switch {
	case t.inOrder.len() == 0 && len(t.heap) == 0:
		return nil
	case t.inOrder.len() == 0:
		return &t.heap[0]
	case len(t.heap) == 0 || t.inOrder.front().before(&t.heap[0]):
		return t.inOrder.front()
	}
	return &t.heap[0]
}

// Push adds a value that is due at the given time.
func (t *Timeline[T]) Push(at time.Duration, v T) {
	t.seq++
	e := event[T]{at, t.seq, v}
	if t.inOrder.len() == 0 || at >= t.last {
		t.inOrder.push(e)
		t.last = at
		return
	}
	t.heap = append(t.heap, e)
	i := len(t.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(&t.heap[parent]) {
			break
		}
		t.heap[i] = t.heap[parent]
		i = parent
	}
	t.heap[i] = e
}

// Pop removes and returns the earliest value if it is due at the time now;
// ok is false if none is.
func (t *Timeline[T]) Pop(now time.Duration) (v T, ok bool) {
	first := t.first()
	if first == nil || first.at > now {
		return v, false
	}
	v = first.value
	if t.inOrder.len() > 0 && first == t.inOrder.front() {
		t.inOrder.pop()
		return v, true
	}
	last := len(t.heap) - 1
	e := t.heap[last]
	t.heap[last] = event[T]{}
	t.heap = t.heap[:last]
	if last > 0 {
		t.sink(e)
	}
	return v, true
}

// sink puts e in the place of the first element and restores the heap.
func (t *Timeline[T]) sink(e event[T]) {
	i := 0
	for {
		child := 2*i + 1
		if child >= len(t.heap) {
			break
		}
		if r := child + 1; r < len(t.heap) && t.heap[r].before(&t.heap[child]) {
			child = r
		}
		if !t.heap[child].before(&e) {
			break
		}
		t.heap[i] = t.heap[child]
		i = child
	}
	t.heap[i] = e
}
