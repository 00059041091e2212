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

// IsWriteOnly reports whether only this side sends on the stream.
func (st *Stream) IsWriteOnly() bool { return st.core.WriteOnly() }

// LocalAddr returns the local address of the session's connection.
func (st *Stream) LocalAddr() net.Addr { return st.s.LocalAddr() }

// RemoteAddr returns the peer's address of the session's connection.
func (st *Stream) RemoteAddr() net.Addr { return st.s.RemoteAddr() }

// SetPriority sets in which order the data of streams are sent, as RFC 9218 describes.
// Streams of a lower urgency, from 0 to 7, go first. Among streams of equal urgency the
// incremental ones take turns, and the others are sent one after the other. Streams
// that have to wait still get a sixteenth of the bytes. The default is urgency 3,
// incremental; an urgency out of range counts as the nearest in range. If we opened the
// stream, and it is bidirectional, the peer uses the same priority for its direction
// unless it calls SetPriority itself. A peer may end a session with CodeFlood for more
// than a thousand changes per second.
func (st *Stream) SetPriority(urgency int, incremental bool) {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.core.SetPriority(uint8(min(max(urgency, 0), 7)), incremental)
	st.s.noteLocked()
}

// Close closes both directions. What was written is delivered, and the peer then reads
// io.EOF. Unread data are discarded, and the peer's Writes fail. Close does not wait.
// Blocked calls return net.ErrClosed, and so does Close of a closed stream.
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
// wait; a Write that waits fails. The error is net.ErrClosed if the writing side was
// closed before, and a *StreamError if the peer has closed its reading side.
func (st *Stream) CloseWrite() error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	err := st.core.CloseWrite()
	st.s.interruptLocked(st)
	st.s.noteLocked()
	return st.s.opError("close", err)
}

// CloseRead asks the peer to stop sending, and discards unread data. The peer's Writes
// fail with a *StreamError of code 0, and our Reads with net.ErrClosed. It does not
// wait.
func (st *Stream) CloseRead() error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	err := st.core.CloseRead(0)
	st.s.noteLocked()
	return st.s.opError("close", err)
}

// Reset abandons both directions. The peer sees a *StreamError with code, which should
// be below 2^32. What was written and not yet read by the peer may be lost. A direction
// that ended before, by our CloseWrite or the peer's, stays as it is. Reset does not
// wait. The error is net.ErrClosed if no direction was left to abandon.
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

// SetReadDeadline sets the deadline of future and pending Reads. A deadline in the past
// makes them fail at once; the zero Time means no deadline.
func (st *Stream) SetReadDeadline(t time.Time) error { return st.setDeadlines(t, true, false) }

// SetWriteDeadline sets the deadline of future and pending Writes. A Write that fails
// returns how many bytes it has sent; these are delivered.
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
