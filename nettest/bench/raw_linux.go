package main

import (
	"crypto/aes"
	"crypto/cipher"
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
	rawHeader = 16
	rawPacket = 1472           // UDP payload of a 1500-byte packet
	rawBlock  = 44 * rawPacket // the most packets that one segmented send takes
	rawSocket = 4 << 20
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
//
// With aead set, packets are sealed on their way into the block that is sent, and
// opened in place: what a protected transport pays at least.
type rawConn struct {
	aead   cipher.AEAD // or nil
	tag    int         // what sealing adds to a packet
	sealed []byte      // block that is sent
	nonce  [12]byte

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

// rawAEAD returns AES-128-GCM with a key that everyone knows.
func rawAEAD() cipher.AEAD {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return aead
}

func newRawConn(fd int, kind rawKind, window uint64) (*rawConn, error) {
	poller := kind != rawOutside
	c := &rawConn{
		ring: make([]byte, (int(window)/rawBlock+2)*rawBlock), inBuf: make([]byte, 64<<10),
		window: window, ackEvery: window / 8, lock: !poller, local: boundAddr(fd),
	}
	if kind == rawSealed {
		c.aead = rawAEAD()
		c.tag = c.aead.Overhead()
		c.sealed = make([]byte, 0, rawBlock)
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
	stride := rawPacket - c.tag
	for n := 0; n < len(b); {
		at := len(c.out)
		if at%stride == 0 {
			c.out = c.out[:at+rawHeader]
			putRaw(c.out[at:], rawData, c.number, c.sent)
			c.number++
			at += rawHeader
		}
		m := min(stride-at%stride, len(b)-n)
		c.out = c.out[:at+m]
		copy(c.out[at:], b[n:n+m])
		n += m
		c.sent += uint64(m)
		if len(c.out) == cap(c.out) {
			if err := c.flush(); err != nil {
				return n, err
			}
		}
	}
	if len(b) < stride-rawHeader {
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
	_, err := c.io.Write(c.seal(c.out))
	c.nextBlock()
	return err
}

// seal returns what is sent of a block.
func (c *rawConn) seal(b []byte) []byte {
	if c.aead == nil {
		return b
	}
	out := c.sealed[:0]
	for len(b) > 0 {
		p := b[:min(len(b), rawPacket-c.tag)]
		b = b[len(p):]
		out = append(out, p[:rawHeader]...)
		copy(c.nonce[4:], p[8:rawHeader]) // the offset never repeats
		out = c.aead.Seal(out, c.nonce[:], p[rawHeader:], p[:rawHeader])
	}
	return out
}

// nextBlock begins a block in memory whose content has been acked.
func (c *rawConn) nextBlock() {
	c.out = c.ring[c.at : c.at : c.at+rawBlock-44*c.tag]
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
	if len(c.in) <= rawHeader+c.tag {
		return 0, fmt.Errorf("raw: a packet of %d bytes", len(c.in))
	}
	kind, number, offset := getRaw(c.in)
	if kind != rawData || number != c.expect || offset != c.received {
		return 0, fmt.Errorf("raw: packet %d of kind %d at %d, want %d at %d: lost packets", number, kind, offset, c.expect, c.received)
	}
	size := min(len(c.in), rawPacket) - rawHeader - c.tag
	if c.rest > 0 {
		size = c.rest
	} else if c.aead != nil {
		copy(c.nonce[4:], c.in[8:rawHeader])
		body := c.in[rawHeader : rawHeader+size+c.tag]
		if _, err := c.aead.Open(body[:0], c.nonce[:], body, c.in[:rawHeader]); err != nil {
			return 0, err
		}
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
	c.in = c.in[rawHeader+size+c.tag:]
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
