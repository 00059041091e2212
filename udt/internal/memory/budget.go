// Package memory is the memory of an endpoint: the buffers that its connections send and
// receive with, and the budget that bounds them. Pools hold plain memory only, so that
// they may serve several synctest bubbles.
package memory

import (
	"sync"
	"sync/atomic"

	"github.com/udtgo/udtgo/udt/internal/proto"
)

// A Budget lends buffers to the connections of one endpoint, as proto.Memory and
// proto.Pressure describe. It may be used concurrently.
type Budget struct {
	Limit     int64 // of what buffers grow by beyond their initial sizes; not changed in use
	ReadLimit int64 // of what waits to be read; not changed in use

	held, unread atomic.Int64
}

// Held returns by how many bytes buffers have grown.
func (m *Budget) Held() int64 { return m.held.Load() }

// Unread returns how many bytes wait to be read.
func (m *Budget) Unread() int64 { return m.unread.Load() }

var (
	smallSlabs = sync.Pool{New: func() any { return new([proto.SmallSlab]byte) }}
	largeSlabs = sync.Pool{New: func() any { return new([proto.LargeSlab]byte) }}
)

// Slab returns a slab of one of the two sizes.
func (m *Budget) Slab(size int) []byte {
	if size == proto.SmallSlab {
		return smallSlabs.Get().(*[proto.SmallSlab]byte)[:]
	}
	return largeSlabs.Get().(*[proto.LargeSlab]byte)[:]
}

// FreeSlab takes back what Slab has returned.
func (m *Budget) FreeSlab(b []byte) {
	poison(b)
	if len(b) == proto.SmallSlab {
		smallSlabs.Put((*[proto.SmallSlab]byte)(b))
		return
	}
	largeSlabs.Put((*[proto.LargeSlab]byte)(b))
}

// Grow reports whether a buffer may grow by n bytes, and counts them.
func (m *Budget) Grow(n int) bool {
	if m.held.Add(int64(n)) <= m.Limit {
		return true
	}
	m.held.Add(-int64(n))
	return false
}

// Hold counts what waits to be read.
func (m *Budget) Hold(n int) { m.unread.Add(int64(n)) }

// Level says whether that is too much: from 80 % of the limit on windows stay as
// small as they can be, from 95 % on only who has read everything gets more.
func (m *Budget) Level() proto.Level {
	held, most := m.unread.Load(), m.ReadLimit
	switch {
	case held <= most/5*4:
		return proto.LevelFree
	case held <= most/20*19:
		return proto.LevelTight
	}
	return proto.LevelFull
}

// Shrink takes back what Grow has counted.
func (m *Budget) Shrink(n int) { m.held.Add(-int64(n)) }
