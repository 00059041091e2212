package udt

import (
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/udt/internal/memory"
	"github.com/udtgo/udtgo/udt/internal/udpio"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// lendAfter is how often a call must have waited for data on a connection before
// the next one may read the socket itself: a short one is over before that pays.
const lendAfter = 3

// read receives and hands out packets until the socket is closed, or a call had better do
// it.
func (e *Endpoint) read() {
	b := memory.NewBlock()
	defer func() { b.Release() }()
	for {
		if b.Shared() {
			b.Release()
			b = memory.NewBlock()
		}
		served, ok := e.receive(b)
		if !ok {
			return
		}
		if served >= lendAfter && e.demux.len() == 1 && e.lease.Lends() {
			e.lease.GiveBack()
			return
		}
	}
}

// receive reads the socket once. It reports whether a call that waited for data
// got some: how often this has happened on that connection. If not ok the socket is
// closed and the lease given up.
func (e *Endpoint) receive(b *memory.Block) (served int, ok bool) {
	r, err := e.sock.Recv(b.Buf[:])
	if err == nil {
		served = e.dispatch(time.Now(), b, r)
		if e.retired.Load() && e.retired.Swap(false) {
			e.closeIfIdle()
		}
		return served, true
	}
	if refused, ok := err.(*udpio.RefusedError); ok {
		e.handleRefused(refused)
		return 0, true
	}
	if err == udpio.ErrInterrupted {
		return 0, true
	}
	e.lease.End()
	e.Close()
	return 0, false
}

// dispatch cuts what was read into runs of packets for the same connection. It
// reports what deliver did for the last of them.
func (e *Endpoint) dispatch(now time.Time, blk *memory.Block, r udpio.Received) (served int) {
	b := blk.Buf[:r.N]
	segment := max(r.Segment, 1)
	for len(b) > 0 {
		first := b[:min(segment, len(b))]
		if len(first) < wire.HeaderLen {
			e.handleForeign(first, r.From)
			b = b[len(first):]
			continue
		}
		id := wire.Dest(first)
		n := len(first)
		for n < len(b) && len(b)-n >= wire.HeaderLen && wire.Dest(b[n:]) == id {
			n += min(segment, len(b)-n)
		}
		served = e.deliver(now, blk, b[:n], segment, id, r)
		b = b[n:]
	}
	return served
}

// holdBytes is from how many bytes of a block on a connection keeps references
// to it: half of it. Smaller runs are copied, so that a connection never pins
// more than twice what it holds.
const holdBytes = 32 << 10

// deliver hands a run of packets to the connection they are for, and reports
// how often a call that waited for its data has got some, zero if none did now.
func (e *Endpoint) deliver(now time.Time, blk *memory.Block, b []byte, segment int, id uint32, r udpio.Received) (served int) {
	if id == 0 {
		for len(b) > 0 {
			p := b[:min(segment, len(b))]
			b = b[len(p):]
			e.handleUnaddressed(now, p, r)
		}
		return 0
	}
	c, buried := e.demux.lookup(id, r.From)
	switch {
	case c != nil && c.path.Load().addr == r.From:
		if len(b) < holdBytes {
			blk = nil
		}
		return c.handle(now, b, segment, blk, e.share.note(now, c))
	case c != nil && c.guard != nil && c.guard.migrates:
		return c.handleProtected(now, b, segment, nil, e.share.note(now, c), &r)
	case c != nil:
		e.counts.wrongSource.Add(1)
		e.event(now, eventWrongSource, r.From)
	case buried != nil:
		e.answerFromGrave(now, buried, b, segment)
	default:
		x := e.demux.exchange(id, r.From)
		for len(b) > 0 {
			p := b[:min(segment, len(b))]
			b = b[len(p):]
			if x != nil {
				x.deliver(now, p)
			} else {
				e.handleUnknown(now, p, &r)
			}
		}
	}
	return 0
}

// handleForeign takes a datagram that belongs to no connection.
func (e *Endpoint) handleForeign(b []byte, from netip.AddrPort) {
	if e.foreign != nil {
		e.counts.foreign.Add(1)
		e.foreign(b, from)
		return
	}
	if len(b) < wire.HeaderLen {
		e.counts.malformed.Add(1)
		return
	}
	e.counts.unknown.Add(1)
}
