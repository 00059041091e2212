package mux

import (
	"errors"
	"io"
	"os"
	"time"
)

// takeover is after how long an unread carrier gets a reader goroutine again. One to
// two of it pass.
const takeover = time.Millisecond

// lendAfter is how often in a row the reader goroutine must have woken the only Read
// that waits before that reads the carrier itself.
const lendAfter = 3

// A readerRole is the right to read the carrier, as the turn in package udt to read
// the socket. Usually a goroutine has it. But where one Read alone waits for data,
// that had better read the carrier itself: what arrives is then copied once, by the
// goroutine that wants it, and none has to be woken. The goroutine ends when it has
// woken such a Read, whose next wait takes the role; if there is none in time, a
// goroutine takes over again.
//
// The session's mutex guards it.
type readerRole struct {
	taken    bool
	leader   *Stream // whose Read has it, nil if a goroutine has it
	handling bool    // the leader is handling what it has read
	stopped  bool    // its call of the carrier was ended by a deadline
	waiting  int     // Reads that wait for data
	woken    int     // in a row, by the goroutine, of one that waited alone
	used     bool    // a Read had the role since the timer was armed
	armed    bool
	timer    *time.Timer
}

// readLoop handles what arrives. It never writes, and never waits for a stream.
func (s *Session) readLoop() {
	for {
		err := s.carrier.read(s.handler)
		s.mu.Lock()
		r := &s.reader
		switch {
		case err != nil:
			s.endReadingLocked(err)
			s.mu.Unlock()
			return
		case r.woken >= lendAfter && s.core.Err() == nil && s.carrier.mayInterrupt():
			r.woken = 0
			s.passReadingLocked()
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}

// endReadingLocked gives the role up for good.
func (s *Session) endReadingLocked(err error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	s.failLocked(err)
	close(s.readDone)
}

// awaitReadableLocked waits until something has happened to the receiving side of st,
// or reads the carrier once if nobody does. Either way the caller looks again.
func (s *Session) awaitReadableLocked(st *Stream) {
	r := &s.reader
	r.waiting++
	defer func() { r.waiting-- }()
	if r.taken || s.core.Err() != nil {
		st.rcond.Wait()
		return
	}
	r.taken, r.leader, r.used = true, st, true
	s.mu.Unlock()
	err := s.carrier.read(s.handler)
	s.mu.Lock()
	r.leader = nil
	if r.stopped {
		r.stopped = false
		_ = s.conn.SetReadDeadline(time.Time{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
	}
	switch {
	case err != nil:
		s.endReadingLocked(err)
	case r.waiting > 1 || s.core.Err() != nil:
		go s.readLoop()
	default:
		s.passReadingLocked()
	}
}

// passReadingLocked leaves the role to whoever takes it next.
func (s *Session) passReadingLocked() {
	r := &s.reader
	r.taken = false
	switch {
	case r.armed:
		return
	case r.timer == nil:
		r.timer = time.AfterFunc(takeover, s.takeReading)
	default:
		r.timer.Reset(takeover)
	}
	r.armed = true
}

// takeReading makes a goroutine read the carrier if no Read has done so lately.
func (s *Session) takeReading() {
	s.mu.Lock()
	r := &s.reader
	r.armed = false
	switch {
	case r.taken && !r.used:
	case r.used:
		r.used = false
		r.timer.Reset(takeover)
		r.armed = true
	default:
		r.taken = true
		s.mu.Unlock()
		s.readLoop()
		return
	}
	s.mu.Unlock()
}

// wakeReadLocked wakes the Reads of st. One that reads the carrier is interrupted,
// unless it is what got here.
func (s *Session) wakeReadLocked(st *Stream) {
	st.rcond.Broadcast()
	r := &s.reader
	if r.leader == st && !r.handling && !r.stopped {
		r.stopped = true
		_ = s.conn.SetReadDeadline(longAgo)
	}
}
