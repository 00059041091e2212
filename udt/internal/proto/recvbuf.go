package proto

import "github.com/udtgo/udtgo/udt/internal/wire"

// slotState says what is at a packet number.
type slotState uint8

const (
	slotEmpty    slotState = iota
	slotHeld               // payload waits to be read
	slotConsumed           // payload was delivered ahead of its turn, or is not wanted
	slotDropped            // the sender gave it up
)

// inPacket is a packet number's place in the receive buffer.
type inPacket struct {
	payload  []byte
	owner    Ref
	message  uint32
	state    slotState
	boundary wire.Boundary
	ordered  bool
}

// pageSlots is how many slots the receive buffer grows by: the ring follows the
// numbers that arrive, not the window that was promised.
const pageSlots = 64

// maxFreePages bounds the pages kept while a connection is busy.
const maxFreePages = 16

type recvPage [pageSlots]inPacket

// recvBuffer places packets by number, from the first one not consumed on.
type recvBuffer struct {
	pages []*recvPage // ring by page number; the length is a power of two
	free  []*recvPage // a few pages kept for the next numbers
	head  int64       // first number not consumed
	high  int64       // one past the highest number placed or dropped
	off   int         // bytes of head's payload already read (stream mode)
	bytes int         // payload held
}

// slot returns the place of number n, nil if it has none yet.
func (r *recvBuffer) slot(n int64) *inPacket {
	if n < r.head || n >= r.high {
		return nil
	}
	p := r.pages[int(n/pageSlots)&(len(r.pages)-1)]
	if p == nil {
		return nil
	}
	return &p[n%pageSlots]
}

// state returns what is at n; numbers before head are consumed.
func (r *recvBuffer) state(n int64) slotState {
	if n < r.head {
		return slotConsumed
	}
	if s := r.slot(n); s != nil {
		return s.state
	}
	return slotEmpty
}

// make returns the place of n, at or after head.
func (r *recvBuffer) make(n int64) *inPacket {
	first, page := r.head/pageSlots, n/pageSlots
	if need := int(page-first) + 1; need > len(r.pages) {
		size := max(1, len(r.pages))
		for size < need {
			size *= 2
		}
		pages := make([]*recvPage, size)
		for i := first; i <= (r.high-1)/pageSlots && len(r.pages) > 0; i++ {
			pages[int(i)&(size-1)] = r.pages[int(i)&(len(r.pages)-1)]
		}
		r.pages = pages
	}
	p := &r.pages[int(page)&(len(r.pages)-1)]
	if *p == nil {
		if i := len(r.free) - 1; i >= 0 {
			*p, r.free = r.free[i], r.free[:i]
		} else {
			*p = new(recvPage)
		}
	}
	r.high = max(r.high, n+1)
	return &(*p)[n%pageSlots]
}

// put stores a packet at n, whose place must be empty.
func (r *recvBuffer) put(n int64, h *wire.Data, payload []byte, owner Ref) {
	s := r.make(n)
	*s = inPacket{
		payload: payload, owner: owner, message: h.Message,
		state: slotHeld, boundary: h.Boundary, ordered: h.Ordered,
	}
	r.bytes += len(payload)
}

// drop marks n, whose place must be empty, as given up by the sender.
func (r *recvBuffer) drop(n int64) { r.make(n).state = slotDropped }

// discard frees the payload at n, whose number stays open until head passes it.
func (r *recvBuffer) discard(n int64) {
	s := r.slot(n)
	if s == nil || s.state != slotHeld {
		return
	}
	r.bytes -= len(s.payload)
	if s.owner != nil {
		s.owner.Release()
	}
	*s = inPacket{state: slotConsumed}
}

// advance moves head to n; everything before it is freed.
func (r *recvBuffer) advance(n int64) {
	for r.head < n {
		r.discard(r.head)
		if s := r.slot(r.head); s != nil {
			s.state = slotEmpty
		}
		r.head++
		if r.head%pageSlots == 0 && len(r.pages) > 0 {
			p := &r.pages[int(r.head/pageSlots-1)&(len(r.pages)-1)]
			if *p != nil && len(r.free) < maxFreePages {
				r.free = append(r.free, *p)
			}
			*p = nil
		}
	}
	r.off = 0
	if r.high < r.head {
		r.high = r.head
	}
}

// trim keeps no memory for an empty buffer.
func (r *recvBuffer) trim() {
	if r.head == r.high {
		r.pages, r.free = nil, nil
	}
}

// clear frees everything.
func (r *recvBuffer) clear() {
	r.advance(r.high)
	r.trim()
}
