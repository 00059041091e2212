package secure

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// An output is what is to be sent: the present flight of the TLS handshake, or
// what ends it.
type output struct {
	flight []part
	clear  int // bytes of each level that earlier flights carried
	sealed int

	at     int // the part that is to be sent next, and from where on
	offset int

	number uint32    // of the next datagram
	due    time.Time // next repetition, or zero
	sends  int       // of the present flight or request
	sentAt time.Time // when it was sent last

	credit      int       // bytes that may be repeated: three for each that came
	answeredAt  time.Time // when a repetition of the peer's was answered last
	ackDue      bool
	closeDue    bool
	closeSealed bool
	closing     []byte // a TLVClose
}

// A part is the bytes of one level that a flight has.
type part struct {
	level uint8
	from  int // offset into the level
	data  []byte
}

// begin forgets the flight that the peer has answered.
func (o *output) begin(now time.Time) {
	o.flight = nil
	o.at, o.offset, o.sends, o.due = 0, 0, 0, now
}

func (o *output) add(level uint8, data []byte) {
	written := &o.clear
	if level == wire.LevelSealed {
		written = &o.sealed
	}
	if n := len(o.flight); n > 0 && o.flight[n-1].level == level {
		o.flight[n-1].data = append(o.flight[n-1].data, data...)
	} else {
		o.flight = append(o.flight, part{level, *written, append([]byte(nil), data...)})
	}
	*written += len(data)
}

// size is about how many bytes the flight has, with what its datagrams add.
func (o *output) size() int {
	n := 0
	for _, p := range o.flight {
		n += len(p.data) + (len(p.data)/1000+1)*overhead
	}
	return n
}

// overhead is what a datagram has besides bytes of TLS.
const overhead = wire.SecureOffset + wire.SecureLen + wire.CryptoOverhead + tagLen

// again sends the flight once more.
func (o *output) again() {
	if o.at >= len(o.flight) {
		o.at, o.offset = 0, 0
	}
}

// drop leaves nothing to send.
func (o *output) drop() {
	o.flight, o.at, o.offset, o.due = nil, 0, 0, time.Time{}
	o.clear, o.sealed, o.sends = 0, 0, 0
	o.ackDue = false
}

func (o *output) waiting() bool { return o.closeDue || o.ackDue || o.at < len(o.flight) }

// Next returns when Poll has something to send or to decide: a time that has
// passed means now, the zero Time never.
func (m *Machine) Next() time.Time {
	o := &m.out
	switch {
	case o.waiting() || m.meet.shutdown || m.meet.echoDue && m.phase != failed:
		return m.now
	case m.phase == failed || m.confirmed:
		return time.Time{}
	case !o.due.IsZero() && m.repeats() && o.due.Before(m.deadline):
		return o.due
	}
	return m.deadline
}

// repeats reports whether we send again without being asked.
func (m *Machine) repeats() bool { return m.role != server || m.phase == meeting }

// Poll returns the next datagram to send, in buf if that has the capacity of
// wire.MaxSecureLen, or nil if there is none now.
func (m *Machine) Poll(now time.Time, buf []byte) []byte {
	m.advance(now)
	o := &m.out
	switch {
	case o.closeDue:
		o.closeDue = false
		return m.finish(append(m.head(buf, m.level(o.closeSealed)), o.closing...))
	case m.phase == failed:
		return m.pollShutdown(buf)
	case m.meet.echoDue:
		return m.pollEcho(buf)
	case o.ackDue:
		o.ackDue = false
		b := m.head(buf, wire.LevelSealed)
		return m.finish(wire.AppendAck(b, wire.LevelSealed, m.tls.sealed.next))
	case m.phase == inducing || m.phase == meeting:
		return m.pollRequest(now, buf)
	}
	if o.at >= len(o.flight) && m.repeats() && !o.due.IsZero() && !now.Before(o.due) {
		o.again()
	}
	if o.at >= len(o.flight) {
		return nil
	}
	if o.at == 0 && o.offset == 0 {
		o.due = now.Add(interval(o.sends))
		if o.sends == 0 {
			o.credit -= o.size()
		}
		o.sends++
		o.sentAt = now
	}
	return m.pollFlight(buf)
}

// interval is how long to wait for an answer to the n-th copy.
func interval(n int) time.Duration { return min(firstInterval<<min(n, 8), longestInterval) }

func (m *Machine) level(sealed bool) uint8 {
	if sealed {
		return wire.LevelSealed
	}
	return wire.LevelClear
}

// pollFlight returns the datagram of the flight that is next.
func (m *Machine) pollFlight(buf []byte) []byte {
	o := &m.out
	p := &o.flight[o.at]
	b := m.head(buf, p.level)
	if p.level == wire.LevelClear && m.meet.on {
		b = wire.AppendTLV(b, wire.TLVContest, m.meet.own[:])
	}
	room := m.maxDatagram() - len(b) - wire.CryptoOverhead
	if p.level == wire.LevelSealed {
		room -= tagLen
	}
	// In equal pieces: the system cuts what it is given at once into these.
	data := p.data[o.offset:]
	pieces := (len(data) + room - 1) / room
	data = data[:(len(data)+pieces-1)/pieces]
	b = wire.AppendCrypto(b, p.from+o.offset, data)
	o.offset += len(data)
	if o.offset == len(p.data) {
		o.at, o.offset = o.at+1, 0
	}
	return m.finish(b)
}

// maxDatagram is what a datagram may fill.
func (m *Machine) maxDatagram() int {
	return max(min(wire.MaxSecureLen, int(m.own.MSS)-wire.UDPOverhead), minMSS-wire.UDPOverhead)
}

// head begins a datagram with a Secure.
func (m *Machine) head(buf []byte, level uint8) []byte {
	body, dest := m.own, m.body.SocketID
	body.Request = wire.RequestConclusion
	switch {
	case m.phase == meeting:
		body.Request, dest = wire.RequestRendezvous, 0
	case m.meet.on && !m.meet.locked, !m.meet.on && m.role == client:
		dest = 0 // the listener's, or that of a peer known by its address
	}
	body.Cookie = m.cookie
	b := m.handshake(buf, &body, dest)
	var s [wire.SecureLen]byte
	(&wire.Secure{Level: level, Token: m.sendToken, Nonce: m.sendNonce, Number: m.out.number}).Put(s[:])
	m.out.number++
	return append(b, s[:]...)
}

// handshake begins a datagram with header and body.
func (m *Machine) handshake(buf []byte, body *wire.Handshake, dest uint32) []byte {
	var p [wire.SecureOffset]byte
	(&wire.Control{Type: wire.TypeHandshake, Info: uint32(m.ownMarker()), Dest: dest}).Put(p[:])
	body.Put(p[wire.HeaderLen:])
	return append(buf[:0], p[:]...)
}

// finish seals a datagram that head began, if its level says so.
func (m *Machine) finish(b []byte) []byte {
	const from = wire.SecureOffset + wire.SecureLen
	if b[wire.SecureOffset+5] != wire.LevelSealed {
		return b
	}
	return m.tls.write.seal(b, wire.SecureLen, from, m.out.number-1)
}

func (m *Machine) ownMarker() wire.Marker {
	if m.cfg.NoMarker {
		return 0
	}
	caps := wire.Marker(m.cfg.Caps)
	switch {
	case m.meet.on:
		return wire.MarkerRendezvous | caps
	case m.role == server:
		return wire.MarkerServer | caps
	}
	return wire.MarkerClient | caps
}
