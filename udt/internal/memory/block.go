package memory

import (
	"sync"
	"sync/atomic"

	"github.com/udtgo/udtgo/udt/internal/proto"
)

// A Block is what one read of the socket fills. Packets are held in it by reference
// until they are read.
type Block struct {
	refs atomic.Int32
	Buf  [64 << 10]byte
}

var blocks = sync.Pool{New: func() any { return new(Block) }}

// NewBlock returns a block with one reference.
func NewBlock() *Block {
	b := blocks.Get().(*Block)
	b.refs.Store(1)
	return b
}

// Hold adds a reference.
func (b *Block) Hold() { b.refs.Add(1) }

// Release gives one up. The last one gives the memory back.
func (b *Block) Release() {
	if b.refs.Add(-1) == 0 {
		poison(b.Buf[:])
		blocks.Put(b)
	}
}

// Shared reports whether anybody but the caller holds a reference.
func (b *Block) Shared() bool { return b.refs.Load() != 1 }

// Copies of single packets come in size classes: a packet must not hold a whole
// block.
const (
	minCopyClass = 6 // 64 bytes
	maxCopyClass = 16
)

type packetCopy struct {
	class uint8
	b     []byte
}

var packetCopies [maxCopyClass - minCopyClass + 1]sync.Pool

// Copy returns a packet with the bytes of b in memory of its own.
func Copy(b []byte) proto.Packet {
	class := uint8(0)
	for 1<<(minCopyClass+class) < len(b) {
		class++
	}
	p, _ := packetCopies[class].Get().(*packetCopy)
	if p == nil {
		p = &packetCopy{class, make([]byte, 1<<(minCopyClass+class))}
	}
	return proto.Packet{B: p.b[:copy(p.b, b)], Owner: p}
}

// Release gives the memory back.
func (p *packetCopy) Release() {
	poison(p.b)
	packetCopies[p.class].Put(p)
}
