package mux

import (
	"net"
	"sync"
	"time"

	"github.com/udtgo/udtgo/mux/internal/proto"
)

// A Stream is an ordered byte stream of a session. It implements net.Conn.
// Multiple goroutines may invoke methods on a Stream simultaneously. Concurrent
// Writes are not interleaved.
type Stream struct {
	s *Session

	// Guarded by the session's mu.
	core         proto.Stream
	rcond, wcond sync.Cond
	rdead, wdead deadline
	writing      bool // a Write has the stream
	closed       bool
}

var _ net.Conn = (*Stream)(nil)

// newStream makes a stream for the core.
func (s *Session) newStream() *proto.Stream {
	st := &Stream{s: s}
	st.core.Owner = st
	st.rcond.L, st.wcond.L = &s.mu, &s.mu
	return &st.core
}

// ID returns the number of the stream, which is the same on both sides.
func (st *Stream) ID() int64 { return st.core.ID() }

// Session returns the session of the stream.
func (st *Stream) Session() *Session { return st.s }

// IsReadOnly reports whether only the peer sends on the stream.
func (st *Stream) IsReadOnly() bool { return st.core.ReadOnly() }

// IsWriteOnly reports whether only we send on the stream.
func (st *Stream) IsWriteOnly() bool { return st.core.WriteOnly() }

// LocalAddr returns the local address of the session's connection.
func (st *Stream) LocalAddr() net.Addr { return st.s.LocalAddr() }

// RemoteAddr returns the peer's address of the session's connection.
func (st *Stream) RemoteAddr() net.Addr { return st.s.RemoteAddr() }

// SetPriority sets when the stream's data are sent if several streams have some, as
// RFC 9218: those of a lower urgency, 0 to 7, go first; of equal ones those that
// are incremental take turns, others are sent one after the other. Streams that would
// have to wait get a sixteenth of the bytes, so that none starves. The default is 3,
// incremental; values out of range become the nearest one in it. If we opened the
// stream, and it is bidirectional, the peer uses the same for its direction unless it
// calls SetPriority itself; peers put up with a thousand changes per second.
func (st *Stream) SetPriority(urgency int, incremental bool) {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.core.SetPriority(uint8(min(max(urgency, 0), 7)), incremental)
	st.s.noteLocked()
}

// Close closes both directions: what was written is delivered and the peer then
// reads io.EOF, unread data are discarded and the peer's writes fail. It does not
// wait. Blocked calls return net.ErrClosed, and so does Close of a closed stream.
func (st *Stream) Close() error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	if st.closed {
		return st.s.opError("close", net.ErrClosed)
	}
	st.endLocked()
	_ = st.core.CloseWrite() // an end that is reached already
	_ = st.core.CloseRead(0) // is as good
	st.s.noteLocked()
	return nil
}

// endLocked marks the stream as closed by the application and wakes its calls.
func (st *Stream) endLocked() {
	st.closed = true
	st.rdead.stopLocked()
	st.wdead.stopLocked()
	st.s.reader.wakeLocked(&st.rcond)
	st.wcond.Broadcast()
	st.s.interruptLocked(st)
}

// CloseWrite ends the writing side; the peer reads io.EOF after the data. It does not
// wait; a Write that waits fails. The error is net.ErrClosed if it was closed before,
// and a *StreamError if the peer reads no more.
func (st *Stream) CloseWrite() error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	err := st.core.CloseWrite()
	st.s.interruptLocked(st)
	st.s.noteLocked()
	return st.s.opError("close", err)
}

// CloseRead asks the peer to stop sending; unread data is discarded. The peer's
// Write fails with a *StreamError of code 0, and our Reads with net.ErrClosed. It does
// not wait.
func (st *Stream) CloseRead() error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	err := st.core.CloseRead(0)
	st.s.noteLocked()
	return st.s.opError("close", err)
}

// Reset abandons both directions; the peer sees a *StreamError with code, which should
// be below 2^32. What was written and not yet read by the peer may be lost. A direction
// that has ended, by CloseWrite or the peer's, stays as it is. Reset does not wait; the
// error is net.ErrClosed if there was nothing left to abandon.
func (st *Stream) Reset(code uint64) error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	if st.closed && st.core.Ended() {
		return st.s.opError("close", net.ErrClosed)
	}
	st.endLocked()
	_ = st.core.Reset(min(code, maxCode))
	st.s.noteLocked()
	return nil
}

// SetDeadline sets the read and write deadlines, as net.Conn describes.
func (st *Stream) SetDeadline(t time.Time) error { return st.setDeadlines(t, true, true) }

// SetReadDeadline sets the deadline of future and present Reads. A deadline in the
// past makes them fail at once; the zero Time lifts it.
func (st *Stream) SetReadDeadline(t time.Time) error { return st.setDeadlines(t, true, false) }

// SetWriteDeadline sets the deadline of future and present Writes. What they had
// counted before is delivered.
func (st *Stream) SetWriteDeadline(t time.Time) error { return st.setDeadlines(t, false, true) }

func (st *Stream) setDeadlines(t time.Time, read, write bool) error {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.closed {
		return s.opError("set", net.ErrClosed)
	}
	if read {
		st.rdead.setLocked(&s.mu, t, func() { s.reader.wakeLocked(&st.rcond) })
	}
	if write {
		st.wdead.setLocked(&s.mu, t, func() {
			st.wcond.Broadcast()
			s.interruptLocked(st)
		})
	}
	return nil
}
