package proto

import (
	"time"

	"github.com/udtgo/udtgo/mux/internal/frame"
)

// MaxPacket is the largest packet that is taken, in bytes.
const MaxPacket = 1<<16 - 1

// maxDatagrams is how many datagrams wait for the application.
const maxDatagrams = 128

// maxPongs is how many answers to pings wait to be sent.
const maxPongs = 256

// HandlePacket takes a packet that arrived at time now; it keeps nothing of p. The
// error is a *ProtocolError, with which the caller closes the session, or a
// *ClosedError, with which the peer has closed it. In a session that has ended
// nothing else counts.
func (s *Session) HandlePacket(now time.Time, p []byte) error {
	if s.err != nil {
		return findClose(p)
	}
	at := s.at(now)
	s.heard = at
	s.stats.PacketsReceived++
	if len(p) > MaxPacket {
		return violation(CodeProtocol, "packet of %d bytes", len(p))
	}
	for len(p) > 0 {
		f, rest, err := frame.Parse(p)
		switch {
		case !s.met && !s.cfg.Messages && (err != nil || f.Type != frame.Hello):
			return violation(CodeProtocol, "peer does not speak mux")
		case err != nil:
			return violation(CodeProtocol, "malformed frame")
		}
		s.stats.FramesReceived++
		if err := s.handle(at, f); err != nil {
			return err
		}
		p = rest
	}
	return nil
}

// findClose returns a *ClosedError if there is a CLOSE frame in p.
func findClose(p []byte) error {
	for len(p) > 0 {
		f, rest, err := frame.Parse(p)
		if err != nil {
			return nil
		}
		if f.Type == frame.Close {
			return &ClosedError{f.Value, string(f.Data)}
		}
		p = rest
	}
	return nil
}

func (s *Session) handle(at time.Duration, f frame.Frame) error {
	switch f.Type {
	case frame.Stream:
		return s.handleStream(at, f)
	case frame.ResetStream:
		return s.handleReset(at, f)
	case frame.StopSending:
		return s.handleStop(at, f)
	case frame.MaxData, frame.MaxStreamData, frame.MaxStreams, frame.MaxUniStreams:
		if !s.budgets.limits.take(at) {
			return flood("window updates")
		}
		return s.handleLimit(f)
	case frame.Ping:
		if !s.budgets.pings.take(at) {
			return flood("pings")
		}
		if len(s.pongs) == maxPongs {
			return flood("pings before answers could be sent")
		}
		s.pongs = append(s.pongs, f.Value)
		return nil
	case frame.Pong:
		return s.handlePong(at, f.Value)
	case frame.Priority:
		return s.handlePriority(at, f)
	case frame.Datagram:
		return s.handleDatagram(f.Data)
	case frame.GoAway:
		s.peerGoAway = true
		s.events |= EventOpen
		return s.idle(at)
	case frame.Close:
		return &ClosedError{f.Value, string(f.Data)}
	case frame.Hello:
		return s.handleHello(f.Data)
	}
	return s.idle(at) // an extension that we do not know
}

// idle counts a frame without effect.
func (s *Session) idle(at time.Duration) error {
	if !s.budgets.empty.take(at) {
		return flood("frames without effect")
	}
	return nil
}

func (s *Session) handleHello(b []byte) error {
	g, err := frame.ParseHello(b)
	switch {
	case err != nil:
		return violation(CodeProtocol, "peer does not speak mux")
	case s.met:
		return violation(CodeProtocol, "second hello")
	case g.Version != frame.Version:
		return violation(CodeProtocol, "peer speaks version %d", g.Version)
	case g.Server == s.cfg.Server:
		return violation(CodeProtocol, "both peers have the same role")
	case g.Messages != s.cfg.Messages:
		return violation(CodeProtocol, "peer frames in another way")
	}
	s.met, s.peer = true, g
	s.peer.StreamWindow = max(g.StreamWindow, EarlyStreamWindow)
	s.sendLimit = max(s.sendLimit, int64(g.SessionWindow))
	s.opened[Bidi].limit = max(s.opened[Bidi].limit, int64(g.Streams))
	s.opened[Uni].limit = max(s.opened[Uni].limit, int64(g.UniStreams))
	s.events |= EventOpen
	for _, st := range s.streams {
		st.send.limit = max(st.send.limit, int64(s.peer.StreamWindow))
		st.schedule()
	}
	return nil
}

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

// refuse ends a stream that the peer opened before it could know our limit.
func (s *Session) refuse(st *Stream) { _ = st.Reset(CodeRefused) }

func (s *Session) handleStream(at time.Duration, f frame.Frame) error {
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
	before := r.highest
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
	if !r.buf.insert(int64(f.Value), f.Data) {
		return violation(CodeFlood, "stream %d is in too many pieces", st.id)
	}
	if r.buf.ready > ready || r.buf.ready == r.final {
		st.wakeUp(WakeRead)
	}
	s.settle(st)
	return nil
}

func (s *Session) handleReset(at time.Duration, f frame.Frame) error {
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

func (s *Session) handleStop(at time.Duration, f frame.Frame) error {
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

func (s *Session) handleLimit(f frame.Frame) error {
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

func (s *Session) handlePriority(at time.Duration, f frame.Frame) error {
	st, _, err := s.find(f.Stream)
	if err != nil {
		return err
	}
	if st != nil && (st.Local() || st.send.none) {
		return violation(CodeProtocol, "priority of stream %d, which the peer does not wait for", f.Stream)
	}
	if st != nil && !st.prioritySet && f.Value > st.priorities {
		st.priorities = f.Value
		st.reprioritise(f.Urgency, f.Incremental)
	}
	return s.idle(at)
}

func (s *Session) handleDatagram(b []byte) error {
	if !s.cfg.Messages {
		return violation(CodeProtocol, "datagram on a carrier that has none")
	}
	s.stats.DatagramsReceived++
	if len(s.datagrams) == maxDatagrams {
		s.datagrams[0] = nil
		s.datagrams = s.datagrams[1:]
		s.stats.DatagramsDropped++
	}
	s.datagrams = append(s.datagrams, append([]byte(nil), b...))
	s.events |= EventDatagram
	return nil
}

// Datagram returns the oldest datagram that arrived.
func (s *Session) Datagram() ([]byte, bool) {
	if len(s.datagrams) == 0 {
		return nil, false
	}
	b := s.datagrams[0]
	s.datagrams[0] = nil
	s.datagrams = s.datagrams[1:]
	if len(s.datagrams) > 0 {
		s.events |= EventDatagram
	}
	return b, true
}
