package udt

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// writeSide is what calls that write share. Conn.mu guards it.
type writeSide struct {
	role                // of uncommitted slots
	space     waitPoint // at most one call waits there: the holder of the role
	need      int       // message mode: the room it waits for
	deadline  deadline
	commits   int  // counts what was added
	answering bool // something was read since the last Write
	tookLast  bool // a Write was taken and discarded after the end
}

func (w *writeSide) init(mu *sync.Mutex) { w.turn.L, w.space.L = mu, mu }

// Write writes data, as net.Conn describes: it returns when all of b has been
// copied to the send buffer, waiting for room under the write deadline. In
// ModeMessage it sends b as one ordered message. Once the peer has closed, Write
// returns syscall.EPIPE; as with TCP the first one may still be taken, and is lost,
// if no Read has returned the end before.
func (c *Conn) Write(b []byte) (int, error) {
	v := [1][]byte{b}
	return c.WriteBuffers(v[:])
}

// WriteBuffers writes the contents of v in order as one Write. In ModeMessage
// they become one message.
func (c *Conn) WriteBuffers(v [][]byte) (int, error) {
	total := 0
	for _, b := range v {
		total += len(b)
	}
	if c.mode == ModeMessage {
		if err := c.writeMessage(v, total, MessageOptions{}); err != nil {
			return 0, err
		}
		return total, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.beginWriteLocked(); err != nil {
		if err == syscall.EPIPE && c.takeLastLocked() {
			return total, nil
		}
		return 0, c.opError("write", err)
	}
	defer c.endWriteLocked()
	n := 0
	for n < total {
		k, err := c.writeSomeLocked(v, n, total-n)
		n += k
		if err != nil {
			return n, c.opError("write", err)
		}
	}
	return n, nil
}

// writeSomeLocked waits for room and fills it from v, of which n bytes are left from
// off on, with the lock given up for the copy, and sends if that is worth it.
func (c *Conn) writeSomeLocked(v [][]byte, off, n int) (int, error) {
	for {
		switch {
		case c.end.closed:
			return 0, net.ErrClosed
		case c.write.deadline.expired:
			return 0, errTimeout
		}
		if err := c.writeErrLocked(); err != nil {
			c.end.told = true
			return 0, err
		}
		r := c.core.Reserve(n)
		if r.Size() == 0 {
			c.awaitSpaceLocked()
			continue
		}
		c.mu.Unlock()
		fill(&r, v, off)
		c.mu.Lock()
		now := c.tx.polled
		if !c.tx.looping && !c.tx.sending {
			now = time.Now() // otherwise whoever sends knows what time it is
		}
		c.core.Commit(now, &r, r.Size())
		c.committedLocked(now)
		return r.Size(), nil
	}
}

// committedLocked sends what was committed: from this goroutine if nothing is
// under way or a full batch is ready, so that no other has to be woken.
func (c *Conn) committedLocked(now time.Time) {
	w := &c.write
	w.commits++
	e := effortWorth
	if w.answering && !c.tx.looping {
		e = effortBatch // the peer waits for it
	}
	w.answering = false
	c.settleLocked(now, e)
}

// awaitSpaceLocked waits until there may be room in the send buffer. It does not read
// the socket: the peer may fill it faster than it is read here.
func (c *Conn) awaitSpaceLocked() {
	c.write.space.waiting++
	c.write.space.Wait()
	c.write.space.waiting--
}

func (c *Conn) writableLocked() bool {
	if c.write.need > 0 {
		return c.core.WritableMessage(c.write.need)
	}
	return c.core.Writable()
}

// writeErrLocked returns why nothing can be written.
func (c *Conn) writeErrLocked() error {
	if c.end.closed {
		return net.ErrClosed
	}
	err := fromCore(c.core.WriteErr())
	if err == io.EOF {
		return syscall.EPIPE
	}
	return err
}

// takeLastLocked reports whether to take a Write, and discard it, although the
// peer has closed: one is taken if no call has told the application of the end
// yet, as if it had been made just before the peer's Shutdown arrived. TCP does
// the same, and protocols count on it that say goodbye on both sides, such as
// crypto/tls, whose Close fails if its alert cannot be written.
func (c *Conn) takeLastLocked() bool {
	if c.end.told {
		return false
	}
	c.end.told, c.write.tookLast = true, true
	return true
}

// beginWriteLocked takes the writing role. Waiting calls take it in turn.
func (c *Conn) beginWriteLocked() error {
	for {
		switch {
		case c.end.closed:
			return net.ErrClosed
		case c.write.deadline.expired:
			return errTimeout
		}
		if err := c.writeErrLocked(); err != nil {
			c.write.turn.Signal() // it is no better for the next one
			return err
		}
		if !c.write.held {
			c.write.held = true
			return nil
		}
		c.write.turn.Wait()
	}
}

func (c *Conn) endWriteLocked() {
	c.write.release()
	c.freeLocked()
}

// ReadFrom implements io.ReaderFrom: it writes what it reads from r until r
// returns io.EOF, which is not an error, or until an error. It obeys the write
// deadline. In ModeMessage each Read of r becomes one message.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	buf := transferBuffers.Get().(*[64 << 10]byte)
	defer transferBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{r}, buf[:])
}
