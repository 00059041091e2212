package proto

import (
	"time"

	"github.com/udtgo/udtgo/mux/internal/frame"
)

// find returns stream id, which it opens if it is the peer's and new, together
// with all lower ones of its kind, whose frames are still on their way. It returns
// nil if the stream has ended.
func (s *Session) find(id int64) (st *Stream, fresh bool, err error) {
	if st = s.streams[id]; st != nil {
		return st, false, nil
	}
	n, k := id>>2, kindOf(id)
	if openedByServer(id) == s.cfg.Server {
		if n >= s.opened[k].next {
			return nil, false, violation(CodeProtocol, "stream %d does not exist", id)
		}
		return nil, false, nil
	}
	t := &s.taken[k]
	if n < t.next {
		return nil, false, nil
	}
	if n >= max(t.limit, EarlyStreams) {
		return nil, false, violation(CodeFlowControl, "more streams than allowed")
	}
	for ; t.next <= n; t.next++ {
		st = s.newStream(streamID(t.next, k, !s.cfg.Server))
		s.budgets.empty.earn(3) // its first frame may be late, and its priority may change
		if t.next >= t.limit {
			s.refuse(st)
			continue
		}
		s.waiting = append(s.waiting, st)
		s.events |= EventAccept
	}
	return st, true, nil
}

// refuse ends a stream that the peer opened before it could know our limit. It
// counts as accepted, or it would take a place in the backlog for good.
func (s *Session) refuse(st *Stream) {
	s.taken[kindOf(st.id)].accepted++
	_ = st.Reset(CodeRefused)
}

func (s *Session) handleStream(at time.Duration, f *frame.Frame) error {
	st, fresh, err := s.find(f.Stream)
	if err != nil {
		return err
	}
	if len(f.Data) == 0 && !f.Fin && !fresh {
		return s.idle(at)
	}
	if st == nil {
		return nil // late
	}
	r := &st.recv
	end := int64(f.Value) + int64(len(f.Data))
	switch {
	case r.none:
		return violation(CodeProtocol, "data on stream %d, which only we send on", st.id)
	case r.final >= 0 && (end > r.final || f.Fin && end != r.final), f.Fin && end < r.highest:
		return violation(CodeProtocol, "stream %d changes its size", st.id)
	case r.err != nil:
		return nil // late
	}
	before, known := r.highest, r.final >= 0
	if err := s.arrived(st, end); err != nil {
		return err
	}
	if f.Fin {
		r.final = end
		st.control &^= ctlWindow
	}
	s.stats.BytesReceived += int64(len(f.Data))
	if r.dropping {
		r.buf.start, r.buf.ready = r.highest, r.highest
		s.release(r.highest - before)
		s.settle(st)
		return nil
	}
	ready := r.buf.ready
	if end <= ready && (known || !f.Fin) && !fresh {
		return s.idle(at) // all of it has arrived before
	}
	r.buf.insert(int64(f.Value), f.Data)
	if !s.fragmented(st) {
		return violation(CodeFlood, "stream %d is in too many pieces", st.id)
	}
	if r.buf.ready > ready || r.buf.ready == r.final {
		st.wakeUp(WakeRead)
	}
	s.settle(st)
	return nil
}

func (s *Session) handleReset(at time.Duration, f *frame.Frame) error {
	st, _, err := s.find(f.Stream)
	if err != nil {
		return err
	}
	if st == nil {
		return s.idle(at)
	}
	r := &st.recv
	switch {
	case r.none:
		return violation(CodeProtocol, "reset of stream %d, which only we send on", st.id)
	case r.final >= 0 && f.Size != r.final, f.Size < r.highest:
		return violation(CodeProtocol, "stream %d changes its size", st.id)
	case r.err != nil || r.final >= 0 && r.buf.ready == r.final:
		return s.idle(at) // all has arrived
	}
	if !st.Local() && !r.finished && !s.budgets.churn.take(at) {
		return flood("streams opened and reset")
	}
	if err := s.arrived(st, f.Size); err != nil {
		return err
	}
	r.final = f.Size
	r.err = &StreamError{Code: f.Value, Remote: true}
	st.drop()
	st.wakeUp(WakeRead)
	s.settle(st)
	return nil
}

func (s *Session) handleStop(at time.Duration, f *frame.Frame) error {
	st, _, err := s.find(f.Stream)
	switch {
	case err != nil:
		return err
	case st == nil:
		return s.idle(at)
	case st.send.none:
		return violation(CodeProtocol, "stop of stream %d, which only the peer sends on", st.id)
	case st.send.sent || st.send.err != nil:
		return s.idle(at)
	}
	st.resetSend(&StreamError{Code: f.Value, Remote: true})
	return nil
}

func (s *Session) handleLimit(f *frame.Frame) error {
	switch v := int64(f.Value); f.Type {
	case frame.MaxData:
		s.sendLimit = max(s.sendLimit, v)
	case frame.MaxStreams, frame.MaxUniStreams:
		o := &s.opened[f.Type-frame.MaxStreams]
		o.limit = max(o.limit, v)
		s.events |= EventOpen
	case frame.MaxStreamData:
		st, _, err := s.find(f.Stream)
		if err != nil || st == nil {
			return err
		}
		if st.send.none {
			return violation(CodeProtocol, "window of stream %d, which only the peer sends on", st.id)
		}
		st.send.limit = max(st.send.limit, v)
		st.schedule()
	}
	return nil
}

func (s *Session) handlePriority(at time.Duration, f *frame.Frame) error {
	st, _, err := s.find(f.Stream)
	if err != nil {
		return err
	}
	if st != nil && (st.Local() || st.send.none) {
		return violation(CodeProtocol, "priority of stream %d, which the peer does not wait for", f.Stream)
	}
	if st == nil || f.Value <= st.priorities {
		return s.idle(at)
	}
	if !s.budgets.orders.take(at) {
		return flood("changes of priority")
	}
	st.priorities = f.Value
	if !st.prioritySet {
		st.reprioritise(f.Urgency, f.Incremental)
	}
	return nil
}
