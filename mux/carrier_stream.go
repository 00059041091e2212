package mux

import (
	"encoding/binary"
	"errors"
	"net"
	"time"

	"github.com/udtgo/udtgo/mux/internal/frame"
	"github.com/udtgo/udtgo/mux/internal/proto"
	"github.com/udtgo/udtgo/udt"
)

// prefixSize is the size of the length before a packet in a byte stream.
const prefixSize = 2

// readSize is how many bytes one read takes at most: what arrives together is handled
// together, and wakes each waiting call once.
const readSize = 128 << 10

// maxHandled is how many packets are handled at once.
const maxHandled = 64

// A bufferWriter writes several slices in one call, such as *udt.Conn.
type bufferWriter interface {
	WriteBuffers(v [][]byte) (int, error)
}

// streamCarrier sends packets on a byte stream, each after its length.
type streamCarrier struct {
	conn      net.Conn
	buffers   bufferWriter // conn, if it is one
	writev    bool         // net.Buffers writes several slices in one call
	size      int
	resumable bool
	closes    bool

	// For read.
	buf     []byte
	have    int
	packets [maxHandled][]byte
}

func newStreamCarrier(conn net.Conn, frameSize int) *streamCarrier {
	c := &streamCarrier{conn: conn}
	c.size = min(frameSize+2*frame.MaxStreamHeader, proto.MaxPacket)
	switch conn.(type) {
	case interface{ Mode() udt.Mode }:
		c.resumable, c.closes = true, true
		c.buffers, _ = conn.(bufferWriter)
	case *net.TCPConn, *net.UnixConn:
		c.resumable, c.writev = true, true
	}
	return c
}

func (c *streamCarrier) packetSize() int    { return c.size }
func (c *streamCarrier) mayInterrupt() bool { return c.resumable }
func (c *streamCarrier) endsTogether() bool { return c.closes }

func (c *streamCarrier) filler() messageFiller { return nil }

func (c *streamCarrier) gathers() bool { return c.buffers != nil || c.writev }

// fill lays packets out one after the other, so that they are one piece up to data
// that are elsewhere.
func (c *streamCarrier) fill(b *batch, pack func([]byte) (int, []byte)) {
	b.pieces = b.pieces[:0]
	from, at, total := 0, 0, 0
	for total < batchSize && at+prefixSize+c.size <= len(b.buf) {
		n, data := pack(b.buf[at+prefixSize : at+prefixSize+c.size])
		if n == 0 {
			break
		}
		binary.BigEndian.PutUint16(b.buf[at:], uint16(n+len(data)))
		at += prefixSize + n
		total += prefixSize + n + len(data)
		if len(data) > 0 {
			b.pieces = append(b.pieces, b.buf[from:at], data)
			from = at
		}
	}
	if from < at {
		b.pieces = append(b.pieces, b.buf[from:at])
	}
	b.left = b.pieces
}

func (c *streamCarrier) write(b *batch) error {
	switch {
	case c.writev:
		_, err := b.left.WriteTo(c.conn)
		return err
	case c.buffers != nil:
		n, err := c.buffers.WriteBuffers(b.left)
		b.sent(n)
		return err
	}
	n, err := c.conn.Write(b.left[0])
	b.sent(n)
	return err
}

func (c *streamCarrier) writeLast(p []byte) error {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, prefixSize+len(p)), uint16(len(p)))
	_, err := c.conn.Write(append(b, p...))
	return err
}

func (c *streamCarrier) writeDatagram([]byte, time.Duration) error { return errors.ErrUnsupported }

func (c *streamCarrier) read(handle func([][]byte) error) error {
	if c.buf == nil {
		c.buf = make([]byte, readSize)
	}
	n, readErr := c.conn.Read(c.buf[c.have:])
	c.have += n
	rest := c.buf[:c.have]
	for {
		k := 0
		for k < maxHandled {
			p, after, ok := cutPacket(rest)
			if !ok {
				break
			}
			c.packets[k], rest = p, after
			k++
		}
		if k == 0 {
			break
		}
		if err := handle(c.packets[:k]); err != nil {
			return err
		}
	}
	c.have = copy(c.buf, rest)
	return readErr
}

// cutPacket takes a whole packet off the front of b.
func cutPacket(b []byte) (p, rest []byte, ok bool) {
	if len(b) < prefixSize {
		return nil, b, false
	}
	n := prefixSize + int(binary.BigEndian.Uint16(b))
	if len(b) < n {
		return nil, b, false
	}
	return b[prefixSize:n], b[n:], true
}
