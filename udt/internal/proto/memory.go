package proto

// A Ref is shared memory that lives until every reference is released.
type Ref interface {
	Retain()
	Release()
}

// Memory lends the memory that a connection's buffers are made of. Package udt
// takes it from pools and counts it against the endpoint's budget.
type Memory interface {
	// Slab returns size bytes, SmallSlab or LargeSlab.
	Slab(size int) []byte
	FreeSlab(b []byte)

	// Copy returns b in memory of its own, released by owner.
	Copy(b []byte) (c []byte, owner Ref)

	// Grow asks for leave to hold n bytes more than the initial windows;
	// Shrink gives them back.
	Grow(n int) bool
	Shrink(n int)
}

// Rand is a source of unpredictable numbers.
type Rand interface {
	Uint32() uint32
	Float64() float64
}
