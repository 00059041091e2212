package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Sizes of the memory that slots are cut from. Ten thousand connections with
// one small packet each must not hold a large slab each.
const (
	SmallSlab = 4 << 10
	LargeSlab = 64 << 10

	maxSegments  = 64    // what one segmented send takes
	maxRunBytes  = 65507 // largest UDP payload
	minSendLimit = 1 << 20
	minUnsent    = 256 << 10

	// What waits to be sent is bounded in time: it should still be in the
	// processor's cache then, and not delay what is more urgent.
	minUnsentTime = time.Millisecond
	maxUnsentTime = 20 * time.Millisecond

	maxSpareSlabs = 64
)

// slab is memory for several packets in a row, so that a run of new packets is
// one []byte. It returns to its pool when no packet lives in it and no batch
// under way points to it.
type slab struct {
	mem    []byte
	stride int // bytes from one slot to the next: header and full payload
	slots  int
	group  int // every so many slots, and at the end, the packet is short bytes shorter
	short  int
	used   int // slots given to packets
	live   int // of these, not yet acknowledged
	pins   int // batches that point into it
}

// slot returns the place of packet i: header and payload.
func (s *slab) slot(i int) []byte { return s.mem[i*s.stride : (i+1)*s.stride] }

// groupEnd returns the end of the group of slots that i belongs to.
func (s *slab) groupEnd(i int) int { return min((i/s.group+1)*s.group, s.slots) }

// room returns the payload that slot i takes.
func (s *slab) room(i int) int {
	n := s.stride - wire.HeaderLen
	if i == s.groupEnd(i)-1 {
		n -= s.short
	}
	return n
}

// Flags of an outgoing packet.
const (
	packetOrdered  = 1 << iota // deliver in order
	packetOut                  // legacy peer: its last transmission is counted in flight
	packetReached              // legacy peer: known, or presumed, to have arrived
	packetPresumed             // legacy peer: only presumed
	packetReported             // legacy peer: named in a NAK at least once
	packetDropped              // its message expired: a drop request takes its place
)

// outPacket is what is kept of a packet until it is acknowledged.
type outPacket struct {
	slab     *slab
	tx       int64         // number of its last transmission
	sentAt   time.Duration // time of its last transmission
	message  uint32
	slot     uint16
	size     uint16 // payload bytes
	sends    uint8  // transmissions, saturating
	boundary wire.Boundary
	flags    uint8
}

// sendBuffer holds the packets from the first unacknowledged one to the last
// committed one.
type sendBuffer struct {
	lender  Memory
	payload int // bytes in a full packet

	ring []outPacket // indexed by packet number; the length is a power of two
	una  int64       // all before it are acknowledged
	next int64       // all before it have been sent
	end  int64       // all before it are committed

	bytes  int // payload held
	unsent int // payload from next on
	limit  int // payload that may be held
	most   int // what limit may grow to, and memory that packets may take
	burst  int // unsent payload that may be held

	// Towards a peer of the reference, in stream mode: how many packets lie
	// between two that are a byte shorter than full. It acknowledges packets of
	// irregular size at once, and full ones up to 100 ms late
	// (SPEC.md#sending).
	shortEvery int

	tail     *slab
	spare    []*slab // without memory, to be used again
	open     bool    // packet end-1 may take more bytes
	reserved bool    // a writer owns free room in tail
}

func newSendBuffer(m Memory, payload int, first int64, limit int) sendBuffer {
	return sendBuffer{
		lender: m, payload: payload, una: first, next: first, end: first,
		limit: min(limit, minSendLimit), most: limit, burst: minUnsent,
	}
}

func (s *sendBuffer) packet(n int64) *outPacket { return &s.ring[int(n)&(len(s.ring)-1)] }

// room returns how many bytes a writer may add.
func (s *sendBuffer) room() int {
	return min(s.limit-s.bytes, s.burst-s.unsent, s.most-s.memory())
}

// memory returns what the packets take: a small one as much as a full one.
func (s *sendBuffer) memory() int { return int(s.end-s.una) * (wire.HeaderLen + s.payload) }

// roomForMessage reports whether a message of n bytes may be added: always if
// the buffer is empty.
func (s *sendBuffer) roomForMessage(n int) bool {
	return s.bytes == 0 && s.memory() < s.most ||
		s.bytes+n <= s.limit && s.memory()+n <= s.most && s.unsent < s.burst
}

// A Reservation is room for payload in consecutive slots, lent to the writer.
// It may be filled without the connection's lock.
type Reservation struct {
	slab  *slab
	slot  int // first slot
	start int // bytes already in the first slot's payload
	size  int // bytes of room
	cap   int // payload of one slot
}

// Size returns the room in bytes; zero means none was to be had.
func (r *Reservation) Size() int { return r.size }

// Copy copies p into the room, from offset off of the reservation on, and
// returns how many bytes fitted.
func (r *Reservation) Copy(off int, p []byte) int {
	pos := r.start + off
	done := 0
	for done < len(p) && off+done < r.size {
		slot := r.slab.slot(r.slot + pos/r.cap)[wire.HeaderLen:]
		n := copy(slot[pos%r.cap:r.cap], p[done:min(len(p), done+r.size-off-done)])
		done += n
		pos += n
	}
	return done
}

// reserve lends room for at most n bytes, in one group of slots. With fresh set the room
// begins a new packet.
func (s *sendBuffer) reserve(n int, fresh bool) Reservation {
	if s.reserved {
		panic("BUG: two writers")
	}
	r := Reservation{cap: s.payload}
	if fresh {
		s.open = false
	}
	if s.open {
		p := s.packet(s.end - 1)
		r.start = int(p.size)
		r.slot = int(p.slot)
	} else {
		if s.tail == nil || s.tail.used == s.tail.slots {
			s.newTail(n)
		}
		r.slot = s.tail.used
	}
	r.slab = s.tail
	r.size = min(n, (s.tail.groupEnd(r.slot)-r.slot)*s.payload-r.start-s.tail.short)
	s.reserved = true
	return r
}

func (s *sendBuffer) newTail(n int) {
	stride := wire.HeaderLen + s.payload
	size := LargeSlab
	if s.bytes == 0 && n <= s.payload*(SmallSlab/stride) {
		size = SmallSlab
	}
	s.dropTail()
	var t *slab
	if i := len(s.spare) - 1; i >= 0 {
		t, s.spare = s.spare[i], s.spare[:i]
	} else {
		t = new(slab)
	}
	*t = slab{mem: s.lender.Slab(size), stride: stride}
	s.tail = t
	s.tail.slots = min(size, maxRunBytes) / stride
	s.tail.group = s.tail.slots
	if s.shortEvery > 0 && size == LargeSlab {
		s.tail.group, s.tail.short = s.shortEvery, 1
	}
}

// dropTail gives up the slab that is being filled.
func (s *sendBuffer) dropTail() {
	t := s.tail
	s.tail, s.open = nil, false
	if t != nil {
		s.release(t)
	}
}

// release returns t to the pool if nothing needs it any more.
func (s *sendBuffer) release(t *slab) {
	if t == s.tail && !s.reserved && t.live == 0 {
		s.tail, s.open = nil, false
	}
	if t != s.tail && t.live == 0 && t.pins == 0 && t.mem != nil {
		s.lender.FreeSlab(t.mem)
		t.mem = nil
		if len(s.spare) < maxSpareSlabs {
			s.spare = append(s.spare, t)
		}
	}
}

// commit turns the first n bytes of r into packets. Each new packet gets the
// boundary and message number that mark chooses for it.
func (s *sendBuffer) commit(r *Reservation, n int, mark func(p *outPacket)) {
	s.reserved = false
	if n == 0 {
		if s.tail != nil {
			s.release(s.tail)
		}
		return
	}
	s.bytes += n
	s.unsent += n
	slot := r.slot
	if s.open {
		p := s.packet(s.end - 1)
		add := min(n, s.tail.room(int(p.slot))-int(p.size))
		p.size += uint16(add)
		n -= add
		slot++
	}
	for n > 0 {
		size := min(n, s.tail.room(slot))
		s.append(s.tail, slot, size, mark)
		n -= size
		slot++
	}
}

// append adds a packet in the given slot of t.
func (s *sendBuffer) append(t *slab, slot, size int, mark func(p *outPacket)) {
	if int(s.end-s.una) == len(s.ring) {
		s.grow()
	}
	p := s.packet(s.end)
	*p = outPacket{slab: t, slot: uint16(slot), size: uint16(size)}
	s.end++
	t.used = slot + 1
	t.live++
	mark(p)
}

func (s *sendBuffer) grow() {
	ring := make([]outPacket, max(16, 2*len(s.ring)))
	for n := s.una; n < s.end; n++ {
		ring[int(n)&(len(ring)-1)] = *s.packet(n)
	}
	s.ring = ring
}

// close ends the packet that was still taking bytes: it is about to be sent.
func (s *sendBuffer) close() { s.open = false }

// acknowledge drops all packets before n.
func (s *sendBuffer) acknowledge(n int64) {
	for ; s.una < n; s.una++ {
		s.free(s.packet(s.una))
	}
	if s.next < s.una {
		s.next = s.una
	}
}

// free gives the payload of p back.
func (s *sendBuffer) free(p *outPacket) {
	if p.slab == nil {
		return
	}
	s.bytes -= int(p.size)
	t := p.slab
	p.slab = nil
	t.live--
	s.release(t)
}

// clear drops everything, sent or not.
func (s *sendBuffer) clear() {
	for n := s.una; n < s.end; n++ {
		s.free(s.packet(n))
	}
	s.una, s.next, s.ring, s.unsent = s.end, s.end, nil, 0
	if !s.reserved {
		s.dropTail()
	}
}
