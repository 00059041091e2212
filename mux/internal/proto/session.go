package proto

import (
	"math"
	"strings"
	"time"

	"github.com/udtgo/udtgo/mux/internal/frame"
)

// A Session is the state of one side of a session.
type Session struct {
	cfg   Config
	epoch time.Time
	err   error // why it ended

	streams map[int64]*Stream
	opened  [2]opened   // by us, by Kind
	taken   [2]admitted // from the peer, by Kind
	waiting []*Stream   // for Accept
	peer    frame.Greeting
	met     bool // the peer's Hello has arrived

	sched    scheduler
	controls []*Stream // have frames to send besides data
	woken    []*Stream
	events   Events

	// Flow control of the session, in bytes over all streams.
	packed              int // size of the last packet
	sent, sendLimit     int64
	received, recvLimit int64
	done                int64 // read by the application, or discarded
	grown               int64 // of stream windows beyond Config.StreamWindow
	fragments           int   // of all streams

	toSend  sessionControl
	pongs   []uint64 // tokens to return
	ping    pinger
	heard   time.Duration // when a packet arrived last
	budgets budgets
	stats   Stats

	datagrams [][]byte // that arrived

	goAway     bool // we asked the peer to open no more
	peerGoAway bool
	closing    *frame.Frame // CLOSE, the last frame
	closed     bool         // it has been packed
}

// Events says what happened that is not about one stream.
type Events uint8

const (
	EventAccept   Events = 1 << iota // a stream waits for Accept
	EventOpen                        // Open may succeed, or fails now
	EventPong                        // a ping was answered
	EventDatagram                    // a datagram arrived
)

// sessionControl is a set of frames about the session that are to be sent.
type sessionControl uint8

const (
	sendHello sessionControl = 1 << iota
	sendMaxData
	sendMaxStreams
	sendMaxUniStreams
	sendGoAway
	sendPing
)

// opened counts the streams that we opened.
type opened struct {
	next  int64 // how many there were
	limit int64 // how many the peer allows
}

// admitted counts the streams that the peer opened.
type admitted struct {
	next     int64 // how many there were
	limit    int64 // how many we allow
	accepted int64 // taken by Accept
	ended    int64
}

// Stats are counters of a session.
type Stats struct {
	FramesReceived, PacketsReceived, PacketsSent int64
	BytesSent, BytesReceived                     int64 // of streams
	DatagramsReceived, DatagramsDropped          int64
	StreamsOpened, StreamsAccepted               int64
	RTT                                          time.Duration // smoothed, 0 if not known
}

// New returns a session at time now.
func New(cfg Config, now time.Time) *Session {
	s := &Session{
		cfg:       cfg,
		epoch:     now,
		streams:   make(map[int64]*Stream),
		toSend:    sendHello,
		sendLimit: EarlySessionWindow,
		recvLimit: cfg.SessionWindow,
		budgets:   newBudgets(cfg.Streams[Bidi] + cfg.Streams[Uni]),
		ping:      newPinger(),
	}
	s.peer.StreamWindow = EarlyStreamWindow
	for k := range s.opened {
		s.opened[k].limit = EarlyStreams
		s.taken[k].limit = s.admissible(Kind(k))
	}
	s.RequestPing(now)
	return s
}

// at returns now on the session's clock.
func (s *Session) at(now time.Time) time.Duration { return now.Sub(s.epoch) }

// Err returns why the session ended, nil if it lives.
func (s *Session) Err() error { return s.err }

// Stats returns the counters.
func (s *Session) Stats() Stats {
	s.stats.RTT = s.ping.rtt
	return s.stats
}

// Len returns how many streams there are.
func (s *Session) Len() int { return len(s.streams) }

// TakeWoken returns the streams on which something happened since it was called
// last, each with what it is; clear them with Stream.TakeWake. The slice is valid
// until the next call of any method.
func (s *Session) TakeWoken() []*Stream {
	w := s.woken
	s.woken = s.woken[:0]
	return w
}

// TakeWake returns what happened to st.
func (st *Stream) TakeWake() Wake {
	w := st.wake
	st.wake, st.inWoken = 0, false
	return w
}

// TakeEvents returns what happened since it was called last.
func (s *Session) TakeEvents() Events {
	e := s.events
	s.events = 0
	return e
}

// Open opens a stream. It returns nil, nil if the peer allows no more now.
func (s *Session) Open(k Kind) (*Stream, error) {
	o := &s.opened[k]
	switch {
	case s.err != nil:
		return nil, s.err
	case s.peerGoAway:
		return nil, ErrGoAway
	case o.next >= o.limit:
		return nil, nil
	}
	st := s.newStream(streamID(o.next, k, s.cfg.Server))
	o.next++
	s.stats.StreamsOpened++
	s.budgets.limits.earn(2) // Accept and its end may move a limit
	s.budgets.empty.earn(3)  // the peer's frames may cross ours
	st.mark(ctlOpen)
	return st, nil
}

// newStream makes the state of stream id.
func (s *Session) newStream(id int64) *Stream {
	st := s.cfg.NewStream()
	st.id, st.s, st.listed = id, s, true
	st.urgency, st.incremental = 3, true
	local := openedByServer(id) == s.cfg.Server
	uni := kindOf(id) == Uni
	st.recv.none, st.send.none = uni && local, uni && !local
	st.recv.final, st.recv.window = -1, s.cfg.StreamWindow
	st.recv.limit = st.recv.window
	st.send.limit = int64(min(s.peer.StreamWindow, math.MaxInt64))
	s.streams[id] = st
	return st
}

// Accept returns the next stream that the peer opened, nil if there is none.
func (s *Session) Accept() *Stream {
	if len(s.waiting) == 0 {
		return nil
	}
	st := s.waiting[0]
	s.waiting[0] = nil
	s.waiting = s.waiting[1:]
	if len(s.waiting) > 0 {
		s.events |= EventAccept // for the next caller
	}
	k := kindOf(st.id)
	s.taken[k].accepted++
	s.stats.StreamsAccepted++
	s.admit(k)
	return st
}

// admissible returns how many streams the peer may have opened: so many that
// neither those that live nor those that wait for Accept are too many. Only what
// the application has done moves it, so that a peer which opens and resets streams
// waits for the application like any other.
func (s *Session) admissible(k Kind) int64 {
	t := &s.taken[k]
	return min(t.ended+s.cfg.Streams[k], t.accepted+s.cfg.Backlog)
}

// admit moves the limit of streams, if that is worth a frame.
func (s *Session) admit(k Kind) {
	t := &s.taken[k]
	limit := s.admissible(k)
	room := min(s.cfg.Streams[k], s.cfg.Backlog)
	if s.goAway || limit <= t.limit || limit-t.limit < room/4 && t.limit-t.next > room/2 {
		return
	}
	t.limit = limit
	s.toSend |= sendMaxStreams << k
}

// settle forgets st if both sides are done with it.
func (s *Session) settle(st *Stream) {
	if !st.listed || !st.abandoned() || !st.complete() {
		return
	}
	st.listed, st.control = false, 0
	s.sched.remove(st)
	s.grown -= st.recv.window - s.cfg.StreamWindow
	delete(s.streams, st.id)
	if !st.Local() {
		k := kindOf(st.id)
		s.taken[k].ended++
		s.admit(k)
	}
}

// GoAway asks the peer to open no more streams.
func (s *Session) GoAway() {
	if !s.goAway {
		s.goAway = true
		s.toSend |= sendGoAway
	}
}

// Close ends the session with the application's err. The last packet tells the
// peer code and reason.
func (s *Session) Close(err error, code uint64, reason string) {
	if s.err != nil {
		return
	}
	if len(reason) > MaxReason {
		reason = strings.ToValidUTF8(reason[:MaxReason], "") // not half a character
	}
	s.closing = &frame.Frame{Type: frame.Close, Value: code, Data: []byte(reason)}
	s.Fail(err)
}

// Fail ends the session with err: the carrier is lost. Streams keep what arrived.
func (s *Session) Fail(err error) {
	if s.err != nil {
		return
	}
	s.err = err
	for _, st := range s.streams {
		st.Withdraw()
		st.wakeUp(WakeRead | WakeWrite)
	}
	s.events |= EventAccept | EventOpen | EventPong | EventDatagram
}
