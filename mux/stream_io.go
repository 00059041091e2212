package mux

import (
	"io"
	"net"
	"sync"
	"time"
)

// maxRead is how many bytes one Read copies at most: it holds the session's mutex.
const maxRead = 128 << 10

// transferSize is how many bytes ReadFrom and WriteTo move at once.
const transferSize = 64 << 10

// transferBuffers are for ReadFrom and WriteTo.
var transferBuffers = sync.Pool{New: func() any { return new([transferSize]byte) }}

// Read reads data, as net.Conn describes. It waits for data under the read deadline.
// io.EOF means that the peer has ended the stream and that all of it was read. A stream
// or a session that ended in another way gives an error; if the session was lost, what
// had arrived in order is read first.
func (st *Stream) Read(b []byte) (int, error) {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case st.closed:
			return 0, s.opError("read", net.ErrClosed)
		case s.local:
			return 0, s.opError("read", s.core.Err())
		case st.rdead.expired:
			return 0, s.opError("read", errTimeout)
		case len(b) == 0:
			return 0, nil
		}
		n, err := st.core.Read(time.Now(), b[:min(len(b), maxRead)])
		if n > 0 || err != nil {
			s.noteLocked()
			return n, s.opError("read", err)
		}
		if n := st.awaitDataLocked(b[:min(len(b), maxRead)]); n > 0 {
			s.noteLocked()
			return n, nil
		}
	}
}

// awaitDataLocked waits until something has happened to the receiving side. It
// returns how many bytes were put into b meanwhile.
func (st *Stream) awaitDataLocked(b []byte) int {
	lent := st.core.Lend(b)
	st.s.reader.awaitLocked(&st.rcond)
	if !lent {
		return 0
	}
	return st.core.TakeBack(time.Now())
}

// Write writes data, as net.Conn describes. It returns when all of b was given to the
// connection, and waits for the windows of the stream and the session under the write
// deadline. If the peer has closed its reading side, Write fails at once with a
// *StreamError.
func (st *Stream) Write(b []byte) (int, error) {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for st.writing {
		if err := st.writeErrLocked(); err != nil {
			return 0, s.opError("write", err)
		}
		st.wcond.Wait()
	}
	if err := st.writeErrLocked(); err != nil {
		return 0, s.opError("write", err)
	}
	if len(b) == 0 {
		return 0, nil
	}
	before := st.core.Sent()
	if err := st.core.Offer(b); err != nil {
		return 0, s.opError("write", err)
	}
	st.writing = true
	defer func() {
		st.writing = false
		st.wcond.Broadcast() // other Writes
		s.noteLocked()
	}()
	err := st.drainLocked()
	n := int(st.core.Sent() - before)
	if n == len(b) {
		return n, nil
	}
	st.core.Withdraw()
	return n, s.opError("write", err)
}

// writeErrLocked returns why a Write cannot go on.
func (st *Stream) writeErrLocked() error {
	switch {
	case st.closed || st.s.local:
		if err := st.core.WriteErr(); err != nil {
			return err
		}
		return net.ErrClosed
	case st.wdead.expired:
		return errTimeout
	}
	return st.core.WriteErr()
}

// drainLocked waits until what was offered is packed. If nobody writes it writes
// itself, whatever the scheduler chooses, so that no goroutine has to be woken.
func (st *Stream) drainLocked() error {
	s := st.s
	for st.core.Left() > 0 {
		if err := st.writeErrLocked(); err != nil {
			return err
		}
		if !s.writer.busy && s.carrier.mayInterrupt() && (s.writer.batch != nil || s.core.Ready()) {
			s.sendLocked(st)
			continue
		}
		s.kickLocked()
		st.wcond.Wait()
	}
	return st.writeErrLocked()
}

// ReadFrom implements io.ReaderFrom: it writes what it reads from r until r
// returns io.EOF, which is not an error, or until an error.
func (st *Stream) ReadFrom(r io.Reader) (int64, error) {
	buf := transferBuffers.Get().(*[transferSize]byte)
	defer transferBuffers.Put(buf)
	var total int64
	for {
		n, err := r.Read(buf[:])
		if n > 0 {
			k, werr := st.Write(buf[:n])
			total += int64(k)
			if werr != nil {
				return total, werr
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// WriteTo implements io.WriterTo: it writes to w what it reads until the end of
// the stream, which is not an error, or until an error.
func (st *Stream) WriteTo(w io.Writer) (int64, error) {
	buf := transferBuffers.Get().(*[transferSize]byte)
	defer transferBuffers.Put(buf)
	var total int64
	for {
		n, err := st.Read(buf[:])
		if n > 0 {
			k, werr := w.Write(buf[:n])
			total += int64(max(k, 0))
			if werr == nil && k < n {
				werr = io.ErrShortWrite
			}
			if werr != nil {
				return total, werr
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}
