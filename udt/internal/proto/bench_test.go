package proto

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/cc"
)

// BenchmarkMachines takes packets through a sender and a receiver with nothing in
// between: no copy, no socket, no loss. An operation is one packet on both
// sides, with the acknowledgements that it brings about. What is measured is
// what the machines add to moving the bytes.
func BenchmarkMachines(b *testing.B) {
	for _, k := range []kind{{}, {legacyA: true, legacyB: true}} {
		b.Run(k.String(), func(b *testing.B) { benchmarkMachines(b, k) })
	}
}

// benchBatch is about how long a batch of 44 packets takes at 10 Gbit/s.
const benchBatch = 52 * time.Microsecond

func benchmarkMachines(b *testing.B, k kind) {
	s := newSim(b, 1, k)
	for _, x := range s.sides() {
		x.cfg.Memory, x.cfg.Controller = &benchMemory{}, openController{}
		x.out.delay = benchBatch / 2
	}
	s.start()
	require.True(b, s.run(time.Second, func() bool {
		return !s.a.c.Connecting() && s.b.c != nil && !s.b.c.Connecting()
	}))
	p := benchPair{a: s.a.c, b: s.b.c, now: s.time(), data: make([]byte, 64<<10), pieces: make([][]byte, 0, 64)}
	for p.packets < 1<<16 {
		p.round() // until the buffers have grown
	}
	b.SetBytes(int64(p.a.Payload()))
	b.ReportAllocs()
	b.ResetTimer()
	for until := p.packets + b.N; p.packets < until; {
		p.round()
	}
	b.StopTimer()
	require.Zero(b, p.a.stats.PacketsRetransmitted)
}

// A benchPair is a bulk transfer from a to b.
type benchPair struct {
	a, b    *Conn
	now     time.Time
	data    []byte
	batch   Batch
	pieces  [][]byte
	packets int // sent and read
}

// round writes what fits, sends it, has it read, and answers.
func (p *benchPair) round() {
	p.now = p.now.Add(benchBatch)
	if r := p.a.Reserve(len(p.data)); r.Size() > 0 {
		p.a.Commit(p.now, &r, r.Copy(0, p.data))
	}
	for poll(p.a, p.now, &p.batch) {
		p.packets += p.batch.Packets()
		p.pass(p.a, p.b, benchRef{})
		p.pieces = p.b.Pieces(1<<20, p.pieces[:0])
		n := 0
		for _, piece := range p.pieces {
			n += len(piece)
		}
		p.b.Consume(p.now, n)
	}
	for poll(p.b, p.now, &p.batch) {
		p.pass(p.b, p.a, nil)
	}
}

// pass hands a batch over.
func (p *benchPair) pass(from, to *Conn, owner Ref) {
	n := 0
	for _, r := range p.batch.Runs {
		give(to, p.now, r.B, r.Segment, owner)
		n += r.Datagrams()
	}
	from.Sent(p.now, &p.batch, n)
}

// benchRef is memory that stays valid for as long as the benchmark needs it.
type benchRef struct{}

func (benchRef) Release() {}

// benchMemory keeps slabs for reuse.
type benchMemory struct{ small, large [][]byte }

func (m *benchMemory) of(size int) *[][]byte {
	if size == SmallSlab {
		return &m.small
	}
	return &m.large
}

func (m *benchMemory) Slab(size int) []byte {
	spare := m.of(size)
	if n := len(*spare) - 1; n >= 0 {
		b := (*spare)[n]
		*spare = (*spare)[:n]
		return b
	}
	return make([]byte, size)
}

func (m *benchMemory) FreeSlab(b []byte) {
	spare := m.of(len(b))
	*spare = append(*spare, b)
}

func (m *benchMemory) Grow(int) bool { return true }
func (m *benchMemory) Shrink(int)    {}

// openController lets everything pass.
type openController struct{}

func (openController) Init(_ time.Time, s *cc.State)                     { s.Window = 1 << 16 }
func (openController) OnAck(_ time.Time, _ *cc.State, _ *cc.AckSample)   {}
func (openController) OnLoss(_ time.Time, _ *cc.State, _ *cc.LossSample) {}
func (openController) OnTimeout(time.Time, *cc.State)                    {}
