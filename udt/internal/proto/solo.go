package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Messages of at most one packet that live for ever need nothing but their packets.
// Many of them are reserved, filled and committed at once.

// ReserveSolos lends room for at most n messages of one packet each, in message
// mode. Its size is zero if there is none for a message of size bytes, which is what
// the first one has at least. Only one reservation may be open.
func (c *Conn) ReserveSolos(n, size int) Reservation {
	if c.phase != phaseOpen || c.closing.peer {
		return Reservation{}
	}
	b := &c.send.buf
	if n <= 0 || !b.roomForMessage(size) {
		return Reservation{}
	}
	n = min(n, (b.limit-b.bytes)/b.payload, (b.most-b.memory())/(wire.HeaderLen+b.payload),
		(b.burst-b.unsent+b.payload-1)/b.payload)
	return b.reserve(max(n, 1)*b.payload, true)
}

// Rooms sets the first elements of v to the payloads of the packets of r, and
// returns how many it set.
func (r *Reservation) Rooms(v [][]byte) int {
	n := min(r.size/r.cap, len(v))
	for i := range n {
		v[i] = r.slab.slot(r.slot + i)[wire.HeaderLen:][:r.cap:r.cap]
	}
	return n
}

// CommitSolos hands packets of r over for transmission, from the first one on, each
// as a message of the size of the element of v. None may be empty.
func (c *Conn) CommitSolos(now time.Time, r *Reservation, v [][]byte, ordered bool) {
	b := &c.send.buf
	c.at(now)
	switch {
	case r.size == 0:
		return
	case c.phase > phaseDraining || c.closing.peer:
		// The connection ended while the writer copied.
		b.reserved = false
		b.dropTail()
		return
	case len(v) == 0:
		b.commit(r, 0, nil)
		return
	}
	b.reserved = false
	o := &c.send.outgoing
	o.ordered = ordered
	for i := range v {
		o.number = wire.NextMessage(o.number)
		o.current = outMessage{span: span{b.end, b.end + 1}, number: o.number}
		b.bytes += len(v[i])
		b.unsent += len(v[i])
		b.append(r.slab, r.slot+i, len(v[i]), c.mark)
	}
	b.open = false
}
