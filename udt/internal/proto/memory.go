package proto

// A Ref is a reference to memory, which lives until the last one is released.
type Ref interface{ Release() }

// A Packet is a datagram for a connection.
type Packet struct {
	B []byte

	// Owner is a reference to the memory of B. A Conn that keeps a data packet takes
	// the reference over and sets Owner to nil. With a nil Owner the memory of a data
	// packet is the Conn's to keep. Control packets are read while the call lasts.
	Owner Ref
}

// Memory lends the memory that a connection's buffers are made of. Package udt
// takes it from pools and counts it against the endpoint's budget.
type Memory interface {
	// Slab returns size bytes, SmallSlab or LargeSlab.
	Slab(size int) []byte
	FreeSlab(b []byte)

	// Grow asks for leave to hold n bytes more than the initial windows;
	// Shrink gives them back.
	Grow(n int) bool
	Shrink(n int)
}

// Pressure counts what all connections of an endpoint hold for their applications
// and says when that becomes too much.
type Pressure interface {
	// Hold adds n bytes, or with n negative takes them off.
	Hold(n int)
	Level() Level
}

// A Level says how much may be held.
type Level uint8

// The levels.
const (
	LevelFree  Level = iota
	LevelTight       // the least window is advertised, or a small one by who has read everything
	LevelFull        // only who has read everything gets the next packet
)

// holdUnit is how exact the account of what is held is, in bytes per connection.
const holdUnit = 16 << 10

// tightWindow is the window in packets of a connection that holds nothing, while
// others hold too much.
const tightWindow = 64

// account reports what is held.
func (r *receiver) account(p Pressure) {
	if p == nil {
		return
	}
	if d := r.buf.bytes - r.held; d >= holdUnit || d <= -holdUnit || r.buf.bytes == 0 && d != 0 {
		p.Hold(d)
		r.held = r.buf.bytes
	}
}

// relax looks how much may be held.
func (r *receiver) relax(p Pressure) {
	if p != nil {
		r.level = p.Level()
	}
}

// Rand is a source of unpredictable numbers.
type Rand interface {
	Uint32() uint32
	Float64() float64
}
