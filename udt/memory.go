package udt

import (
	"sync"
	"sync/atomic"

	"github.com/udtgo/udtgo/udt/internal/proto"
)

// memory lends buffers to the connections of one endpoint. Pools hold plain
// memory only, so that they may serve several synctest bubbles.
type memory struct {
	limit     int64 // of held; constant
	readLimit int64 // of unread; constant

	held   atomic.Int64 // growth beyond initial buffers
	unread atomic.Int64 // what waits to be read
}

var (
	smallSlabs = sync.Pool{New: func() any { return new([proto.SmallSlab]byte) }}
	largeSlabs = sync.Pool{New: func() any { return new([proto.LargeSlab]byte) }}
)

func (m *memory) Slab(size int) []byte {
	if size == proto.SmallSlab {
		return smallSlabs.Get().(*[proto.SmallSlab]byte)[:]
	}
	return largeSlabs.Get().(*[proto.LargeSlab]byte)[:]
}

func (m *memory) FreeSlab(b []byte) {
	poison(b)
	if len(b) == proto.SmallSlab {
		smallSlabs.Put((*[proto.SmallSlab]byte)(b))
		return
	}
	largeSlabs.Put((*[proto.LargeSlab]byte)(b))
}

func (m *memory) Grow(n int) bool {
	if m.held.Add(int64(n)) <= m.limit {
		return true
	}
	m.held.Add(-int64(n))
	return false
}

// Hold counts what waits to be read.
func (m *memory) Hold(n int) { m.unread.Add(int64(n)) }

// Level says whether that is too much: from 80 % of the limit on windows stay as
// small as they can be, from 95 % on only who has read everything gets more.
func (m *memory) Level() proto.Level {
	held, most := m.unread.Load(), m.readLimit
	switch {
	case held <= most/5*4:
		return proto.LevelFree
	case held <= most/20*19:
		return proto.LevelTight
	}
	return proto.LevelFull
}

func (m *memory) Shrink(n int) { m.held.Add(-int64(n)) }

// block is what one read of the socket fills. Packets are held in it by
// reference until they are read.
type block struct {
	refs atomic.Int32
	buf  [64 << 10]byte
}

var blocks = sync.Pool{New: func() any { return new(block) }}

// newBlock returns a block with one reference.
func newBlock() *block {
	b := blocks.Get().(*block)
	b.refs.Store(1)
	return b
}

func (b *block) Release() {
	if b.refs.Add(-1) == 0 {
		poison(b.buf[:])
		blocks.Put(b)
	}
}

// shared reports whether anybody but the caller holds a reference.
func (b *block) shared() bool { return b.refs.Load() != 1 }

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

// copyPacket returns b in memory of its own.
func copyPacket(b []byte) proto.Packet {
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

func (p *packetCopy) Release() {
	poison(p.b)
	packetCopies[p.class].Put(p)
}
