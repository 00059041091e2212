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
	switch {
	case len(p) > MaxPacket:
		return violation(CodeProtocol, "packet of %d bytes", len(p))
	case len(p) == 0:
		return s.idle(at)
	}
	for first := true; len(p) > 0; first = false {
		f, rest, err := frame.Parse(p)
		switch {
		case !s.met && !s.cfg.Messages && (err != nil || f.Type != frame.Hello):
			return violation(CodeProtocol, "peer does not speak mux")
		case err != nil:
			return violation(CodeProtocol, "malformed frame")
		case f.Type == frame.Padding && !first:
			return nil
		}
		s.stats.FramesReceived++
		if err := s.handle(at, &f); err != nil {
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

func (s *Session) handle(at time.Duration, f *frame.Frame) error {
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
