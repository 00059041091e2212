package mux

import (
	"bytes"
	"net"
	"sync"
	"time"

	"github.com/udtgo/udtgo/mux/internal/proto"
	"github.com/udtgo/udtgo/udt"
)

// batchSize is how many bytes one call of the carrier is given at most.
const batchSize = 64 << 10

// A carrier is the connection under a session. Calls that write do not overlap, nor do
// calls that read.
type carrier interface {
	// packetSize returns the size of a full packet, in bytes.
	packetSize() int

	// fill adds packets to an empty batch. pack makes them: it returns the size of the
	// next packet in its argument, 0 if there is none, and the rest of that packet if it
	// is elsewhere.
	fill(b *batch, pack func([]byte) (int, []byte))

	// gathers reports whether packets may consist of two parts.
	gathers() bool

	// filler returns the connection if packets can be made in its send buffer, which
	// is better than fill and write; nil if not.
	filler() messageFiller

	// write sends b and takes away from it what was sent, even if it fails.
	write(b *batch) error

	// writeLast sends the packet that must arrive after all others.
	writeLast(p []byte) error

	// writeDatagram sends a packet that expires. It may overlap with write.
	writeDatagram(p []byte, ttl time.Duration) error

	// read waits for packets and calls handle with those that have arrived.
	read(handle func([][]byte) error) error

	// mayInterrupt reports whether a call can go on after one that failed by a deadline.
	mayInterrupt() bool

	// endsTogether reports whether closing the connection delivers what was written,
	// even if something is unread.
	endsTogether() bool
}

// A messenger is a connection that keeps message boundaries, such as *udt.Conn.
type messenger interface {
	net.Conn
	Mode() udt.Mode
	ReadMessage(b []byte) (int, error)
	WriteMessage(b []byte, opts udt.MessageOptions) error
}

func newCarrier(conn net.Conn, frameSize int) carrier {
	if m, ok := conn.(messenger); ok && m.Mode() == udt.ModeMessage {
		return newMessageCarrier(m)
	}
	return newStreamCarrier(conn, frameSize)
}

// A batch is packets on their way to the carrier.
type batch struct {
	buf     [batchSize + proto.MaxPacket]byte
	packets [][]byte    // messages
	left    net.Buffers // byte stream
	pieces  [][]byte    // memory for left
}

func (b *batch) empty() bool { return len(b.packets) == 0 && len(b.left) == 0 }

// sent takes n bytes away from left.
func (b *batch) sent(n int) {
	for len(b.left) > 0 && n >= len(b.left[0]) {
		n -= len(b.left[0])
		b.left[0] = nil
		b.left = b.left[1:]
	}
	if n > 0 {
		b.left[0] = b.left[0][n:]
	}
}

// own copies what is left, of which parts may be lent by the Write of a stream, so
// that this can return.
func (b *batch) own() {
	if len(b.left) > 0 {
		b.left = net.Buffers{bytes.Join(b.left, nil)}
	}
}

var batches = sync.Pool{New: func() any { return new(batch) }}
