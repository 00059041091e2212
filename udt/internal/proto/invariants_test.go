package proto

import "fmt"

// invariants checks what holds of a Conn after every call.
func invariants(c *Conn) error {
	if c.phase == phaseConnecting {
		return nil
	}
	for _, check := range []func(*Conn) error{senderInvariants, legacyInvariants, slabInvariants, receiverInvariants} {
		if err := check(c); err != nil {
			return err
		}
	}
	return nil
}

func rangesInvariants(name string, r *ranges, lo, hi int64) error {
	var count int64
	last := lo - 1
	for i, s := range r.list() {
		if s.first >= s.end || i > 0 && s.first <= last || s.first < lo || s.end > hi {
			return fmt.Errorf("%s: span %d of %v, bounds [%d,%d)", name, i, r.list(), lo, hi)
		}
		last = s.end
		count += s.end - s.first
	}
	if count != r.count {
		return fmt.Errorf("%s: count %d, want %d", name, r.count, count)
	}
	return nil
}

func senderInvariants(c *Conn) error {
	s := &c.send
	b := &s.buf
	if !(b.una <= b.next && b.next <= b.end) {
		return fmt.Errorf("una %d, next %d, end %d", b.una, b.next, b.end)
	}
	if c.phase == phaseEnded || c.closing.peer {
		return nil
	}
	bytes, unsent := 0, 0
	for n := b.una; n < b.end; n++ {
		p := b.packet(n)
		if (p.slab == nil) != (p.flags&packetDropped != 0) {
			return fmt.Errorf("packet %d: no payload, not dropped", n)
		}
		bytes += int(p.size)
		if n >= b.next {
			unsent += int(p.size)
			if p.sends != 0 {
				return fmt.Errorf("packet %d was sent %d times, next is %d", n, p.sends, b.next)
			}
		} else if p.sends == 0 && p.flags&packetDropped == 0 {
			return fmt.Errorf("packet %d before next was never sent", n)
		}
	}
	if bytes != b.bytes || unsent != b.unsent {
		return fmt.Errorf("bytes %d, want %d; unsent %d, want %d", b.bytes, bytes, b.unsent, unsent)
	}
	if c.inFlight() < 0 {
		return fmt.Errorf("%d packets in flight", c.inFlight())
	}
	if s.fullAcked > b.next {
		return fmt.Errorf("acknowledged to %d, next is %d", s.fullAcked, b.next)
	}
	last := int64(0)
	for i := s.log.head; i < len(s.log.records); i++ {
		r := &s.log.records[i]
		if r.first < last || r.n <= 0 || r.first+int64(r.n) > s.txNext || r.bytes <= 0 || r.inFlight < 0 {
			return fmt.Errorf("send record %+v after %d, next transmission %d", *r, last, s.txNext)
		}
		last = r.first + int64(r.n)
	}
	return rangesInvariants("losses", &s.losses, b.una, b.next)
}

func legacyInvariants(c *Conn) error {
	s := &c.send
	if c.extended || c.phase == phaseEnded || c.closing.peer {
		return nil
	}
	out := 0
	for n := s.buf.una; n < s.buf.next; n++ {
		if s.buf.packet(n).flags&packetOut != 0 {
			out++
		}
	}
	if out != s.legacy.inFlight {
		return fmt.Errorf("%d packets in flight, %d are marked", s.legacy.inFlight, out)
	}
	return rangesInvariants("missing", &s.legacy.missing, s.buf.una, s.buf.next)
}

func slabInvariants(c *Conn) error {
	b := &c.send.buf
	live := map[*slab]int{}
	for n := b.una; n < b.end; n++ {
		if p := b.packet(n); p.slab != nil {
			if p.slab.mem == nil {
				return fmt.Errorf("packet %d lies in freed memory", n)
			}
			if int(p.slot) >= p.slab.used || int(p.size) > p.slab.room(int(p.slot)) {
				return fmt.Errorf("packet %d: slot %d of %d, %d bytes", n, p.slot, p.slab.used, p.size)
			}
			live[p.slab]++
		}
	}
	for s, n := range live {
		if s.live != n || s.pins < 0 {
			return fmt.Errorf("slab has %d live packets, counts %d, %d pins", n, s.live, s.pins)
		}
	}
	if b.open && b.tail == nil {
		return fmt.Errorf("an open packet without a slab")
	}
	return nil
}

func receiverInvariants(c *Conn) error {
	r := &c.recv
	b := &r.buf
	if !(b.head <= r.next && r.next <= b.high) {
		return fmt.Errorf("head %d, next %d, high %d", b.head, r.next, b.high)
	}
	if b.high > c.edge()+windowReserve {
		return fmt.Errorf("high %d beyond edge %d", b.high, c.edge())
	}
	if r.acks.next > r.next {
		return fmt.Errorf("acknowledged %d, have only %d", r.acks.next, r.next)
	}
	if r.acks.anySent && r.acks.edge > r.window.promised || r.window.promised > c.edge() {
		return fmt.Errorf("advertised %d, promised %d, edge %d", r.acks.edge, r.window.promised, c.edge())
	}
	bytes := 0
	for n := b.head; n < b.high; n++ {
		if s := b.slot(n); s != nil {
			bytes += len(s.payload)
		}
		if missing := r.holes.contains(n); missing != (b.state(n) == slotEmpty) {
			return fmt.Errorf("number %d: missing %v, state %d, head %d next %d high %d", n, missing, b.state(n), b.head, r.next, b.high)
		}
	}
	if bytes != b.bytes {
		return fmt.Errorf("%d bytes held, counts %d", bytes, b.bytes)
	}
	unread := 0
	for _, m := range r.messages.ready[r.messages.head:] {
		unread += int(m.end - m.first)
	}
	if unread != r.messages.unread {
		return fmt.Errorf("%d packets of messages unread, counts %d", unread, r.messages.unread)
	}
	for _, g := range r.naks.fresh {
		for n := g.first; n < g.end; n++ {
			if !r.holes.contains(n) {
				return fmt.Errorf("gap %v not reported yet, but %d is not missing", g.span, n)
			}
		}
	}
	return rangesInvariants("holes", &r.holes, r.next, b.high)
}
