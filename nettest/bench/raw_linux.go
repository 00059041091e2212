package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	rawHeader  = 16
	rawPacket  = 1472 // UDP payload of a 1500-byte packet
	rawPayload = rawPacket - rawHeader
	rawBlock   = 44 * rawPacket // the most packets that one segmented send takes
	rawSocket  = 4 << 20
)

// Kinds of packet. A header is the kind (4 bytes), a packet number (4) and a value
// (8): the stream offset of data, the count of bytes received in an ack, the
// window in a welcome.
const (
	rawHello = iota + 1
	rawWelcome
	rawData
	rawAck
)

func missingRaw() string { return "" }

// A rawConn sends data in blocks of 44 packets with one segmented send each,
// and copies them out of merged datagrams. What is in flight stays under what
// the receiver's socket holds, so nothing is lost; a loss ends the connection.
// It is for one direction at a time: no Read may run during a Write.
type rawConn struct {
	io    io.ReadWriter
	close func() error
	stop  func() // ends Reads and Writes
	lock  bool   // to a thread, with the first Read or Write
	local net.Addr

	ring     []byte // the blocks that are not acked yet: a transport must be able to repeat them
	at       int    // offset in ring of the next block
	out      []byte // block being filled, in ring
	number   uint32 // of the next packet
	sent     uint64 // bytes of payload
	acked    uint64
	window   uint64 // most bytes sent and not acked
	in       []byte // rest of the block being read
	inBuf    []byte
	rest     int    // bytes left of a packet that was read in part; zero if none was
	expect   uint32 // number of the next packet to arrive
	received uint64
	reported uint64 // acked to the peer
	ackEvery uint64
	ackBuf   [rawHeader]byte
}

func newRawConn(fd int, poller bool, window uint64) (*rawConn, error) {
	c := &rawConn{
		ring: make([]byte, (int(window)/rawBlock+2)*rawBlock), inBuf: make([]byte, 64<<10),
		window: window, ackEvery: window / 8, lock: !poller, local: boundAddr(fd),
	}
	c.nextBlock()
	if !poller {
		c.io = blockingFD(fd)
		c.close = sync.OnceValue(func() error { return unix.Close(fd) })
		c.stop = func() { _ = unix.Shutdown(fd, unix.SHUT_RDWR) }
		return c, nil
	}
	file := os.NewFile(uintptr(fd), "raw")
	defer file.Close()
	u, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	c.io, c.close = u, u.Close
	c.stop = func() { _ = u.SetDeadline(time.Unix(1, 0)) }
	return c, nil
}

func (c *rawConn) lockThread() {
	if c.lock {
		c.lock = false
		runtime.LockOSThread()
	}
}

// Write fills blocks with b. The last one leaves when it is full, when the
// writer turns to Read, or after a Write of less than a packet.
func (c *rawConn) Write(b []byte) (int, error) {
	c.lockThread()
	for n := 0; n < len(b); {
		at := len(c.out)
		if at%rawPacket == 0 {
			c.out = c.out[:at+rawHeader]
			putRaw(c.out[at:], rawData, c.number, c.sent)
			c.number++
			at += rawHeader
		}
		m := min(rawPacket-at%rawPacket, len(b)-n)
		c.out = c.out[:at+m]
		copy(c.out[at:], b[n:n+m])
		n += m
		c.sent += uint64(m)
		if len(c.out) == rawBlock {
			if err := c.flush(); err != nil {
				return n, err
			}
		}
	}
	if len(b) < rawPayload {
		return len(b), c.flush()
	}
	return len(b), nil
}

// flush sends the block, when the window lets it.
func (c *rawConn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	for c.sent-c.acked > c.window {
		if err := c.fill(); err != nil {
			return err
		}
		if len(c.in) > 0 {
			return errors.New("raw: data while writing")
		}
	}
	_, err := c.io.Write(c.out)
	c.nextBlock()
	return err
}

// nextBlock begins a block in memory whose content has been acked.
func (c *rawConn) nextBlock() {
	c.out = c.ring[c.at : c.at : c.at+rawBlock]
	c.at = (c.at + rawBlock) % len(c.ring)
}

// fill reads one block. Acks are taken in; data is left in c.in.
func (c *rawConn) fill() error {
	n, err := c.io.Read(c.inBuf)
	if err != nil {
		return err
	}
	c.in = c.inBuf[:n]
	for len(c.in) >= rawHeader && binary.LittleEndian.Uint32(c.in) == rawAck {
		c.acked = max(c.acked, binary.LittleEndian.Uint64(c.in[8:]))
		c.in = c.in[rawHeader:]
	}
	return nil
}

// Read copies what one block holds, or the rest of one.
func (c *rawConn) Read(b []byte) (int, error) {
	c.lockThread()
	if err := c.flush(); err != nil {
		return 0, err
	}
	for len(c.in) == 0 {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := 0
	for len(c.in) > 0 && n < len(b) {
		m, err := c.take(b[n:])
		if err != nil {
			return n, err
		}
		n += m
	}
	if c.received-c.reported >= c.ackEvery {
		c.reported = c.received
		putRaw(c.ackBuf[:], rawAck, 0, c.received)
		if _, err := c.io.Write(c.ackBuf[:]); err != nil {
			return n, err
		}
	}
	return n, nil
}

// take copies the payload of the first packet of c.in, or as much of it as b
// holds: the rest gets a header of its own, over the bytes that were taken.
func (c *rawConn) take(b []byte) (int, error) {
	if len(c.in) <= rawHeader {
		return 0, fmt.Errorf("raw: a packet of %d bytes", len(c.in))
	}
	kind, number, offset := getRaw(c.in)
	if kind != rawData || number != c.expect || offset != c.received {
		return 0, fmt.Errorf("raw: packet %d of kind %d at %d, want %d at %d: lost packets", number, kind, offset, c.expect, c.received)
	}
	size := min(len(c.in), rawPacket) - rawHeader
	if c.rest > 0 {
		size = c.rest
	}
	n := copy(b, c.in[rawHeader:rawHeader+size])
	c.received += uint64(n)
	if n < size {
		c.rest = size - n
		c.in = c.in[n:]
		putRaw(c.in, rawData, number, c.received)
		return n, nil
	}
	c.rest = 0
	c.expect++
	c.in = c.in[rawHeader+size:]
	return n, nil
}

func putRaw(b []byte, kind, number uint32, value uint64) {
	_ = b[rawHeader-1]
	binary.LittleEndian.PutUint32(b, kind)
	binary.LittleEndian.PutUint32(b[4:], number)
	binary.LittleEndian.PutUint64(b[8:], value)
}

func getRaw(b []byte) (kind, number uint32, value uint64) {
	_ = b[rawHeader-1]
	return binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint64(b[8:])
}

func (c *rawConn) Close() error         { c.stop(); return c.close() }
func (c *rawConn) LocalAddr() net.Addr  { return c.local }
func (c *rawConn) RemoteAddr() net.Addr { return nil }

// SetDeadline knows only the past, which ends the connection.
func (c *rawConn) SetDeadline(t time.Time) error {
	if !t.IsZero() && t.Before(time.Now()) {
		c.stop()
	}
	return nil
}
func (c *rawConn) SetReadDeadline(t time.Time) error  { return c.SetDeadline(t) }
func (c *rawConn) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }
