package main

import (
	"encoding/binary"
	"math/rand/v2"
)

const (
	blindHeader = 16   // of every UDT packet
	blindPacket = 1472 // the largest one in a packet of 1500 bytes
	controlBit  = 1 << 31
	handshake   = 0 // type of control packet
)

// A forger makes the packets of an attacker who sees nothing of a connection but,
// if id is not zero, the socket ID of the end that it attacks: every kind that
// there is, well formed, with numbers at random, and ciphertext at random.
type forger struct {
	id uint32

	source rand.ChaCha8
	random *rand.Rand
	sent   int

	// handshakes is how many of the packets were handshakes, which an end reads before
	// it opens anything.
	handshakes int64
}

func newForger(id uint32) *forger {
	f := &forger{id: id}
	var seed [32]byte
	for i := range 4 {
		binary.BigEndian.PutUint64(seed[8*i:], rand.Uint64())
	}
	f.source.Seed(seed)
	f.random = rand.New(&f.source)
	return f
}

// A forgery writes a packet into b, of blindPacket random bytes, and returns its
// length. The destination socket ID is filled in later.
type forgery func(f *forger, b []byte) int

// forgeries take turns, each after one that looks like sealed data.
var forgeries = []forgery{
	func(f *forger, _ []byte) int { return 2*blindHeader + f.random.IntN(100) }, // like sealed control
	plainData,
	control(2, 4, 0),  // light ACK
	control(2, 24, 1), // full ACK
	control(2, 40, 1), // ACK of an extended peer
	control(3, 4, 0),  // NAK of a packet
	nakOfARange,
	control(1, 4, 0), // keep-alive
	control(1, 4, 1), // and with a request for an ACK
	control(5, 4, 0), // Shutdown of libudt
	control(5, 8, 0), // and of ours
	control(6, 4, 1), // ACK2
	control(7, 8, 1), // drop request
	control(8, 4, 1), // error
	control(4, 4, 0), // congestion warning
	control(0x7fff, 24, 1),
	plainHandshake,
	secureHandshake,
}

// next writes a packet into b, which has blindPacket bytes, and returns its length.
func (f *forger) next(b []byte) int {
	_, _ = f.source.Read(b) // never fails
	n := blindPacket
	if f.sent%2 == 1 {
		n = forgeries[f.sent/2%len(forgeries)](f, b)
	}
	f.sent++
	if f.id != 0 {
		binary.BigEndian.PutUint32(b[12:], f.id)
	} else {
		binary.BigEndian.PutUint32(b[12:], 1+f.random.Uint32N(1<<31-1))
	}
	return n
}

func plainData(_ *forger, b []byte) int {
	b[0] &= 0x7f
	return blindPacket
}

// control is a control packet with size bytes of random body. Its additional
// information is random as well where the type has some, as info says.
func control(kind uint32, size, info int) forgery {
	return func(_ *forger, b []byte) int {
		ext := uint32(0)
		if kind == 0x7fff {
			ext = uint32(binary.BigEndian.Uint16(b))
		}
		binary.BigEndian.PutUint32(b, controlBit|kind<<16|ext)
		if info == 0 {
			clear(b[4:8])
		}
		b[blindHeader] &= 0x7f // numbers have 31 bits
		return blindHeader + size
	}
}

func nakOfARange(_ *forger, b []byte) int {
	binary.BigEndian.PutUint32(b, controlBit|3<<16)
	first := binary.BigEndian.Uint32(b[blindHeader:]) &^ controlBit
	binary.BigEndian.PutUint32(b[blindHeader:], controlBit|first)
	binary.BigEndian.PutUint32(b[blindHeader+4:], (first+1000)&^controlBit)
	return blindHeader + 8
}

// plainHandshake is a conclusion with numbers and a cookie at random.
func plainHandshake(f *forger, b []byte) int {
	f.handshakes++
	binary.BigEndian.PutUint32(b, controlBit|handshake<<16)
	body := b[blindHeader:]
	binary.BigEndian.PutUint32(body, 4)          // version
	binary.BigEndian.PutUint32(body[4:], 1)      // stream
	body[8] &= 0x7f                              // initial number
	binary.BigEndian.PutUint32(body[12:], 1500)  // MSS
	binary.BigEndian.PutUint32(body[16:], 25600) // window
	binary.BigEndian.PutUint32(body[20:], 1<<32-1)
	return blindHeader + 48
}

// secureHandshake is a plainHandshake with sealed TLS messages behind it.
func secureHandshake(f *forger, b []byte) int {
	n := plainHandshake(f, b)
	copy(b[n:], "UDTS\x11\x02\x00\x00") // version and level; token, nonce, number and ciphertext at random
	return n + 28 + 200
}
