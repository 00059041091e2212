package udt

import (
	"sync"
	"time"

	"github.com/udtgo/udtgo/udt/internal/memory"
	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/udpio"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// An inbox is a run of packets on its way to a connection. It is plain memory.
type inbox struct{ packets []proto.Packet }

var inboxes = sync.Pool{New: func() any { return new(inbox) }}

// cut fills the inbox with b, cut into pieces of segment bytes.
func (in *inbox) cut(b []byte, segment int, blk *memory.Block) {
	for len(b) > 0 {
		p := b
		if segment > 0 && segment < len(b) {
			p = b[:segment]
		}
		b = b[len(p):]
		in.add(p, blk)
	}
}

// add adds a packet. A data packet gets memory that the connection may keep: a
// reference to blk, which it lies in, or if that is nil a copy.
func (in *inbox) add(p []byte, blk *memory.Block) {
	switch {
	case len(p) < wire.HeaderLen || wire.IsControl(p):
		in.packets = append(in.packets, proto.Packet{B: p})
	case blk != nil:
		blk.Hold()
		in.packets = append(in.packets, proto.Packet{B: p, Owner: blk})
	default:
		in.packets = append(in.packets, memory.Copy(p))
	}
}

// empty releases what the connection has not kept.
func (in *inbox) empty() {
	for i := range in.packets {
		if owner := in.packets[i].Owner; owner != nil {
			owner.Release()
		}
	}
	clear(in.packets)
	in.packets = in.packets[:0]
	inboxes.Put(in)
}

// handle applies packets that have been read from the socket: b cut into pieces of
// segment bytes. If blk is not nil b lies in it, and the connection may keep references
// to it. Share is the connection's part of the socket's buffer. It reports how often a
// call that waited for data has got some, zero if none did now.
func (c *Conn) handle(now time.Time, b []byte, segment int, blk *memory.Block, share int) (served int) {
	if c.guard != nil {
		return c.handleProtected(now, b, segment, blk, share, nil)
	}
	in := inboxes.Get().(*inbox)
	defer in.empty()
	in.cut(b, segment, blk)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applyLocked(now, in, share)
	return c.appliedLocked(now)
}

// handleProtected is handle for a protected connection. The packets are opened before
// mu is taken. If moved is not nil, they came from there and not from where the peer is
// known to be.
func (c *Conn) handleProtected(now time.Time, b []byte, segment int, blk *memory.Block, share int, moved *udpio.Received) (served int) {
	g := c.guard
	err := g.open(now, b, segment)
	in := inboxes.Get().(*inbox)
	defer in.empty()
	for _, p := range g.opened {
		in.add(p, blk)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applyLocked(now, in, share)
	from := c.path.Load().addr
	if moved != nil {
		from = moved.From
	}
	for _, p := range g.own {
		c.handleOwnLocked(now, p, from)
	}
	if moved != nil && g.newest && c.path.Load().addr != from {
		c.noteSourceLocked(now, moved)
	}
	if err != nil {
		c.core.Fail(&securityError{ErrAuth, err})
	}
	return c.appliedLocked(now)
}

// handleRefused takes a report that nothing listens at the peer's address. A dial
// counts on it; an open connection hears of it only if open is set.
func (c *Conn) handleRefused(now time.Time, open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if open || c.core.Connecting() {
		c.core.HandleRefused(now)
		c.settleLocked(now, effortBatch)
	}
}

func (c *Conn) applyLocked(now time.Time, in *inbox, share int) {
	c.handling = true
	c.core.SetSocketBuffer(share)
	c.core.Handle(now, in.packets)
}

// appliedLocked wakes the calls that the packets concern, and sends what they make
// due: one batch, without waiting.
func (c *Conn) appliedLocked(now time.Time) (served int) {
	c.warnLocked(now)
	if c.read.data.waiting > 0 && c.core.Readable() {
		c.read.served++
		served = c.read.served
	}
	c.settleLocked(time.Now(), effortBatch)
	c.handling = false
	return served
}
