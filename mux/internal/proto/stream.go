package proto

import (
	"io"
	"time"
)

// Wake says which calls on a stream may go on.
type Wake uint8

const (
	WakeRead Wake = 1 << iota
	WakeWrite
)

// control is a set of frames about a stream that are to be sent.
type control uint8

const (
	ctlOpen  control = 1 << iota // an empty STREAM frame, so that the peer sees the stream
	ctlReset                     // instead of the rest of the data
	ctlStop                      // STOP_SENDING
	ctlWindow
	ctlPriority
	ctlFin // last: after all data
)

// A Stream is the state of one stream. The zero Stream is what Config.NewStream
// returns; Owner is the caller's.
type Stream struct {
	Owner any

	id   int64
	s    *Session
	recv recvHalf
	send sendHalf

	urgency     uint8
	incremental bool
	prioritySet bool   // by our application, whose word counts more than the peer's
	priorities  uint64 // changes told to the peer, or by it

	queued     bool // in the scheduler
	next, prev *Stream
	turn       int // bytes sent since its turn began

	control   control
	inControl bool // in Session.controls
	wake      Wake
	inWoken   bool // in Session.woken
	listed    bool // known to the session
}

// sendHalf is the direction to the peer.
type sendHalf struct {
	none     bool // the stream is read-only
	offset   int64
	limit    int64  // what the peer allows
	pending  []byte // lent by Offer
	finished bool   // the application is done with it
	over     bool   // FIN or RESET_STREAM is queued: no more data
	sent     bool   // and has gone out
	code     uint64 // of RESET_STREAM
	err      error  // why it is over, if not by CloseWrite
}

// recvHalf is the direction from the peer.
type recvHalf struct {
	none      bool // the stream is write-only
	buf       recvBuffer
	highest   int64 // end of the highest byte that arrived
	final     int64 // size of the stream, -1 if unknown
	limit     int64 // what we allow
	window    int64
	fragments int           // holes beyond what any stream may have
	grown     time.Duration // when the window was moved last
	finished  bool          // the application is done with it
	dropping  bool          // what arrives is discarded
	stopCode  uint64
	err       error // reset by the peer
}

// ID returns the number of the stream.
func (st *Stream) ID() int64 { return st.id }

// ReadOnly reports whether only the peer sends.
func (st *Stream) ReadOnly() bool { return st.send.none }

// WriteOnly reports whether only we send.
func (st *Stream) WriteOnly() bool { return st.recv.none }

// Offer lends b to be sent. It may be called when Left is 0. It fails if nothing
// can be sent any more.
func (st *Stream) Offer(b []byte) error {
	if err := st.WriteErr(); err != nil {
		return err
	}
	st.send.pending = b
	st.schedule()
	return nil
}

// Sent returns how many bytes of the stream were packed.
func (st *Stream) Sent() int64 { return st.send.offset }

// Left returns how many bytes of what was lent are not packed yet.
func (st *Stream) Left() int { return len(st.send.pending) }

// Withdraw takes back what was lent and not packed.
func (st *Stream) Withdraw() {
	st.send.pending = nil
	st.s.sched.remove(st)
}

// WriteErr returns why nothing can be sent, nil if it can.
func (st *Stream) WriteErr() error {
	switch {
	case st.s.err != nil:
		return st.s.err
	case st.send.none || st.send.finished && st.send.err == nil:
		return ErrClosed
	}
	return st.send.err
}

// schedule puts st where Pack finds it, if it has data that it may send.
func (st *Stream) schedule() {
	if len(st.send.pending) > 0 && st.send.offset < st.send.limit {
		st.s.sched.add(st)
	}
}

// Read takes bytes that arrived. It returns 0, nil if there are none yet, and
// io.EOF at the end of a finished stream.
func (st *Stream) Read(now time.Time, b []byte) (int, error) {
	r := &st.recv
	if r.none || r.dropping && r.err == nil {
		return 0, ErrClosed
	}
	if r.err != nil {
		r.finished = true
		st.s.settle(st)
		return 0, r.err
	}
	n := 0
	for n < len(b) {
		p := r.buf.peek(len(b) - n)
		if p == nil {
			break
		}
		n += copy(b[n:], p)
		r.buf.consume(len(p))
	}
	if n > 0 {
		st.s.consumed(now, st, int64(n))
		return n, nil
	}
	if r.final >= 0 && r.buf.start == r.final {
		r.finished = true
		st.s.settle(st)
		return 0, io.EOF
	}
	return 0, st.s.err
}

// Lend gives b to be filled with what arrives next, as Read has returned 0, nil. Bytes
// in order then need no place in between. TakeBack must follow. Where another call has
// lent something it does nothing, and reports so.
func (st *Stream) Lend(b []byte) bool {
	r := &st.recv
	if r.buf.lent != nil {
		return false
	}
	r.buf.lent, r.buf.filled = b, 0
	return true
}

// TakeBack ends what Lend began, and returns how many bytes were put there. They
// count as read.
func (st *Stream) TakeBack(now time.Time) int {
	r := &st.recv
	n := r.buf.filled
	r.buf.lent, r.buf.filled = nil, 0
	if n > 0 && !r.dropping {
		st.s.consumed(now, st, int64(n))
	}
	return n
}

// CloseWrite ends the direction to the peer after what was packed.
func (st *Stream) CloseWrite() error {
	w := &st.send
	switch {
	case w.none || w.finished && w.err == nil:
		return ErrClosed
	case w.err != nil:
		w.finished = true
		st.s.settle(st)
		return w.err
	}
	w.finished, w.over = true, true
	st.Withdraw()
	st.wakeUp(WakeWrite)
	st.mark(ctlFin)
	return nil
}

// CloseRead discards what arrived and asks the peer to send no more.
func (st *Stream) CloseRead(code uint64) error {
	r := &st.recv
	if r.none || r.finished && r.dropping {
		return ErrClosed
	}
	r.finished = true
	if !r.dropping {
		st.drop()
		if r.final < 0 {
			r.stopCode = code
			st.mark(ctlStop)
		}
	}
	st.wakeUp(WakeRead)
	st.s.settle(st)
	return nil
}

// Reset abandons both directions.
func (st *Stream) Reset(code uint64) error {
	if st.abandoned() && st.complete() {
		return ErrClosed
	}
	st.resetSend(&StreamError{Code: code})
	st.send.finished = true
	_ = st.CloseRead(code) // closed already is as good
	st.s.settle(st)
	return nil
}

// resetSend abandons the direction to the peer, unless its end has gone out.
func (st *Stream) resetSend(err *StreamError) {
	w := &st.send
	if w.none || w.sent || w.err != nil {
		return
	}
	w.over, w.err, w.code = true, err, err.Code
	st.Withdraw()
	st.control &^= ctlFin | ctlOpen // the frame opens the stream as well
	st.wakeUp(WakeWrite)
	st.mark(ctlReset)
}

// SetPriority sets urgency, 0 to 7 with 0 first, and whether the stream shares
// its turn with others of the same urgency. The peer is told if tell is set.
func (st *Stream) SetPriority(urgency uint8, incremental bool) {
	st.prioritySet = true
	if st.urgency == urgency && st.incremental == incremental {
		return
	}
	st.reprioritise(urgency, incremental)
	if st.Local() && !st.recv.none {
		st.priorities++
		st.mark(ctlPriority)
	}
}

func (st *Stream) reprioritise(urgency uint8, incremental bool) {
	st.s.sched.remove(st)
	st.urgency, st.incremental = urgency, incremental
	st.schedule()
}

// Local reports whether we opened the stream.
func (st *Stream) Local() bool { return openedByServer(st.id) == st.s.cfg.Server }

// mark queues frames about st.
func (st *Stream) mark(c control) {
	if !st.listed {
		return
	}
	st.control |= c
	if !st.inControl {
		st.inControl = true
		st.s.controls = append(st.s.controls, st)
	}
}

// wakeUp notes that calls on st may go on.
func (st *Stream) wakeUp(w Wake) {
	st.wake |= w
	if !st.inWoken {
		st.inWoken = true
		st.s.woken = append(st.s.woken, st)
	}
}

// drop discards what arrived and will arrive.
func (st *Stream) drop() {
	r := &st.recv
	st.control &^= ctlWindow
	held := r.highest - r.buf.start
	if !r.dropping {
		held += int64(r.buf.filled)
	}
	r.dropping = true
	r.buf.discard()
	r.buf.start, r.buf.ready = r.highest, r.highest
	st.s.fragmented(st)
	st.s.release(held)
}

// complete reports whether the peer knows, and has told, all there is about st.
func (st *Stream) complete() bool {
	sent := st.send.none || st.send.sent
	r := &st.recv
	received := r.none || r.err != nil || r.final >= 0 && (r.dropping || r.buf.ready == r.final)
	return sent && received
}

// abandoned reports whether the application is done with st.
func (st *Stream) abandoned() bool {
	return (st.send.none || st.send.finished) && (st.recv.none || st.recv.finished)
}

// Ended reports whether nothing is left to do for either side.
func (st *Stream) Ended() bool { return !st.listed }
