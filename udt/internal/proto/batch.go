package proto

import "github.com/udtgo/udtgo/udt/internal/wire"

// controlBytes is the room for control packets in one batch.
const controlBytes = 4 << 10

// A Batch is what Poll wants sent: control packets first, then
// retransmissions, then new packets, at last an ACK that rides along. It may be
// reused after Sent.
type Batch struct {
	Runs []wire.Run

	control  []byte // backing of the control packets
	controls int    // how many there are
	packets  int    // data packets
	resent   []int64
	fresh    int // new packets, the last ones sent for the first time
	pinned   []*slab
	record   txRecord
}

// Empty reports whether there is nothing to send.
func (b *Batch) Empty() bool { return len(b.Runs) == 0 }

// Packets returns the number of data packets.
func (b *Batch) Packets() int { return b.packets }

func (b *Batch) reset() {
	clear(b.Runs)
	clear(b.pinned)
	*b = Batch{Runs: b.Runs[:0], control: b.control[:0], resent: b.resent[:0], pinned: b.pinned[:0]}
}

func (b *Batch) pin(s *slab) {
	s.pins++
	b.pinned = append(b.pinned, s)
}

// room reports whether another control packet of at most n bytes fits.
func (b *Batch) room(n int) bool { return max(cap(b.control), controlBytes)-len(b.control) >= n }

// begin returns the place to append a control packet to.
func (b *Batch) begin() []byte {
	if b.control == nil {
		b.control = make([]byte, 0, controlBytes)
	}
	return b.control[len(b.control):]
}

// end adds the control packet p, appended to what begin returned. An empty p
// adds nothing.
func (b *Batch) end(p []byte) {
	if len(p) == 0 {
		return
	}
	b.controls++
	b.endLast(p)
}

// endFirst is end for a batch that has data packets already: p goes before them.
func (b *Batch) endFirst(p []byte) {
	b.end(p)
	last := len(b.Runs) - 1
	r := b.Runs[last]
	copy(b.Runs[1:], b.Runs[:last])
	b.Runs[0] = r
}

// endLast adds p behind the data packets. It is not waited for: if the network
// does not take it, it is lost.
func (b *Batch) endLast(p []byte) {
	b.control = b.control[:len(b.control)+len(p)]
	b.Runs = append(b.Runs, wire.Run{B: p, Segment: len(p)})
}
