package udt

import (
	"io"
	"net"
	"sync"
	"time"
)

// maxPieces is how many packets one Read copies from under one lock.
const maxPieces = 64

// Read reads data, as net.Conn describes. In ModeMessage it reads one message,
// as ReadMessage does. After the peer's Close it returns everything that was
// sent and then io.EOF.
func (c *Conn) Read(b []byte) (int, error) {
	if c.mode == ModeMessage {
		return c.readMessage(b)
	}
	if len(b) == 0 {
		return 0, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.beginReadLocked(); err != nil {
		return 0, c.opError("read", err)
	}
	defer c.endReadLocked()
	if err := c.awaitDataLocked(); err != nil {
		return 0, c.opError("read", err)
	}
	var array [maxPieces][]byte
	pieces := c.core.Pieces(len(b), array[:0])
	n := c.copyOutLocked(b, pieces)
	if !c.closed {
		c.core.Consume(time.Now(), n)
		c.consumedLocked()
	}
	return n, nil
}

// copyOutLocked copies pieces to b with the lock given up. Closing waits for it,
// so the pieces stay valid.
func (c *Conn) copyOutLocked(b []byte, pieces [][]byte) int {
	c.copying = true
	c.mu.Unlock()
	n := 0
	for _, p := range pieces {
		k := copy(b[n:], p)
		n += k
		if k < len(p) {
			break
		}
	}
	c.mu.Lock()
	c.copying = false
	if c.waiters > 0 {
		c.wakeLocked(&c.changed)
	}
	return n
}

// consumedLocked announces a window that reading has opened.
func (c *Conn) consumedLocked() {
	c.answering = true
	if c.core.AckDue() {
		c.transmitLocked(1, false)
	}
}

// beginReadLocked takes the reading role. Waiting calls take it in turn.
func (c *Conn) beginReadLocked() error {
	for {
		switch {
		case c.closed:
			return net.ErrClosed
		case c.rdead.expired:
			return errTimeout
		case !c.reading:
			c.reading = true
			return nil
		}
		c.rturn.Wait()
	}
}

func (c *Conn) endReadLocked() {
	c.reading = false
	c.rturn.Signal()
	c.freeLocked()
}

// awaitDataLocked waits until there is something to read, and returns why there
// will be nothing.
func (c *Conn) awaitDataLocked() error {
	for {
		switch {
		case c.closed:
			return net.ErrClosed
		case c.rdead.expired:
			return errTimeout
		case c.core.Readable():
			return nil
		}
		if err := c.readErrLocked(); err != nil {
			c.endTold = true
			return err
		}
		c.rwait = true
		c.waitOnLocked(&c.rdata)
		c.rwait = false
	}
}

// transferBuffers serve ReadFrom and WriteTo.
var transferBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// WriteTo implements io.WriterTo: it writes what is received to w until io.EOF,
// which is not an error, or until an error. It obeys the read deadline. In
// ModeMessage each Write to w gets one message.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	if c.mode == ModeMessage {
		return c.writeMessagesTo(w)
	}
	buf := transferBuffers.Get().(*[64 << 10]byte)
	defer transferBuffers.Put(buf)
	var total int64
	for {
		n, err := c.Read(buf[:])
		if n > 0 {
			k, werr := w.Write(buf[:n])
			total += int64(max(k, 0))
			if werr != nil {
				return total, werr
			}
			if k < n {
				return total, io.ErrShortWrite
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
