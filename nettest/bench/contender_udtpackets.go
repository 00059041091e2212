package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/udtgo/udtgo/udt"
)

// udtPackets is what package mux runs over, without it: unordered messages of a
// packet each, moved in batches, which nobody puts in order.
var udtPackets = packetsContender()

const (
	packetsSend    = 44 // messages given to WriteMessages, as many as one system call takes
	packetsReceive = 64 // messages lent by ReadMessages

	packetsHeader = 16 // the index of the message, and whether it is the last one
)

func packetsContender() *Contender {
	c := udtContender("udt-packets", "message mode, batches of unordered messages of a packet each, copied once; bulk only",
		func(c *udt.Config) { c.Mode = udt.ModeMessage })
	c.Works = []string{"bulk", "bulk8", "stream1", "stream1000"}
	c.Usual = []string{}
	listen, dial := c.Listen, c.Dial
	c.Listen = func(addr string, o Options) (net.Listener, error) {
		l, err := listen(addr, o)
		if err != nil {
			return nil, err
		}
		return packetsListener{l}, nil
	}
	c.Dial = func(ctx context.Context, addr string, o Options) (net.Conn, error) {
		c, err := dial(ctx, addr, o)
		if err != nil {
			return nil, err
		}
		return &packetsConn{c.(*udt.Conn)}, nil
	}
	c.OnePort = nil
	c.Stats = func(c net.Conn) map[string]float64 { return udtStats(c.(*packetsConn).Conn) }
	return c
}

type packetsListener struct{ net.Listener }

func (l packetsListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &packetsConn{c.(*udt.Conn)}, nil
}

// A packetsConn moves bulk by itself.
type packetsConn struct{ *udt.Conn }

// sendBulk sends batches that differ only in the headers of their messages. After
// the last message, which is sent in order, it waits for the answer.
func (c *packetsConn) sendBulk(s *source) error {
	size := c.PacketPayload()
	all := make([]byte, packetsSend*size)
	fillChunk(all[:size])
	var batch [][]byte
	for b := range slices.Chunk(all, size) {
		copy(b, all[:size])
		batch = append(batch, b)
	}
	left := s.job.Bytes
	for index, last := uint64(0), false; !last; {
		messages := batch
		if s.job.Bytes > 0 {
			if whole := int64(packetsSend * size); left <= whole {
				last = true
				messages = slices.Clone(batch[:(left+int64(size)-1)/int64(size)])
				end := len(messages) - 1
				messages[end] = messages[end][:max(left-int64(end*size), packetsHeader)]
			} else {
				left -= whole
			}
		} else {
			last = time.Since(s.start).Seconds() >= s.job.Seconds
		}
		for i, m := range messages {
			putChunkHeader(m, index, last && i == len(messages)-1)
			index++
		}
		unordered := messages
		if last {
			unordered = messages[:len(messages)-1]
		}
		if err := c.write(s, unordered, udt.MessageOptions{Unordered: true}); err != nil {
			return err
		}
		if err := c.write(s, messages[len(unordered):], udt.MessageOptions{}); err != nil {
			return err
		}
	}
	_, err := c.ReadMessage(make([]byte, 1))
	return err
}

func (c *packetsConn) write(s *source, v [][]byte, o udt.MessageOptions) error {
	if len(v) == 0 {
		return nil
	}
	n, err := c.WriteMessages(v, o)
	for _, m := range v[:n] {
		s.bytes += int64(len(m))
	}
	return err
}

// receiveBulk takes messages up to the last one, which comes after all others, and
// answers. Every message must have come once.
func (c *packetsConn) receiveBulk(s *sink) error {
	var want []byte
	if s.job.Verify {
		want = make([]byte, c.PacketPayload())
		fillChunk(want)
	}
	var got [packetsReceive]udt.Message
	count, sum := uint64(0), uint64(0) // of the messages, and of their indexes
	for last := false; !last; {
		n, err := c.ReadMessages(got[:])
		if err != nil {
			return err
		}
		bytes := 0
		for i := range got[:n] {
			m := got[i].Payload
			bytes += len(m)
			if len(m) < packetsHeader || want != nil && !slices.Equal(m[packetsHeader:], want[packetsHeader:len(m)]) {
				err = errors.New("a message was changed")
			} else {
				index := binary.LittleEndian.Uint64(m)
				count++
				sum += index
				last = last || m[8] == 1
			}
			got[i].Release()
		}
		s.bytes += int64(bytes)
		s.note(bytes)
		if err != nil {
			return err
		}
	}
	if sum != count*(count-1)/2 {
		return fmt.Errorf("%d messages that are not the first ones", count)
	}
	return c.WriteMessage([]byte{1}, udt.MessageOptions{Unordered: true})
}
