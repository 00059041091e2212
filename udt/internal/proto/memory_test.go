package proto

import (
	"fmt"
	"unsafe"
)

// testMemory poisons what is given back and counts what is not.
type testMemory struct {
	slabs    map[*byte]int // lent, with size
	free     map[int][][]byte
	refs     int // references held
	borrowed int // by Grow
	budget   int
	peak     int // most bytes ever lent as slabs
	lent     int
	copies   int // bytes in copies alive
}

func newTestMemory() *testMemory {
	return &testMemory{slabs: map[*byte]int{}, free: map[int][][]byte{}, budget: 1 << 30}
}

const poison = 0xDB

func (m *testMemory) Slab(size int) []byte {
	var b []byte
	if f := m.free[size]; len(f) > 0 {
		b, m.free[size] = f[len(f)-1], f[:len(f)-1]
	} else {
		b = make([]byte, size)
	}
	m.slabs[unsafe.SliceData(b)] = size
	m.lent += size
	m.peak = max(m.peak, m.lent)
	return b
}

func (m *testMemory) FreeSlab(b []byte) {
	size, ok := m.slabs[unsafe.SliceData(b)]
	if !ok || size != len(b) {
		panic("slab freed twice, or never lent")
	}
	delete(m.slabs, unsafe.SliceData(b))
	m.lent -= size
	for i := range b {
		b[i] = poison
	}
	m.free[size] = append(m.free[size], b)
}

func (m *testMemory) Grow(n int) bool {
	if n <= 0 || m.borrowed+n > m.budget {
		return false
	}
	m.borrowed += n
	return true
}

func (m *testMemory) Shrink(n int) {
	m.borrowed -= n
	if m.borrowed < 0 {
		panic("gave back more than was borrowed")
	}
}

// ref returns a reference to b, which is poisoned with the last release.
func (m *testMemory) ref(b []byte) *testRef {
	m.refs++
	m.copies += len(b)
	return &testRef{m: m, b: b, n: 1}
}

type testRef struct {
	m *testMemory
	b []byte
	n int
}

func (r *testRef) Retain() {
	if r.n <= 0 {
		panic("retained after release")
	}
	r.n++
	r.m.refs++
}

func (r *testRef) Release() {
	if r.n <= 0 {
		panic("released twice")
	}
	r.n--
	r.m.refs--
	if r.n == 0 {
		r.m.copies -= len(r.b)
		for i := range r.b {
			r.b[i] = poison
		}
	}
}

// leaks says what has not been given back.
func (m *testMemory) leaks() error {
	if len(m.slabs) > 0 || m.refs != 0 || m.borrowed != 0 {
		return fmt.Errorf("leaked: %d slabs, %d references, %d bytes borrowed", len(m.slabs), m.refs, m.borrowed)
	}
	return nil
}
