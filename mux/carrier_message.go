package mux

import (
	"errors"
	"io"
	"time"

	"github.com/udtgo/udtgo/mux/internal/proto"
	"github.com/udtgo/udtgo/udt"
)

// messageBatch is how many messages are read at once.
const messageBatch = 64

// defaultPayload is the size of packets over a messenger that does not tell its own.
// They fit the packets of any usual path.
const defaultPayload = 1200

// A batchMessenger moves many messages in one call, such as *udt.Conn.
type batchMessenger interface {
	WriteMessages(v [][]byte, opts udt.MessageOptions) (int, error)
	ReadMessages(v []udt.Message) (int, error)
}

// A messageFiller lets messages be made in its send buffer, as *udt.Conn does.
type messageFiller interface {
	FillMessages(fill func(v [][]byte) int, opts udt.MessageOptions) (int, error)
}

// messageCarrier sends each packet as an unordered message that fits one packet of the
// connection, so that a lost one delays nothing else.
type messageCarrier struct {
	conn  messenger
	batch batchMessenger // nil if conn is none
	fills messageFiller  // likewise
	size  int

	// For read.
	messages [messageBatch]udt.Message
	packets  [messageBatch][]byte
	single   []byte
}

func newMessageCarrier(conn messenger) *messageCarrier {
	c := &messageCarrier{conn: conn, size: defaultPayload}
	c.batch, _ = conn.(batchMessenger)
	if p, ok := conn.(interface{ PacketPayload() int }); ok {
		c.size = p.PacketPayload()
		if c.size >= proto.MinPacket {
			c.fills, _ = conn.(messageFiller)
		}
	}
	c.size = min(max(c.size, proto.MinPacket), proto.MaxPacket)
	return c
}

func (c *messageCarrier) packetSize() int    { return c.size }
func (c *messageCarrier) mayInterrupt() bool { return c.batch != nil }
func (c *messageCarrier) endsTogether() bool { return true }

func (c *messageCarrier) filler() messageFiller { return c.fills }

func (c *messageCarrier) gathers() bool { return false }

func (c *messageCarrier) fill(b *batch, pack func([]byte) (int, []byte)) {
	b.packets = b.packets[:0]
	for at := 0; at+c.size <= batchSize || at == 0; {
		n, _ := pack(b.buf[at : at+c.size])
		if n == 0 {
			return
		}
		b.packets = append(b.packets, b.buf[at:at+n:at+n])
		at += n
	}
}

func (c *messageCarrier) write(b *batch) error {
	if c.batch != nil {
		n, err := c.batch.WriteMessages(b.packets, udt.MessageOptions{Unordered: true})
		b.packets = b.packets[:copy(b.packets, b.packets[n:])]
		return err
	}
	for len(b.packets) > 0 {
		if err := c.conn.WriteMessage(b.packets[0], udt.MessageOptions{Unordered: true}); err != nil {
			return err
		}
		b.packets = b.packets[:copy(b.packets, b.packets[1:])]
	}
	return nil
}

func (c *messageCarrier) writeLast(p []byte) error {
	return c.conn.WriteMessage(p, udt.MessageOptions{})
}

func (c *messageCarrier) writeDatagram(p []byte, ttl time.Duration) error {
	return c.conn.WriteMessage(p, udt.MessageOptions{Unordered: true, TTL: ttl})
}

func (c *messageCarrier) read(handle func([][]byte) error) error {
	if c.batch == nil {
		return c.readSingly(handle)
	}
	n, err := c.batch.ReadMessages(c.messages[:])
	if err != nil {
		return err
	}
	for i := range c.messages[:n] {
		c.packets[i] = c.messages[i].Payload
	}
	err = handle(c.packets[:n])
	for i := range c.messages[:n] {
		c.packets[i] = nil
		c.messages[i].Release()
	}
	return err
}

func (c *messageCarrier) readSingly(handle func([][]byte) error) error {
	if c.single == nil {
		c.single = make([]byte, proto.MaxPacket+1)
	}
	n, err := c.conn.ReadMessage(c.single)
	if err != nil && !errors.Is(err, io.ErrShortBuffer) { // too long, as n will show
		return err
	}
	c.packets[0] = c.single[:n]
	return handle(c.packets[:1])
}
