package udt

import (
	"io"
	"net"
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
)

// MessageOptions control the delivery of one message. With the zero value it is
// delivered as one that Write sends: in order, however long that takes.
type MessageOptions struct {
	// TTL is after how long a message that is not delivered is dropped. Zero means
	// never; negative is an error that Is ErrConfig.
	TTL time.Duration

	// Unordered lets a message be delivered ahead of earlier ones that are incomplete.
	// Other messages are delivered after every message sent before them.
	Unordered bool
}

// A Message is a message in memory that ReadMessages lends.
type Message struct {
	// Payload is the message. It must not be modified, nor used after Release.
	Payload []byte

	owner proto.Ref
}

// Release gives the message's memory back. It must be called once for each
// message that ReadMessages returned.
func (m *Message) Release() {
	if m.owner != nil {
		m.owner.Release()
	}
	*m = Message{}
}

// MaxMessage returns the size in bytes of the largest message that WriteMessage
// takes: it must fit Config.SendBuffer and the peer's window.
func (c *Conn) MaxMessage() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.MaxMessage()
}

// WriteMessage sends b as one message in ModeMessage. It returns when b has been
// copied to the send buffer, waiting for room under the write deadline; a
// message is accepted whole or not at all. An empty b sends nothing. The error is ErrMessageTooLong for a message over MaxMessage, and
// ErrMode in ModeStream.
func (c *Conn) WriteMessage(b []byte, opts MessageOptions) error {
	v := [1][]byte{b}
	return c.writeMessage(v[:], len(b), opts)
}

func (c *Conn) writeMessage(v [][]byte, size int, opts MessageOptions) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.beginWriteLocked(); err != nil {
		return c.opError("write", err)
	}
	defer c.endWriteLocked()
	if err := c.putMessageLocked(v, size, opts); err != nil {
		return c.opError("write", err)
	}
	c.committedLocked(time.Now())
	return nil
}

// WriteMessages sends each element of v as a message, with one lock and, where
// they fill packets, in one system call. It returns how many were accepted.
func (c *Conn) WriteMessages(v [][]byte, opts MessageOptions) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.beginWriteLocked(); err != nil {
		return 0, c.opError("write", err)
	}
	defer c.endWriteLocked()
	for done := 0; done < len(v); {
		n, err := c.putMessagesLocked(v[done:], opts)
		if err != nil {
			c.committedLocked(time.Now())
			return done, c.opError("write", err)
		}
		done += n
	}
	c.committedLocked(time.Now())
	return len(v), nil
}

// putMessagesLocked commits messages at the front of v, at least one, and returns
// how many: those that fit a packet each together.
func (c *Conn) putMessagesLocked(v [][]byte, opts MessageOptions) (int, error) {
	payload := c.core.Payload()
	n := 0
	for n < min(len(v), maxSolos) && len(v[n]) > 0 && len(v[n]) <= payload {
		n++
	}
	if n <= 1 || opts.TTL != 0 || c.mode != ModeMessage {
		return 1, c.putMessageLocked(v[:1], len(v[0]), opts)
	}
	r, err := c.reserveSolosLocked(n, len(v[0]))
	if err != nil {
		return 0, err
	}
	rooms := solos.Get().(*[maxSolos][]byte)
	n = min(n, r.Rooms(rooms[:]))
	c.mu.Unlock()
	for i := range n {
		rooms[i] = rooms[i][:copy(rooms[i], v[i])]
	}
	c.mu.Lock()
	c.core.CommitSolos(time.Now(), &r, rooms[:n], !opts.Unordered)
	clear(rooms[:])
	solos.Put(rooms)
	return n, nil
}

// putMessageLocked waits for room for a whole message and commits it.
func (c *Conn) putMessageLocked(v [][]byte, size int, opts MessageOptions) error {
	switch {
	case c.mode != ModeMessage:
		return ErrMode
	case opts.TTL < 0:
		return configError("TTL is %v, must not be negative", opts.TTL)
	case size > c.core.MaxMessage():
		return ErrMessageTooLong
	case size == 0:
		return nil
	}
	for !c.core.BeginMessage(time.Now(), size, opts.TTL, !opts.Unordered) {
		if err := c.awaitRoomLocked(size); err != nil {
			return err
		}
	}
	for done := 0; done < size; {
		r := c.core.Reserve(0)
		if r.Size() == 0 {
			return c.writeErrLocked() // closed meanwhile
		}
		c.mu.Unlock()
		fill(&r, v, done)
		c.mu.Lock()
		c.core.Commit(time.Now(), &r, r.Size())
		done += r.Size()
	}
	return nil
}

// fill fills r with the bytes of v from offset off on.
func fill(r *proto.Reservation, v [][]byte, off int) {
	n := 0
	for _, b := range v {
		if n == r.Size() {
			return
		}
		if off >= len(b) {
			off -= len(b)
			continue
		}
		n += r.Copy(n, b[off:])
		off = 0
	}
}

// awaitRoomLocked waits until a message of n bytes may fit.
func (c *Conn) awaitRoomLocked(n int) error {
	c.settleLocked(time.Now(), effortLoop) // what was committed before must leave
	for {
		switch {
		case c.end.closed:
			return net.ErrClosed
		case c.write.deadline.expired:
			return errTimeout
		}
		if err := c.writeErrLocked(); err != nil {
			return err
		}
		if c.core.WritableMessage(n) {
			return nil
		}
		c.write.need = n
		c.awaitSpaceLocked()
		c.write.need = 0
	}
}

// ReadMessage reads one message in ModeMessage. If b is too short the rest of
// the message is discarded and io.ErrShortBuffer is returned. It returns ErrMode
// in ModeStream.
func (c *Conn) ReadMessage(b []byte) (int, error) {
	if c.mode != ModeMessage {
		return 0, c.opError("read", ErrMode)
	}
	return c.readMessage(b)
}

func (c *Conn) readMessage(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.beginReadLocked(); err != nil {
		return 0, c.opError("read", err)
	}
	defer c.endReadLocked()
	if len(b) == 0 && !c.core.Readable() {
		return 0, nil
	}
	if err := c.awaitDataLocked(); err != nil {
		return 0, c.opError("read", err)
	}
	return c.readMessageLocked(b)
}

// readMessageLocked takes the message that is there.
func (c *Conn) readMessageLocked(b []byte) (int, error) {
	var array [maxPieces][]byte
	size := c.core.MessageSize()
	n := c.copyOutLocked(b, c.core.Pieces(0, array[:0]))
	c.consumeLocked(c.core.ConsumeMessage)
	if n < size {
		return n, io.ErrShortBuffer
	}
	return n, nil
}

// ReadMessages waits for at least one message and lends as many as there are, up
// to len(v). Each must be released. It returns ErrMode in ModeStream.
func (c *Conn) ReadMessages(v []Message) (int, error) {
	if c.mode != ModeMessage {
		return 0, c.opError("read", ErrMode)
	}
	if len(v) == 0 {
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
	var array [4]proto.Packet
	n := 0
	for n < len(v) && c.core.Readable() {
		parts := c.core.TakeMessage(array[:0])
		if len(parts) == 1 {
			v[n] = Message{parts[0].B, parts[0].Owner}
		} else {
			c.mu.Unlock()
			v[n] = Message{Payload: joined(parts)}
			c.mu.Lock()
		}
		n++
	}
	c.consumeLocked(c.core.Taken)
	return n, nil
}

// joined returns the parts of a message in one, and releases them.
func joined(parts []proto.Packet) []byte {
	size := 0
	for _, p := range parts {
		size += len(p.B)
	}
	b := make([]byte, 0, size)
	for _, p := range parts {
		b = append(b, p.B...)
		if p.Owner != nil {
			p.Owner.Release()
		}
	}
	return b
}

// writeMessagesTo is WriteTo in ModeMessage.
func (c *Conn) writeMessagesTo(w io.Writer) (int64, error) {
	var total int64
	var v [1]Message
	for {
		_, err := c.ReadMessages(v[:])
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(v[0].Payload)
		total += int64(max(n, 0))
		size := len(v[0].Payload)
		v[0].Release()
		if err != nil {
			return total, err
		}
		if n < size {
			return total, io.ErrShortWrite
		}
	}
}
