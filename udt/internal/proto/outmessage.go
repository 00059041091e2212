package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// outMessage is a message in the send buffer that may expire, or has.
type outMessage struct {
	span
	number   uint32
	deadline time.Duration
}

// outMessages numbers messages and gives up those whose time to live has
// passed. The numbers of a given-up message are dropped: wherever one of them
// would be sent, a drop request for the whole range goes out instead, which is
// thus as reliable as data (SPEC.md#time-to-live).
type outMessages struct {
	number   uint32 // of the message being written, or written last
	current  outMessage
	left     int // bytes of the current message not committed yet
	ordered  bool
	expiring []outMessage
	dropped  []outMessage
	requests []outMessage // drop requests to send
}

// MaxMessage returns the size in bytes of the largest message that fits both
// the send buffer and the peer's window.
func (c *Conn) MaxMessage() int {
	return min(c.cfg.SendBuffer/c.payload, c.peerWindow) * c.payload
}

// BeginMessage makes room for a message of n bytes and reports whether there
// is; the message is then written by Reserve and Commit. n is from 1 to
// MaxMessage. A ttl of zero means the message never expires.
func (c *Conn) BeginMessage(now time.Time, n int, ttl time.Duration, ordered bool) bool {
	s := &c.send
	if c.phase != phaseOpen || c.closing.peer {
		return false
	}
	if n > s.buf.limit {
		c.growSendBuffer(n)
	}
	if !s.buf.roomForMessage(n) {
		return false
	}
	o := &s.outgoing
	o.number = wire.NextMessage(o.number)
	packets := int64((n + c.payload - 1) / c.payload)
	o.current = outMessage{span: span{s.buf.end, s.buf.end + packets}, number: o.number}
	o.left, o.ordered = n, ordered
	if ttl > 0 {
		o.current.deadline = c.at(now) + ttl
		o.expiring = append(o.expiring, o.current)
	}
	return true
}

// mark gives a new packet its message number and boundary.
func (c *Conn) mark(p *outPacket) {
	o := &c.send.outgoing
	if !c.cfg.Message {
		o.number = wire.NextMessage(o.number)
		p.message, p.boundary = o.number, wire.Solo
		return
	}
	if n := c.send.buf.end - 1; n == o.current.first {
		p.boundary |= wire.First
	}
	if c.send.buf.end == o.current.end {
		p.boundary |= wire.Last
	}
	p.message = o.number
	if o.ordered {
		p.flags |= packetOrdered
	}
}

// expireMessages drops the messages whose time is over.
func (c *Conn) expireMessages(now time.Duration) {
	s := &c.send
	o := &s.outgoing
	if len(o.expiring) == 0 && len(o.dropped) == 0 {
		return
	}
	keep := o.expiring[:0]
	for _, m := range o.expiring {
		switch {
		case m.end <= s.buf.una:
		case now < m.deadline || m.end > s.buf.end:
			keep = append(keep, m)
		default:
			c.drop(m)
		}
	}
	o.expiring = keep
	i := 0
	for i < len(o.dropped) && o.dropped[i].end <= s.buf.una {
		i++
	}
	o.dropped = append(o.dropped[:0], o.dropped[i:]...)
}

// drop gives the message m up.
func (c *Conn) drop(m outMessage) {
	s := &c.send
	c.stats.MessagesExpired++
	sent := false
	for n := max(m.first, s.buf.una); n < m.end; n++ {
		p := s.buf.packet(n)
		p.flags |= packetDropped
		if n >= s.buf.next {
			s.buf.unsent -= int(p.size)
		} else {
			sent = true
		}
		if p.slab != nil {
			s.buf.free(p)
			p.size = 0
		}
	}
	if s.buf.end == m.end {
		s.buf.open = false
	}
	// Messages expire in the order of their deadlines, not of their numbers.
	i := len(s.outgoing.dropped)
	for i > 0 && s.outgoing.dropped[i-1].first > m.first {
		i--
	}
	s.outgoing.dropped = append(s.outgoing.dropped, outMessage{})
	copy(s.outgoing.dropped[i+1:], s.outgoing.dropped[i:])
	s.outgoing.dropped[i] = m
	if sent {
		c.requestDrop(max(m.first, s.buf.una))
	}
}

// requestDrop queues the drop request of the message that packet n belonged to,
// and returns where that ends.
func (c *Conn) requestDrop(n int64) (end int64) {
	o := &c.send.outgoing
	for _, m := range o.dropped {
		if n < m.first || n >= m.end {
			continue
		}
		c.send.losses.remove(m.first, m.end)
		for _, r := range o.requests {
			if r.first == m.first {
				return m.end
			}
		}
		o.requests = append(o.requests, m)
		return m.end
	}
	return n
}

// appendDropRequest appends the next drop request. Adjacent dropped messages
// share one.
func (c *Conn) appendDropRequest(b []byte) []byte {
	s := &c.send
	o := &s.outgoing
	m := o.requests[0]
	o.requests = o.requests[1:]
	for len(o.requests) > 0 && o.requests[0].first == m.end {
		m.end = o.requests[0].end
		o.requests = o.requests[1:]
	}
	// Numbers not reached yet are requested when they are: an acknowledgement
	// of what was never sent is not believed.
	first, end := max(m.first, s.buf.una), min(m.end, s.buf.next)
	if first >= end {
		return b
	}
	for n := first; n < end; n++ {
		s.buf.packet(n).sentAt = c.now
	}
	s.lastSent = c.now
	c.stats.DropRequestsSent++
	b = c.appendHeader(b, wire.TypeDropRequest, 0, m.number)
	var body [wire.DropRequestLen]byte
	wire.PutDropRequest(body[:], first, end-1)
	return append(b, body[:]...)
}

// expireTime returns when the next message expires; zero means never.
func (c *Conn) expireTime() time.Duration {
	var due time.Duration
	for _, m := range c.send.outgoing.expiring {
		if m.end <= c.send.buf.end && (due == 0 || m.deadline < due) {
			due = m.deadline
		}
	}
	return due
}
