package libudtmodel

import (
	"net/netip"
	"time"
)

// conn is the receiving half of a connection. Packet numbers do not wrap in it.
type conn struct {
	l       *Listener
	addr    netip.AddrPort
	id      uint32
	peer    uint32
	first   uint32 // initial packet number
	payload int    // of a full packet, in bytes

	curr      int64 // highest number received
	lastAck   int64 // as the last full ACK said
	confirmed int64 // as an ACK2 confirmed
	lost      holes
	buffer    []slot // a ring, indexed by number

	ran      time.Duration // timers
	heard    time.Duration
	expiries int
	nextAck  time.Duration
	packets  int // since the last full ACK event
	light    int

	ackNumber   uint32
	acks        [1024]sentAck // a ring, indexed by ACK number
	lastFull    time.Duration // last ACK with rates
	rtt, rttVar time.Duration
	rates       rates
	broken      bool
}

// slot is a packet in the receive buffer, of which only the length is kept.
type slot struct {
	filled bool
	size   int
}

type sentAck struct {
	number uint32
	next   int64
	at     time.Duration
}

func newConn(l *Listener, addr netip.AddrPort, id, peer, first uint32, mss int) *conn {
	n := int64(first)
	c := &conn{
		l: l, addr: addr, id: id, peer: peer, first: first, payload: mss - 44,
		curr: n - 1, lastAck: n, confirmed: n, buffer: make([]slot, l.config.Buffer),
		expiries: 1, light: 1, rtt: 100 * time.Millisecond, rttVar: 50 * time.Millisecond,
	}
	c.rates.init()
	return c
}

// begin starts the timers.
func (c *conn) begin(now time.Duration) {
	c.ran, c.heard, c.nextAck, c.rates.last = now, now, now+syncPeriod, now
}

// control sends a control packet.
func (c *conn) control(kind, info uint32, body []byte) {
	b := c.l.out[:0]
	b = append(b, make([]byte, headerLen)...)
	putWord(b, 0, 1<<31|kind<<16)
	putWord(b, 1, info)
	putWord(b, 3, c.peer)
	if len(body) == 0 {
		body = []byte{0, 0, 0, 0}
	}
	b = append(b, body...)
	c.l.out = b
	c.l.send(b, c.addr)
}

// words sends a control packet with a body of words.
func (c *conn) words(kind, info uint32, words ...uint32) {
	var body [24]byte
	for i, w := range words {
		putWord(body[:], i, w)
	}
	c.control(kind, info, body[:4*len(words)])
}

func (c *conn) handle(now time.Duration, b []byte) {
	c.expiries, c.heard = 1, now
	if b[0]&0x80 == 0 {
		c.data(now, b)
	} else {
		c.controlPacket(now, b)
	}
	if !c.broken {
		c.timers(now)
	}
}

func (c *conn) controlPacket(now time.Duration, b []byte) {
	switch word(b, 0) >> 16 & 0x7fff {
	case typeHandshake:
		c.pinged(b)
	case typeAck2:
		c.ack2(now, word(b, 1))
	case typeShutdown:
		c.broken = true
	}
}

// unwrap returns the number nearest to the last acknowledged one that has the
// 31 bits n.
func (c *conn) unwrap(n uint32) int64 {
	d := int64(int32((n-uint32(c.lastAck))<<1)) >> 1
	return c.lastAck + d
}

// available is how many packets beyond lastAck there is room for: what is
// acknowledged is read at once.
func (c *conn) available() int64 { return int64(len(c.buffer)) - 1 }

func (c *conn) slot(n int64) *slot { return &c.buffer[n%int64(len(c.buffer))] }

// data takes a data packet.
func (c *conn) data(now time.Duration, b []byte) {
	c.packets++
	number := word(b, 0)
	c.rates.arrived(now, number)
	n := c.unwrap(number)
	if n < c.lastAck || n >= c.lastAck+c.available() || c.slot(n).filled {
		return
	}
	size := len(b) - headerLen
	*c.slot(n) = slot{true, size}
	if n > c.curr+1 {
		c.lost.add(c.curr+1, n)
		c.nak(c.curr+1, n-1)
	}
	if size != c.payload {
		c.nextAck = 0 // an odd size is acknowledged at once
	}
	if n > c.curr {
		c.curr = n
	} else {
		c.lost.remove(n)
	}
}

// nak reports the packets from first to last, once.
func (c *conn) nak(first, last int64) {
	f, l := uint32(first)&0x7fffffff, uint32(last)&0x7fffffff
	if first == last {
		c.words(typeNak, 0, f)
		return
	}
	c.words(typeNak, 0, f|1<<31, l)
}

// timers run after each packet and otherwise every 100 ms.
func (c *conn) timers(now time.Duration) {
	c.ran = now
	switch {
	case now > c.nextAck:
		c.nextAck = now + syncPeriod
		c.packets, c.light = 0, 1
		c.fullAck(now)
	case c.packets >= lightSpacing*c.light:
		c.light++
		if a := c.ackPoint(); a != c.confirmed {
			c.words(typeAck, 0, uint32(a)&0x7fffffff)
		}
	}
	c.expire(now)
}

func (c *conn) ackPoint() int64 {
	if len(c.lost) > 0 {
		return c.lost[0].first
	}
	return c.curr + 1
}

// fullAck acknowledges unless that would say nothing new, and gives the
// application what it acknowledges.
func (c *conn) fullAck(now time.Duration) {
	a := c.ackPoint()
	switch {
	case a == c.confirmed || a < c.lastAck:
		return
	case a == c.lastAck && now-c.lastFull < c.rtt+4*c.rttVar:
		return
	}
	bytes := 0
	for ; c.lastAck < a; c.lastAck++ {
		s := c.slot(c.lastAck)
		bytes += s.size
		*s = slot{}
	}
	if bytes > 0 {
		c.l.config.Delivered(bytes)
	}
	c.ackNumber = (c.ackNumber + 1) & 0x7fffffff
	c.acks[c.ackNumber%uint32(len(c.acks))] = sentAck{c.ackNumber, a, now}
	words := [6]uint32{
		uint32(a) & 0x7fffffff, uint32(c.rtt.Microseconds()), uint32(c.rttVar.Microseconds()), uint32(max(c.available(), 2)),
	}
	if now-c.lastFull <= syncPeriod {
		c.words(typeAck, c.ackNumber, words[:4]...)
		return
	}
	c.lastFull = now
	words[4], words[5] = c.rates.receive(), c.rates.capacity()
	c.words(typeAck, c.ackNumber, words[:]...)
}

// ack2 takes the confirmation of an ACK.
func (c *conn) ack2(now time.Duration, number uint32) {
	s := &c.acks[number%uint32(len(c.acks))]
	if s.number != number || s.at == 0 {
		return
	}
	if rtt := now - s.at; rtt > 0 {
		c.rttVar = (3*c.rttVar + (rtt - c.rtt).Abs()) / 4
		c.rtt = (7*c.rtt + rtt) / 8
	}
	c.confirmed = max(c.confirmed, s.next)
	s.at = 0
}

// expire is the EXP timer of a socket that sends no data.
func (c *conn) expire(now time.Duration) {
	n := time.Duration(c.expiries)
	if now <= c.heard+max(n*(c.rtt+4*c.rttVar)+syncPeriod, n*minExpiry) {
		return
	}
	if c.expiries > maxExpiries && now-c.heard > deadAfter {
		c.broken = true
		return
	}
	c.control(typeKeepAlive, 0, nil)
	c.expiries++
	c.heard = now
}
