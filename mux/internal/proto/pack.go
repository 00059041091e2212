package proto

import (
	"time"

	"github.com/udtgo/udtgo/mux/internal/frame"
)

// smallTail is how little room at the end of a packet is not worth a piece of a
// stream: pieces cost a header and work on both sides.
const smallTail = 64

// worthLending is how many bytes are sent from where they are rather than copied.
const worthLending = 2 << 10

// Ready reports whether Pack has something to send.
func (s *Session) Ready() bool {
	return s.err == nil && (s.toSend != 0 || len(s.pongs) > 0 || len(s.controls) > 0 ||
		!s.sched.empty() && s.sent < s.sendLimit)
}

// Pack writes the next packet into b, which has at least MinPacket bytes, and
// returns its size, 0 if there is nothing to send: frames about the session first,
// then about streams, then data by priority. What is packed counts as sent.
//
// In a session that we closed what is left of frames about streams goes out, so
// that the ends of those which were closed before are not lost.
func (s *Session) Pack(now time.Time, b []byte) int {
	n, _ := s.PackLent(now, b, nil)
	return n
}

// PackLent is like Pack, but where data of stream own, which may be nil, are at the
// end of the packet, and many, they are not copied to b: data are those bytes as they
// were lent by Offer, to be sent after b[:n].
func (s *Session) PackLent(now time.Time, b []byte, own *Stream) (n int, data []byte) {
	if s.err != nil && (s.closing == nil || s.closed) {
		return 0, nil
	}
	p := b[:0:len(b)]
	if s.toSend != 0 || len(s.pongs) > 0 {
		p = s.packSession(s.at(now), p)
	}
	if len(s.controls) > 0 {
		p = s.packControls(p)
	}
	p, data = s.packData(p, own)
	if len(p) == 0 {
		return 0, nil
	}
	s.stats.PacketsSent++
	return len(s.evenOut(p)), data
}

// PackClose writes the packet that ends the session into b, and returns its size,
// 0 if we did not close it. It must not arrive before the others.
func (s *Session) PackClose(b []byte) int {
	if s.closing == nil || s.closed {
		return 0
	}
	s.closed = true
	return len(frame.Append(b[:0:len(b)], *s.closing))
}

func room(p []byte) int { return cap(p) - len(p) }

func (s *Session) packHello(p []byte) []byte {
	s.toSend &^= sendHello
	return frame.AppendHello(p, frame.Greeting{
		Version:       frame.Version,
		Server:        s.cfg.Server,
		Messages:      s.cfg.Messages,
		StreamWindow:  uint64(s.cfg.StreamWindow),
		SessionWindow: uint64(s.cfg.SessionWindow),
		Streams:       uint64(s.taken[Bidi].limit),
		UniStreams:    uint64(s.taken[Uni].limit),
	})
}

func (s *Session) packSession(at time.Duration, p []byte) []byte {
	if s.toSend&sendHello != 0 {
		p = s.packHello(p)
	}
	put := func(c sessionControl, f frame.Frame) {
		if s.toSend&c != 0 && room(p) >= frame.MaxControl {
			s.toSend &^= c
			p = frame.Append(p, f)
		}
	}
	put(sendMaxData, frame.Frame{Type: frame.MaxData, Value: uint64(s.recvLimit)})
	put(sendMaxStreams, frame.Frame{Type: frame.MaxStreams, Value: uint64(s.taken[Bidi].limit)})
	put(sendMaxUniStreams, frame.Frame{Type: frame.MaxUniStreams, Value: uint64(s.taken[Uni].limit)})
	put(sendGoAway, frame.Frame{Type: frame.GoAway})
	if s.toSend&sendPing != 0 && room(p) >= frame.MaxControl {
		s.toSend &^= sendPing
		s.ping.token, s.ping.underway, s.ping.sentAt = s.ping.asked, true, at
		p = frame.Append(p, frame.Frame{Type: frame.Ping, Value: s.ping.token})
	}
	for len(s.pongs) > 0 && room(p) >= frame.MaxControl {
		p = frame.Append(p, frame.Frame{Type: frame.Pong, Value: s.pongs[0]})
		s.pongs = s.pongs[1:]
	}
	return p
}

// packControls packs frames about streams. They are made from the streams' present
// state, so however often that changed, one frame of a kind is sent.
func (s *Session) packControls(p []byte) []byte {
	i := 0
	for i < len(s.controls) && room(p) >= 4*frame.MaxControl {
		st := s.controls[i]
		s.controls[i] = nil
		st.inControl = false
		p = s.packControl(p, st)
		i++
	}
	if i == len(s.controls) {
		s.controls = s.controls[:0]
	} else {
		s.controls = s.controls[i:]
	}
	return p
}

func (s *Session) packControl(p []byte, st *Stream) []byte {
	c := st.control
	st.control = 0
	if c&ctlOpen != 0 && c&ctlFin == 0 {
		p = frame.Append(p, frame.Frame{Type: frame.Stream, Stream: st.id})
	}
	if c&ctlPriority != 0 {
		p = frame.Append(p, frame.Frame{
			Type: frame.Priority, Stream: st.id, Value: st.priorities,
			Urgency: st.urgency, Incremental: st.incremental,
		})
	}
	if c&ctlWindow != 0 {
		p = frame.Append(p, frame.Frame{Type: frame.MaxStreamData, Stream: st.id, Value: uint64(st.recv.limit)})
	}
	if c&ctlStop != 0 {
		p = frame.Append(p, frame.Frame{Type: frame.StopSending, Stream: st.id, Value: st.recv.stopCode})
	}
	switch {
	case c&ctlReset != 0:
		p = frame.Append(p, frame.Frame{Type: frame.ResetStream, Stream: st.id, Value: st.send.code, Size: st.send.offset})
	case c&ctlFin != 0:
		p = frame.Append(p, frame.Frame{Type: frame.Stream, Stream: st.id, Value: uint64(st.send.offset), Fin: true})
	}
	if c&(ctlReset|ctlFin) != 0 {
		st.send.sent = true
		s.settle(st)
	}
	return p
}

// packData packs pieces of streams, in the order of the scheduler.
func (s *Session) packData(p []byte, own *Stream) (_, lent []byte) {
	for {
		st := s.sched.first()
		if st == nil {
			return p, nil
		}
		w := &st.send
		n := int(min(int64(len(w.pending)), w.limit-w.offset, s.sendLimit-s.sent, int64(s.cfg.MaxFrame)))
		if n <= 0 {
			return p, nil // the session's window is used up
		}
		header := frame.SizeStreamHeader(st.id, w.offset)
		space := room(p) - header
		switch {
		case space <= 0 || space < smallTail && n > space:
			return p, nil
		case st == own && n >= worthLending:
			n = min(n, space)
			lent = w.pending[:n:n]
			p = frame.AppendStreamHeader(p, st.id, w.offset, -1, false)
			s.advance(st, n)
			return p, lent
		case n >= space && s.cfg.Messages && s.sched.only(st):
			n = min(n, evenPart(len(w.pending), space-frame.SizeVarint(uint64(space))))
			p = frame.AppendStreamHeader(p, st.id, w.offset, n, false)
			p = append(p, w.pending[:n]...)
			s.advance(st, n)
			return p, nil
		case n >= space:
			n = space
			p = frame.AppendStreamHeader(p, st.id, w.offset, -1, false)
		default:
			if space -= frame.SizeVarint(uint64(n)); space < n {
				n = space
			}
			p = frame.AppendStreamHeader(p, st.id, w.offset, n, false)
		}
		p = append(p, w.pending[:n]...)
		s.advance(st, n)
	}
}

// evenPart returns the size of the first part where n bytes are cut into as few as
// possible of at most limit bytes, nearly equal ones: messages of one size leave together.
func evenPart(n, limit int) int {
	parts := (n + limit - 1) / limit
	return (n + parts - 1) / parts
}

// evenOut pads packet p, which is mostly data, to the size of the one before if little
// is missing.
func (s *Session) evenOut(p []byte) []byte {
	missing := s.packed - len(p)
	if s.cfg.Messages && 0 < missing && missing <= min(smallTail, room(p)) && len(p) >= cap(p)/2 {
		p = p[:len(p)+missing]
		clear(p[len(p)-missing:]) // PADDING
	}
	s.packed = len(p)
	return p
}

// advance notes that n bytes of st were packed.
func (s *Session) advance(st *Stream, n int) {
	w := &st.send
	w.pending = w.pending[n:]
	w.offset += int64(n)
	s.sent += int64(n)
	s.stats.BytesSent += int64(n)
	s.budgets.limits.earn(float64(n) / bytesPerLimit)
	s.sched.served(st, n)
	if len(w.pending) == 0 {
		w.pending = nil
		s.sched.remove(st)
		st.wakeUp(WakeWrite)
	} else if w.offset == w.limit {
		s.sched.remove(st)
	}
}

// AppendDatagram appends a packet that holds datagram b.
func AppendDatagram(p, b []byte) []byte {
	return frame.Append(p, frame.Frame{Type: frame.Datagram, Data: b})
}
