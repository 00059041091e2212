package mux

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/udtgo/udtgo/mux/internal/proto"
)

// A Session carries streams over one connection. It implements net.Listener, so any
// server that takes a Listener can serve its streams. Servers close their listener when
// they are shut down, and that ends the session with all its streams; the result of
// Listener does not end them. Multiple goroutines may invoke methods on a Session
// simultaneously. A Session that is not closed lives as long as its connection.
type Session struct {
	// Set before the Session is shared.
	conn     net.Conn
	carrier  carrier
	logger   *slog.Logger
	done     chan struct{} // closed when the session ends
	finished chan struct{} // closed when the connection is closed
	readDone chan struct{} // closed when nobody will read the carrier
	filler   messageFiller // nil if the carrier has none
	pack     func([]byte) (int, []byte)
	packRoom func([][]byte) int

	// mu guards what follows. It is not held across waits and calls of the carrier.
	mu   sync.Mutex
	core *proto.Session

	acceptable, openable, ponged, datagrams sync.Cond // for calls with a context

	reader readerLease
	writer writerLease

	timer   *time.Timer
	timerAt time.Time // when timer fires, zero if it is not armed
	closeBy time.Time // write deadline of a session that has ended
	local   bool      // ended by us
}

var _ net.Listener = (*Session)(nil)

// Client makes a session over conn, which the session takes over and closes: the
// caller must not use conn, nor set its deadlines. One peer of a connection must be the
// client and the other the server. A nil config means the zero Config. Client does not
// wait for the peer. If the peer speaks another protocol, the session ends with a
// *SessionError. The error is ErrConfig if a field of config is negative or out of
// range; conn is then left as it was.
func Client(conn net.Conn, config *Config) (*Session, error) { return newSession(conn, config, false) }

// Server is like Client for the other role.
func Server(conn net.Conn, config *Config) (*Session, error) { return newSession(conn, config, true) }

func newSession(conn net.Conn, config *Config, server bool) (*Session, error) {
	c, err := config.core(server)
	if err != nil {
		return nil, err
	}
	s := &Session{
		conn:     conn,
		carrier:  newCarrier(conn, c.MaxFrame),
		done:     make(chan struct{}),
		finished: make(chan struct{}),
		readDone: make(chan struct{}),
	}
	if config != nil {
		s.logger = config.Logger
	}
	for _, cond := range []*sync.Cond{&s.acceptable, &s.openable, &s.ponged, &s.datagrams, &s.writer.free} {
		cond.L = &s.mu
	}
	s.filler = s.carrier.filler()
	handle := s.handle
	s.packRoom = s.packInto // once, as a method value is an allocation
	s.pack = func(p []byte) (int, []byte) { return s.core.PackLent(s.writer.packAt, p, s.writer.lent) }
	_, c.Messages = s.carrier.(*messageCarrier)
	c.NewStream = s.newStream
	s.mu.Lock()
	defer s.mu.Unlock()
	s.core = proto.New(c, time.Now())
	s.reader = readerLease{
		mu:        &s.mu,
		read:      func() error { return s.carrier.read(handle) },
		interrupt: func() { _ = conn.SetReadDeadline(longAgo) },
		resume:    func() { _ = conn.SetReadDeadline(time.Time{}) },
		over:      s.readingOverLocked,
		able:      s.carrier.mayInterrupt(),
	}
	s.reader.startLocked()
	s.noteLocked()
	return s, nil
}

// handle takes packets that were read by the holder of the reader lease. It never
// writes, and never waits for a stream.
func (s *Session) handle(packets [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reader.handleLocked(func() (readable int, err error) { return s.handleLocked(packets) })
}

// handleLocked returns how many streams have become readable.
func (s *Session) handleLocked(packets [][]byte) (readable int, err error) {
	now := time.Now()
	for _, p := range packets {
		switch err := s.core.HandlePacket(now, p).(type) {
		case nil:
		case *proto.ProtocolError:
			s.closeLocked(&SessionError{err.Code, err.Reason, false}, err.Code, err.Reason)
			return 0, err
		default:
			s.failLocked(fromCore(err))
			return 0, err
		}
	}
	return s.noteLocked(), nil
}

// readingOverLocked ends the session when the carrier has failed, if it has not ended.
func (s *Session) readingOverLocked(err error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	s.failLocked(err)
	close(s.readDone)
}

// noteLocked does what is due after the core's state changed: it wakes calls that
// may go on, arms the timer, and has frames sent that wait. It returns how many
// streams have become readable.
func (s *Session) noteLocked() (readable int) {
	readable = s.wakeLocked()
	s.armLocked()
	s.kickLocked()
	return readable
}

func (s *Session) wakeLocked() (readable int) {
	for _, core := range s.core.TakeWoken() {
		st := core.Owner.(*Stream)
		w := core.TakeWake()
		if w&proto.WakeRead != 0 {
			s.reader.wakeLocked(&st.rcond)
			readable++
		}
		if w&proto.WakeWrite != 0 {
			st.wcond.Broadcast()
			if st.core.WriteErr() != nil && s.core.Err() == nil {
				s.interruptLocked(st) // the peer reads no more
			}
		}
	}
	e := s.core.TakeEvents()
	if e&proto.EventAccept != 0 {
		s.acceptable.Broadcast()
	}
	if e&proto.EventOpen != 0 {
		s.openable.Broadcast()
	}
	if e&proto.EventPong != 0 {
		s.ponged.Broadcast()
	}
	if e&proto.EventDatagram != 0 {
		s.datagrams.Broadcast()
	}
	return readable
}

// armLocked arms the timer if it is needed earlier than it would fire.
func (s *Session) armLocked() {
	next := s.core.Next()
	if next.IsZero() || !s.timerAt.IsZero() && !next.Before(s.timerAt) {
		return
	}
	s.timerAt = next
	left := time.Until(next)
	if s.timer == nil {
		s.timer = time.AfterFunc(left, s.fire)
	} else {
		s.timer.Reset(left)
	}
}

func (s *Session) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timerAt = time.Time{}
	if err := s.core.Advance(time.Now()); err != nil {
		s.failLocked(fromCore(err))
		return
	}
	s.noteLocked()
}

// awaitLocked waits on cond until try succeeds or ctx ends. A result of try counts,
// even if ctx has ended too.
func (s *Session) awaitLocked(ctx context.Context, cond *sync.Cond, try func() (bool, error)) error {
	ok, err := try()
	if ok || err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		cond.Broadcast()
	})
	defer stop()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		cond.Wait()
		if ok, err := try(); ok || err != nil {
			return err
		}
	}
}

// Addr returns the local address of the connection.
func (s *Session) Addr() net.Addr { return s.conn.LocalAddr() }

// LocalAddr returns the local address of the connection.
func (s *Session) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// RemoteAddr returns the peer's address of the connection.
func (s *Session) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }
