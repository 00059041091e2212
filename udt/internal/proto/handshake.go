package proto

import (
	"fmt"
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Handshake rhythm (SPEC.md#handshake-of-a-client, SPEC.md#rendezvous).
const (
	handshakeInterval = 250 * time.Millisecond
	cookieLife        = time.Second // conclusions without an answer: ask for another cookie
	abandonLife       = 3 * time.Second
	legacyHold        = 300 * time.Millisecond
	maxEarlyPackets   = 64
	maxHandshakeRTT   = 3 * time.Second
	meetInterval      = 10 * time.Millisecond // between the first questions of a rendezvous
	pingReplyInterval = 250 * time.Millisecond
	maxResponses      = 16 // at once

	// legacyFlowWindow is the reference's default. It sizes memory by the
	// value it is told, so no peer that has not shown itself as ours is told more.
	legacyFlowWindow = 25600
)

// handshaker runs the exchange that opens a connection.
type handshaker struct {
	request wire.Request
	cookie  uint32
	echo    uint32 // word 2 of the cookie reply, returned in the conclusion
	peer    wire.Handshake
	heard   bool // rendezvous: peer is valid
	early   []Packet

	abandoned   bool          // nobody waits for the connection any more
	refused     bool          // the system reported the peer's port unreachable once
	due         time.Duration // next repetition
	deadline    time.Duration // zero never
	sentAt      time.Duration
	sends       int           // of the present request
	concludedAt time.Duration // first conclusion with the present cookie

	// After the connection is open.
	responseDue bool // a server's response, or a rendezvous confirmation
	responseAt  time.Duration
	replyDue    bool // answer to a handshake that tests whether we are alive
	replyAt     time.Duration
	openedAt    time.Duration
	responses   int64 // that may be given at once
	respondedAt time.Duration
	keepAlive   bool // completes the other side
}

func (c *Conn) startHandshake(now time.Duration) {
	h := &c.hs
	h.request = wire.RequestInduction
	if c.rendezvous {
		h.request = wire.RequestRendezvous
	}
	h.due = now
	if c.cfg.HandshakeTimeout > 0 {
		h.deadline = now + c.cfg.HandshakeTimeout
	}
}

// marker returns the additional information of our own handshakes.
func (c *Conn) marker(m wire.Marker) uint32 {
	if c.cfg.NoExtensions {
		return 0
	}
	return uint32(m) | wire.CapExtendedAck
}

func (c *Conn) ownHandshake(request wire.Request) wire.Handshake {
	h := wire.Handshake{
		Version:    wire.Version,
		Type:       c.socketType(),
		Number:     wire.Number(c.first),
		MSS:        uint32(c.cfg.MSS),
		FlowWindow: uint32(c.recv.window.limit),
		Request:    request,
		SocketID:   c.cfg.LocalID,
	}
	h.SetPeerIP(c.cfg.Remote.Addr())
	return h
}

func (c *Conn) socketType() wire.SocketType {
	if c.cfg.Message {
		return wire.SocketMessage
	}
	return wire.SocketStream
}

// appendRequest appends the request that is due.
func (c *Conn) appendRequest(now time.Duration, b []byte) []byte {
	h := &c.hs
	if h.request == wire.RequestConclusion && !c.rendezvous && !h.abandoned && now-h.concludedAt >= cookieLife {
		// The cookie may have died at the listener's clock (REFERENCE.md#listener).
		h.request, h.cookie, h.sends = wire.RequestInduction, 0, 0
	}
	body := c.ownHandshake(h.request)
	body.Cookie = h.cookie
	marker, stamp, dest := wire.MarkerClient, uint32(0), uint32(0)
	if c.rendezvous {
		marker, dest = wire.MarkerRendezvous, h.peer.SocketID
	}
	if h.request == wire.RequestConclusion && h.sends == 0 {
		stamp = h.echo // of a repetition the server would measure our patience
	}
	h.sends++
	h.sentAt = now
	h.due = now + handshakeInterval
	return appendHandshake(b, &body, c.marker(marker), stamp, dest)
}

func appendHandshake(b []byte, h *wire.Handshake, info, stamp, dest uint32) []byte {
	var p [wire.HeaderLen + wire.HandshakeLen]byte
	(&wire.Control{Type: wire.TypeHandshake, Info: info, Time: stamp, Dest: dest}).Put(p[:])
	h.Put(p[wire.HeaderLen:])
	return append(b, p[:]...)
}

// handleConnecting takes a packet that arrives before the connection is open.
func (c *Conn) handleConnecting(now time.Duration, p *Packet) {
	h, b := &c.hs, p.B
	if !wire.IsControl(b) || wire.ParseControl(b).Type != wire.TypeHandshake {
		if c.rendezvous && h.heard && (!wire.IsControl(b) || wire.ParseControl(b).Type == wire.TypeKeepAlive) {
			c.keepEarly(p)
			c.establish(now, &h.peer)
			return
		}
		c.keepEarly(p)
		return
	}
	head := wire.ParseControl(b)
	body, err := wire.ParseHandshake(b[wire.HeaderLen:])
	if err != nil {
		c.stats.Malformed++
		return
	}
	if c.rendezvous {
		c.handleRendezvous(now, wire.Marker(head.Info), &body)
		return
	}
	switch body.Request {
	case wire.RequestInduction:
		if h.request == wire.RequestConclusion {
			return // the answer to a repeated request
		}
		if h.sends == 1 {
			c.rtt.sample(now, now-h.sentAt)
		}
		if m := wire.Marker(head.Info); m.Is(wire.MarkerServer) && !c.cfg.NoExtensions {
			c.recv.window.limit = c.cfg.FlowWindow
			h.echo = head.Time
		}
		h.request, h.cookie, h.sends = wire.RequestConclusion, body.Cookie, 0
		h.concludedAt, h.due = now, now
	case wire.RequestRefused:
		if h.request != wire.RequestConclusion || body.Cookie != h.cookie {
			return
		}
		c.end(refusal(&body, c.socketType()))
	case wire.RequestConclusion:
		if h.request != wire.RequestConclusion || body.Cookie != h.cookie {
			return
		}
		if body.Number != wire.Number(c.first) {
			c.end(fmt.Errorf("%w: initial sequence number changed", ErrProtocol))
			return
		}
		if h.sends == 1 {
			c.rtt.sample(now, now-h.sentAt)
		}
		m := wire.Marker(head.Info)
		c.extended = m.Is(wire.MarkerServer) && m.ExtendedAck() && !c.cfg.NoExtensions
		c.establish(now, &body)
	}
}

// refusal tells a listener of another mode, which our own listeners show by
// putting their type into the answer, from any other reason.
func refusal(body *wire.Handshake, own wire.SocketType) error {
	if body.Type != own {
		return fmt.Errorf("%w: %w", ErrRefused, ErrMode)
	}
	return ErrRefused
}

func (c *Conn) keepEarly(p *Packet) {
	h := &c.hs
	switch {
	case len(h.early) >= maxEarlyPackets:
	case wire.IsControl(p.B):
		h.early = append(h.early, Packet{B: append([]byte(nil), p.B...)})
	default:
		h.early = append(h.early, *p)
		p.Owner = nil
	}
}

// releaseAll gives back the memory of packets that were not kept.
func releaseAll(packets []Packet) {
	for i := range packets {
		if p := &packets[i]; p.Owner != nil {
			p.Owner.Release()
			p.Owner = nil
		}
	}
}

// handleRendezvous follows the table of SPEC.md#rendezvous.
func (c *Conn) handleRendezvous(now time.Duration, m wire.Marker, body *wire.Handshake) {
	h := &c.hs
	switch {
	case body.Request == wire.RequestInduction, body.SocketID == 0:
		return
	case body.Type != 0 && body.Type != c.socketType() && body.Request != wire.RequestConfirm:
		c.end(ErrMode)
		return
	}
	if m.Is(wire.MarkerRendezvous) && m.ExtendedAck() && !c.cfg.NoExtensions {
		c.extended = true
	}
	first := h.request == wire.RequestRendezvous
	if h.heard {
		// The reference states our own MSS once it has adopted it, but its
		// buffers stay as small as it said first.
		body.MSS = min(body.MSS, h.peer.MSS)
	}
	h.peer, h.heard = *body, true
	h.request = wire.RequestConclusion
	if first || body.Request == wire.RequestRendezvous {
		h.due = now
		return
	}
	c.establish(now, body)
}

// establish opens the connection with what the peer asked for.
func (c *Conn) establish(now time.Duration, peer *wire.Handshake) {
	if peer.MSS < MinMSS || peer.SocketID == 0 || int32(peer.FlowWindow) < 1 {
		c.end(fmt.Errorf("%w: handshake out of range", ErrProtocol))
		return
	}
	c.phase = phaseOpen
	c.open(now, peer)
	c.hs.keepAlive = c.rendezvous || !c.extended // what the reference waits for
	if c.rendezvous {
		c.hs.responseAt = now
		c.hs.due, c.hs.sends = now+meetInterval, 0
		c.heardData = peer.Request == wire.RequestConfirm
	}
	early := c.hs.early
	c.hs.early = nil
	defer releaseAll(early)
	if c.hs.abandoned {
		c.abort(now, wire.ReasonAborted)
		return
	}
	for i := range early {
		c.handleOpen(now, &early[i])
	}
	c.endBatch(now)
}

// Abandon ends an attempt to connect. Of a listener that may have made a connection
// of our conclusion, the answer is waited for, to tell it that there is none.
func (c *Conn) Abandon(now time.Time) {
	t := c.at(now)
	h := &c.hs
	if c.phase != phaseConnecting || c.rendezvous || h.request != wire.RequestConclusion || h.sends == 0 {
		c.end(ErrClosed)
		return
	}
	h.abandoned = true
	if till := t + abandonLife; h.deadline == 0 || till < h.deadline {
		h.deadline = till
	}
}

// HandleConclusion takes a conclusion that a client repeats: the response, or
// all that followed, was lost or is late.
func (c *Conn) HandleConclusion(now time.Time) {
	t := c.at(now)
	if c.server && c.phase <= phaseDraining && c.mayRespond(t) {
		c.hs.responseDue = true
	}
}

// mayRespond reports whether a repeated handshake may have another answer. Honest
// peers repeat four in a second, in the first second of a rendezvous ten.
func (c *Conn) mayRespond(now time.Duration) bool {
	h := &c.hs
	if h.responses > 0 {
		h.responses--
		return true
	}
	fill := int64((now - h.respondedAt) / pingReplyInterval)
	if fill <= 0 {
		c.stats.OverBudget++
		return false
	}
	h.responses, h.respondedAt = min(fill, maxResponses)-1, now
	return true
}

// handleLateHandshake takes a handshake addressed to an open connection.
func (c *Conn) handleLateHandshake(now time.Duration, b []byte) {
	h := &c.hs
	body, err := wire.ParseHandshake(b[wire.HeaderLen:])
	if err != nil {
		c.stats.Malformed++
		return
	}
	switch {
	case c.rendezvous && body.Request != wire.RequestConfirm:
		if c.mayRespond(now) {
			h.responseDue = true
			h.keepAlive = true
		}
	case c.rendezvous:
		c.heardData = true // only an open connection confirms
		c.send.lastAnswer = now
	case !c.rendezvous && body.Request > 0:
		h.replyDue = now >= h.replyAt
	case body.Version == 0:
		c.heardData = true
		c.send.lastAnswer = now // the answer to our own test
	}
}

// appendResponse appends what an open connection answers to handshakes.
func (c *Conn) appendResponse(now time.Duration, b []byte) []byte {
	h := &c.hs
	if c.server && h.responseDue {
		h.responseDue = false
		h.responseAt = now
		body := c.ownHandshake(wire.RequestConclusion)
		body.Cookie = h.cookie
		body.MSS = uint32(c.mss)
		marker := uint32(0)
		if c.extended {
			marker = c.marker(wire.MarkerServer)
		}
		return appendHandshake(b, &body, marker, 0, c.peerID)
	}
	// As the reference answers: no version, type, cookie or address (../wire/SPEC.md#handshake).
	body := wire.Handshake{
		Number: wire.Number(c.first), MSS: uint32(c.mss), FlowWindow: uint32(c.recv.window.limit),
		Request: wire.RequestConclusion, SocketID: c.cfg.LocalID,
	}
	marker := uint32(0)
	if c.rendezvous {
		body.Request = wire.RequestConfirm
		marker = c.marker(wire.MarkerRendezvous)
	}
	h.responseDue, h.replyDue = false, false
	h.replyAt = now + pingReplyInterval
	return appendHandshake(b, &body, marker, 0, c.peerID)
}

// holdData reports that data and control must wait. A blocking client of the
// reference takes any packet before the final response for the end of its
// handshake, and what reaches either of its sides before connect has returned
// is lost (SPEC.md#data-held-for-a-legacy-peer): so the peer of an accepted
// connection or a rendezvous is waited for to show that it is open.
func (c *Conn) holdData(now time.Duration) bool {
	return (c.server || c.rendezvous) && !c.extended && !c.heardData && now < c.hs.responseAt+legacyHold
}

// meetTime returns when a rendezvous that holds its data has something to say.
func (c *Conn) meetTime() time.Duration {
	switch {
	case !c.rendezvous || c.phase > phaseDraining:
		return 0
	case c.hs.keepAlive:
		return c.now
	}
	return c.hs.due
}

// pollMeeting completes the other side of a rendezvous and asks whether it is
// open: a repeated conclusion is answered with a confirmation at once, but not
// before connect has returned there.
func (c *Conn) pollMeeting(now time.Duration, out *Batch) {
	h := &c.hs
	if due := c.meetTime(); due == 0 || now < due {
		return
	}
	if h.keepAlive {
		out.end(c.appendKeepAlive(out.begin()))
	}
	if now >= h.due {
		h.due = now + meetInterval<<min(h.sends, 8)
		h.sends++
		body := c.ownHandshake(wire.RequestConclusion)
		out.end(appendHandshake(out.begin(), &body, c.marker(wire.MarkerRendezvous), 0, c.peerID))
	}
}
