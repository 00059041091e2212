package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// receiver places what arrives, and notes what is missing.
type receiver struct {
	buf      recvBuffer
	next     int64  // all numbers before it have arrived or been given up
	holes    ranges // missing numbers between next and buf.high
	payload  int    // largest payload accepted
	full     int    // payload of a packet that is not irregular
	window   recvWindow
	messages inMessages
	arrivals arrivals
	rate     arrivalRate
	pairs    packetPairs
	acks     ackState
	naks     nakState

	held       int // bytes reported to Pressure
	level      Level
	discarding bool // the application has closed: acknowledge and forget
	oversized  bool // an incomplete message fills the whole window
	lastData   time.Duration
	batch      batchState
}

// batchState is what one run of datagrams brought.
type batchState struct {
	packets   int // data packets, whatever became of them
	bytes     int // their payload
	placed    int
	irregular bool
	gap       bool // opened one
	duplicate bool
	filled    bool // filled one
}

// maxTxGap is how many transmissions beyond two windows may go missing in a row.
const maxTxGap = 1 << 16

// edge is one past the last number that the window lets in.
func (c *Conn) edge() int64 {
	r := &c.recv
	e := r.window.edge(r.buf.head, r.next, c.rtt.min())
	if r.level != LevelFree {
		least := int64(minWindow)
		if r.buf.bytes == 0 {
			least = tightWindow // it is not this one that holds the memory
		}
		e = max(min(e, r.next+least), r.window.promised)
	}
	return e
}

// handleData places one data packet.
func (c *Conn) handleData(now time.Duration, p *Packet) {
	r := &c.recv
	b := p.B
	h := wire.ParseData(b)
	payload := b[wire.HeaderLen:]
	c.stats.PacketsReceived++
	if c.protected {
		h.Time = c.protectedTransmission(h.Message)
	}
	n, tx, ok := c.sendable(&h, len(payload))
	if !ok {
		c.stats.Malformed++
		return
	}
	if c.extended && r.arrivals.note(tx) {
		r.acks.largestAt = now
	}
	r.batch.packets++
	r.batch.bytes += len(payload)
	r.lastData = now
	if c.observer != nil {
		c.observer.OnPacketReceived(c.start.Add(now), &c.cc, n, len(b))
	}
	switch {
	case n < r.next || r.buf.state(n) != slotEmpty:
		c.stats.PacketsDuplicate++
		r.batch.duplicate = true
		return
	case n >= c.edge()+windowReserve, r.level == LevelFull && (n > r.next || c.Readable()):
		c.stats.PacketsDropped++
		return
	}
	c.noteOrder(now, n, &h, len(payload))
	if len(payload) != r.full {
		r.batch.irregular = true
	}
	r.batch.placed++
	c.stats.BytesReceived += uint64(len(payload))
	behindGap := n > r.next
	if r.discarding || len(payload) == 0 {
		r.buf.put(n, &h, nil, nil)
	} else {
		r.buf.put(n, &h, payload, p.Owner)
		p.Owner = nil
	}
	r.advanceNext()
	if c.cfg.Message && !r.discarding && behindGap && n >= r.next && (h.Boundary.IsLast() || r.batch.filled) {
		r.messages.arrived(&r.buf, n)
	}
}

// sendable returns the sequence number of a data packet and, from our peers, the number
// of its transmission. It reports whether the peer can have sent it: has ever been
// allowed to, with a transmission number that can follow. Others would spoil the counts
// of those that arrive.
func (c *Conn) sendable(h *wire.Data, size int) (n, tx int64, ok bool) {
	r := &c.recv
	limit := int64(r.window.limit)
	n = wire.Unwrap(r.next, h.Number)
	if size > r.payload || n < r.next-limit || n >= c.edge()+limit {
		return 0, 0, false
	}
	if c.extended {
		tx = wire.Unwrap32(r.arrivals.largest, h.Time)
		far := 2*limit + maxTxGap
		ok = tx > 0 && tx <= r.arrivals.largest+far && tx >= r.arrivals.largest-far
		return n, tx, ok
	}
	return n, 0, true
}

// noteOrder takes down what a data packet that has a place opens or fills: gaps that
// are to be reported, and reports that were premature.
func (c *Conn) noteOrder(now time.Duration, n int64, h *wire.Data, size int) {
	r := &c.recv
	switch {
	case n < r.buf.high:
		r.holes.remove(n, n+1)
		if r.naks.filled(n) {
			c.stats.PacketsReordered++
		} else if int32(h.Time-r.naks.latest) < 0 {
			// It was reported, but it is not the repair that came.
			r.naks.reordered, r.naks.deep = true, true
		}
		r.batch.filled = true
	case n > r.buf.high:
		r.holes.add(r.buf.high, n)
		r.naks.opened(now, span{r.buf.high, n})
		c.stats.PacketsLostRecv += uint64(n - r.buf.high)
		r.batch.gap = true
	case size == r.full:
		r.pairs.arrived(now, n)
	}
	if int32(h.Time-r.naks.latest) > 0 {
		r.naks.latest = h.Time
	}
}

// advanceNext moves next over what has arrived.
func (r *receiver) advanceNext() {
	if r.holes.empty() {
		r.next = r.buf.high
	} else {
		r.next = r.holes.min()
	}
}

// endBatch draws the conclusions from one run of datagrams.
func (c *Conn) endBatch(now time.Duration) {
	r := &c.recv
	b := r.batch
	if b.packets == 0 {
		return
	}
	r.batch = batchState{}
	r.rate.batch(now, b.packets)
	c.deliver()
	r.window.grow(now, c.rtt.rtt(), b.packets, c.unread())
	c.ackData(now, b)
	r.account(c.cfg.Pressure)
}

// deliver makes what has become deliverable readable.
func (c *Conn) deliver() {
	r := &c.recv
	switch {
	case r.discarding:
		r.buf.advance(r.next)
		r.messages.scan = r.next
	case c.cfg.Message:
		r.messages.inOrder(&r.buf, r.next)
		c.advanceHead()
		// A message that fills the window can only be completed by a larger one.
		if r.messages.empty() && r.next-r.buf.head >= int64(r.window.size)*3/4 && !r.window.double() &&
			r.next-r.buf.head >= int64(r.window.size) {
			r.oversized = true
		}
	}
	r.messages.within = max(r.messages.within, r.messages.scan)
}

// advanceHead passes the numbers that nobody waits for any more.
func (c *Conn) advanceHead() {
	r := &c.recv
	head := r.buf.head
	for head < r.messages.scan && r.buf.state(head) != slotHeld {
		head++
	}
	if head > r.buf.head {
		r.buf.advance(head)
	}
}

// unread returns how many packets the application could read.
func (c *Conn) unread() int {
	r := &c.recv
	if c.cfg.Message {
		return r.messages.unread
	}
	return int(r.next - r.buf.head)
}

// handleDropRequest obeys a message drop request: an inclusive range, clipped
// to the window; what has arrived is kept (SPEC.md#drop-requests-received).
func (c *Conn) handleDropRequest(now time.Duration, body []byte) {
	first, last, err := wire.ParseDropRequest(body)
	if err != nil || !c.cfg.Message {
		c.stats.Malformed++
		return
	}
	r := &c.recv
	from := wire.Unwrap(r.next, first)
	end := wire.Unwrap(from, last) + 1
	limit := int64(r.window.limit)
	if from >= end || from < r.next-limit || from > c.edge() || end > c.edge()+limit {
		c.stats.Malformed++ // not a range that the peer has ever been allowed to send
		return
	}
	if !c.allow(now, budgetDrop) {
		return
	}
	end = min(end, c.edge()+windowReserve)
	if from > r.buf.high {
		r.holes.add(r.buf.high, from)
		r.naks.opened(now, span{r.buf.high, from})
		r.batch.gap = true
	}
	for _, h := range r.holes.list() {
		for n := max(h.first, from); n < min(h.end, end); n++ {
			r.buf.drop(n)
			c.stats.PacketsGivenUp++
		}
	}
	for n := max(from, r.buf.high); n < end; n++ {
		r.buf.drop(n)
		c.stats.PacketsGivenUp++
	}
	r.holes.remove(from, end)
	r.naks.forget(from, end)
	r.advanceNext()
	r.batch.packets++
	r.batch.irregular = true // acknowledged as promptly as the end of a message
}

// Readable reports whether Read would return something now.
func (c *Conn) Readable() bool {
	r := &c.recv
	if r.discarding {
		return false
	}
	if c.cfg.Message {
		return !r.messages.empty()
	}
	c.skipEmpty()
	return r.buf.head < r.next
}

// skipEmpty passes data packets without payload, which a stream may contain.
func (c *Conn) skipEmpty() {
	r := &c.recv
	for r.buf.head < r.next {
		if s := r.buf.slot(r.buf.head); s.state == slotHeld && len(s.payload) > 0 {
			return
		}
		r.buf.advance(r.buf.head + 1)
	}
}

// Pieces appends to pieces what can be read, in order: at most limit bytes of a
// stream, or all of the next message. They stay valid until Consume.
func (c *Conn) Pieces(limit int, pieces [][]byte) [][]byte {
	r := &c.recv
	if !c.Readable() {
		return pieces
	}
	if c.cfg.Message {
		m := r.messages.front()
		for n := m.first; n < m.end; n++ {
			pieces = append(pieces, r.buf.slot(n).payload)
		}
		return pieces
	}
	off := r.buf.off
	for n := r.buf.head; n < r.next && limit > 0 && len(pieces) < cap(pieces); n++ {
		p := r.buf.slot(n).payload[off:]
		off = 0
		if len(p) > limit {
			p = p[:limit]
		}
		limit -= len(p)
		if len(p) > 0 {
			pieces = append(pieces, p)
		}
	}
	return pieces
}

// Consume drops the first n readable bytes of a stream, and reports whether the peer
// should hear of it: the window has opened.
func (c *Conn) Consume(now time.Time, n int) (ackDue bool) {
	r := &c.recv
	if r.discarding {
		return false
	}
	head, off := r.buf.head, r.buf.off+n
	for head < r.next {
		size := len(r.buf.slot(head).payload)
		if off < size {
			break
		}
		off -= size
		head++
	}
	if head > r.buf.head {
		r.buf.advance(head)
	}
	r.buf.off = off
	return c.consumed(c.at(now))
}

// ConsumeMessage drops the next message, and reports whether the peer should hear of
// it.
func (c *Conn) ConsumeMessage(now time.Time) (ackDue bool) {
	r := &c.recv
	if r.discarding || r.messages.empty() {
		return false
	}
	c.dropMessage()
	c.advanceHead()
	return c.consumed(c.at(now))
}

// dropMessage takes the next message off the queue, and frees its packets.
func (c *Conn) dropMessage() {
	r := &c.recv
	m := r.messages.front()
	for n := m.first; n < m.end; n++ {
		r.buf.discard(n)
	}
	r.messages.pop()
}

// MessageSize returns the size of the next message.
func (c *Conn) MessageSize() int {
	n := 0
	m := c.recv.messages.front()
	for i := m.first; i < m.end; i++ {
		n += len(c.recv.buf.slot(i).payload)
	}
	return n
}
