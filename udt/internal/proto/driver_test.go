package proto

import "time"

// poll is Poll, and reports whether there is anything to send.
func poll(c *Conn, now time.Time, out *Batch) bool {
	c.Poll(now, out)
	return !out.Empty()
}

// nextOf returns when c wants to be polled, the zero Time if never.
func nextOf(c *Conn, now time.Time) time.Time { return c.Poll(now, nil).At }

// give hands c one read, b cut into pieces of segment bytes. Owner is the memory that
// the packets share, or nil if each is to have its own.
func give(c *Conn, now time.Time, b []byte, segment int, owner Ref) {
	if segment <= 0 {
		segment = max(len(b), 1)
	}
	var packets []Packet
	for len(b) > 0 {
		p := b[:min(segment, len(b))]
		b = b[len(p):]
		packets = append(packets, ownedPacket(c, p, owner))
	}
	c.Handle(now, packets)
	releaseAll(packets)
}

func ownedPacket(c *Conn, p []byte, owner Ref) Packet {
	if shared, ok := owner.(*testRef); ok {
		shared.Retain()
		return Packet{B: p, Owner: shared}
	}
	if m, ok := c.memory.(*testMemory); ok && owner == nil {
		r := m.ref(append([]byte(nil), p...))
		return Packet{B: r.b, Owner: r}
	}
	return Packet{B: p, Owner: owner}
}
