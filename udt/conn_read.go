package udt

import (
	"io"
	"net"
	"sync"
	"time"
)

// maxPieces is how many packets one Read copies from under one lock.
const maxPieces = 64

// readSide is what calls that read share. Conn.mu guards it.
type readSide struct {
	role          // of the in-order bytes that are not consumed
	copying  bool // the holder of the role copies out of buffers
	data     waitPoint
	deadline deadline
	closed   bool // by CloseRead
	served   int  // how often the reader of the socket has given data to a waiting call
}

func (r *readSide) init(mu *sync.Mutex) { r.turn.L, r.data.L = mu, mu }

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
	c.consumeLocked(func(now time.Time) bool { return c.core.Consume(now, n) })
	return n, nil
}

// copyOutLocked copies pieces to b with the lock given up. Closing waits for it,
// so the pieces stay valid.
func (c *Conn) copyOutLocked(b []byte, pieces [][]byte) int {
	c.read.copying = true
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
	c.read.copying = false
	if c.end.progress.waiting > 0 {
		c.wakeLocked(&c.end.progress)
	}
	return n
}

// awaitCopyLocked waits until the reader has copied, which never blocks.
func (c *Conn) awaitCopyLocked() {
	for c.read.copying {
		c.awaitProgressLocked()
	}
}

// consumeLocked has consume take what was read from the core, unless the connection
// was closed meanwhile, and announces the window that this has opened.
func (c *Conn) consumeLocked(consume func(now time.Time) (ackDue bool)) {
	c.write.answering = true
	if c.end.closed {
		return
	}
	e := effortNone
	now := time.Now()
	if consume(now) {
		e = effortBatch
	}
	c.settleLocked(now, e)
}

// readErrLocked returns why nothing more will be read, nil if more may come.
func (c *Conn) readErrLocked() error {
	if c.end.closed {
		return net.ErrClosed
	}
	if c.read.closed {
		return io.EOF
	}
	return fromCore(c.core.ReadErr())
}

// beginReadLocked takes the reading role. Waiting calls take it in turn.
func (c *Conn) beginReadLocked() error {
	for {
		switch {
		case c.end.closed:
			return net.ErrClosed
		case c.read.deadline.expired:
			return errTimeout
		case !c.read.held:
			c.read.held = true
			return nil
		}
		c.read.turn.Wait()
	}
}

func (c *Conn) endReadLocked() {
	c.read.release()
	c.freeLocked()
}

// awaitDataLocked waits until there is something to read, and returns why there
// will be nothing.
func (c *Conn) awaitDataLocked() error {
	for {
		switch {
		case c.end.closed:
			return net.ErrClosed
		case c.read.deadline.expired:
			return errTimeout
		case c.core.Readable():
			return nil
		}
		if err := c.readErrLocked(); err != nil {
			c.end.told = true
			return err
		}
		c.awaitLocked(&c.read.data)
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
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{c}, buf[:])
}
