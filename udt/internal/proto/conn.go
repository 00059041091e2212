// Package proto is the UDT protocol as a state machine. It performs no I/O,
// starts no goroutines, takes no locks and reads no clock: packets, commands
// and the time are given to it, and it says what to send and when to be called
// again. The same inputs give the same outputs. SPEC.md describes its behaviour.
//
// Packet numbers are int64 and never wrap; only package wire knows about 31
// bits. Times inside are time.Duration since the connection's start. An
// "extended" peer is one that showed our marker in the handshake, a "legacy"
// peer any other, libudt 4.11 first of all.
package proto

import (
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/udt/internal/cc"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// MinMSS is the smallest MSS: payload must hold a handshake.
const MinMSS = wire.DataOverhead + wire.HandshakeLen + wire.ShutdownLen

// MaxMSS is the largest MSS: that of the largest UDP datagram.
const MaxMSS = maxRunBytes + wire.UDPOverhead

// Config is what a Conn is made with. All fields but the marked ones must be set.
type Config struct {
	Message    bool // message mode
	MSS        int
	FlowWindow int // packets, the most that will ever be advertised
	SendBuffer int // bytes
	RecvBuffer int // bytes

	Tag int // optional: bytes by which protection lengthens every packet

	SocketBuffer int   // optional: what the socket's receive buffer holds, bytes
	MaxBandwidth int64 // optional: bytes per second

	ConfirmTimeout    time.Duration // optional: for how long an accepted peer may stay unheard
	StallTimeout      time.Duration // optional: for how long data may make no progress
	ChallengeShutdown bool          // ask before a Shutdown of the peer is believed
	Pressure          Pressure      // optional

	HandshakeTimeout time.Duration // zero or negative: no limit
	PeerTimeout      time.Duration
	IdleTimeout      time.Duration // zero or negative: no limit
	KeepAlivePeriod  time.Duration // zero or negative: none
	Linger           time.Duration // zero: no limit; negative: Close discards

	NoExtensions  bool // speak as the reference does to every peer
	LocalID       uint32
	InitialNumber uint32
	Remote        netip.AddrPort

	Controller cc.Controller
	Memory     Memory
	Rand       Rand
}

// payload is what fits packets of size mss.
func (c *Config) payload(mss int) int { return mss - wire.DataOverhead - c.Tag }

// phase is where a connection is in its life.
type phase uint8

const (
	phaseConnecting phase = iota
	phaseOpen
	phaseDraining // closed here: what was committed is still delivered
	phaseShutdown // the peer is being told
	phaseEnded
)

// A Conn is one side of a connection. Its methods are of four kinds:
//
//   - Handle methods take what arrived;
//   - Reserve, Commit, Pieces, Consume, Close, Abort and the like are the
//     application's commands;
//   - Poll and Sent carry out transmission;
//   - getters.
//
// After any call of the first two kinds, call Poll until it reports nothing,
// then wait until Next or the next input. Time must not go backwards.
type Conn struct {
	cfg    Config
	memory Memory
	rand   Rand
	start  time.Time
	now    time.Duration // of the latest call

	phase      phase
	err        error // why the connection ended
	server     bool
	rendezvous bool
	extended   bool // the peer showed our marker
	protected  bool // packets are sealed on their way
	heardData  bool // a packet other than a handshake came

	mss        int // negotiated
	payload    int // of a full packet
	peerID     uint32
	peerWindow int   // packets, the peer's flow window in the handshake
	first      int64 // our initial number
	hs         handshaker

	send    sender
	recv    receiver
	rtt     rttEstimator
	life    lifeSigns
	closing closer
	stats   Stats

	maxBandwidth   int64
	maxInFlight    int // of a protected connection, zero no limit
	borrowed       int // bytes of send buffer taken from the endpoint's budget
	controller     cc.Controller
	observer       cc.PacketObserver // controller, if it is one
	cc             cc.State
	ackSample      cc.AckSample // what the controller is shown
	user           []userControl
	ack2s          []uint32 // numbers of ACKs to confirm
	wantAckRequest bool
	budgets        [budgets]budget
}

func newConn(now time.Time, cfg *Config) *Conn {
	c := &Conn{
		cfg: *cfg, memory: cfg.Memory, rand: cfg.Rand,
		start: now.Add(-1), now: 1, // zero means never
		maxBandwidth: cfg.MaxBandwidth, controller: cfg.Controller,
		first: int64(cfg.InitialNumber & wire.NumberMask),
	}
	c.observer, _ = cfg.Controller.(cc.PacketObserver)
	c.mss = cfg.MSS
	c.payload = cfg.payload(cfg.MSS)
	c.recv.payload = c.payload
	c.recv.full = c.payload
	c.recv.window.limit = min(cfg.FlowWindow, legacyFlowWindow)
	return c
}

// NewClient returns the side that asks a listener for a connection.
func NewClient(now time.Time, cfg *Config) *Conn {
	c := newConn(now, cfg)
	c.startHandshake(c.now)
	return c
}

// NewRendezvous returns one of two sides that ask each other.
func NewRendezvous(now time.Time, cfg *Config) *Conn {
	c := newConn(now, cfg)
	c.rendezvous = true
	c.startHandshake(c.now)
	return c
}

// Acceptance is what a listener learned of a client before it had any state.
type Acceptance struct {
	Handshake wire.Handshake // the conclusion
	Marker    wire.Marker    // its additional information
	RTT       time.Duration  // of the cookie exchange, zero if unknown
	Ask       bool           // the client at once whether it is there
}

// NewServer returns the accepting side for a client whose conclusion was valid.
func NewServer(now time.Time, cfg *Config, a *Acceptance) *Conn {
	c := newConn(now, cfg)
	c.server = true
	c.first = int64(a.Handshake.Number & wire.NumberMask) // both directions start at the client's number
	c.extended = a.Marker.Is(wire.MarkerClient) && a.Marker.ExtendedAck() && !cfg.NoExtensions
	if c.extended {
		c.recv.window.limit = cfg.FlowWindow
	}
	c.hs.cookie = a.Handshake.Cookie
	if a.RTT > 0 {
		c.rtt.sample(c.now, min(a.RTT, maxHandshakeRTT))
	}
	c.phase = phaseOpen
	c.open(c.now, &a.Handshake)
	c.life.ask = a.Ask && c.extended && c.cfg.ConfirmTimeout > 0
	c.hs.responseDue = true
	c.hs.responseAt = c.now
	return c
}

// open sets up both directions with what the peer asked for, which has been
// checked.
func (c *Conn) open(now time.Duration, peer *wire.Handshake) {
	c.peerID = peer.SocketID
	c.mss = min(c.cfg.MSS, int(min(peer.MSS, MaxMSS)))
	c.payload = c.cfg.payload(c.mss)
	c.peerWindow = int(min(max(peer.FlowWindow, minWindow), maxPeerWindow))
	for i := range c.budgets {
		c.budgets[i] = budget{left: budgetRates[i], at: now}
	}
	c.hs.openedAt, c.hs.respondedAt, c.hs.responses = now, now, maxResponses
	c.recv.full = c.payload

	theirs := int64(peer.Number & wire.NumberMask)
	r := &c.recv
	r.next, r.buf.head, r.buf.high = theirs, theirs, theirs
	r.messages.scan, r.messages.within = theirs, theirs
	r.window = newRecvWindow(&c.cfg, c.payload, r.window.limit, theirs)
	r.acks.next, r.acks.confirmed = theirs, theirs
	r.acks.edge = c.edge()
	r.acks.lastNumbered = now

	s := &c.send
	s.buf = newSendBuffer(c.memory, c.payload, c.first, c.cfg.SendBuffer)
	if !c.extended && !c.cfg.Message {
		s.buf.shortEvery = probeModulus
	}
	s.txNext = 1
	s.limit = c.first + int64(c.peerWindow)
	s.fullAcked = c.first
	s.legacy.high = c.first - 1
	s.legacy.presumeAt = c.first
	s.lastAnswer, s.lastProgress = now, now
	r.relax(c.cfg.Pressure)
	c.life.opened(c, now)

	c.cc = cc.State{
		MSS: c.mss, MaxWindow: c.peerWindow, Window: 16, LegacyPeer: !c.extended,
		SendControl: c.sendControl,
	}
	c.fillState()
	c.controller.Init(c.start.Add(now), &c.cc)
}

// at notes the time of a call.
func (c *Conn) at(now time.Time) time.Duration {
	if t := now.Sub(c.start); t > c.now {
		c.now = t
	}
	return c.now
}

func (c *Conn) datagramSize() int { return wire.HeaderLen + c.payload + c.cfg.Tag }

// appendHeader appends the header of a control packet to the peer.
func (c *Conn) appendHeader(b []byte, t wire.Type, ext uint16, info uint32) []byte {
	var p [wire.HeaderLen]byte
	(&wire.Control{Type: t, Ext: ext, Info: info, Dest: c.peerID}).Put(p[:])
	return append(b, p[:]...)
}

// Handle applies the datagrams of one read that are for this connection, taken out
// of their protection if they had one. Invalid ones are counted and dropped.
func (c *Conn) Handle(now time.Time, packets []Packet) {
	t := c.at(now)
	c.recv.relax(c.cfg.Pressure)
	for i := range packets {
		p := &packets[i]
		switch {
		case len(p.B) < wire.HeaderLen:
			c.stats.Malformed++
		case c.phase == phaseConnecting:
			c.handleConnecting(t, p)
		default:
			c.handleOpen(t, p)
		}
	}
	if c.phase != phaseConnecting {
		c.endBatch(t)
	}
}

func (c *Conn) handleOpen(now time.Duration, p *Packet) {
	b := p.B
	c.life.heard = now
	if !wire.IsControl(b) {
		c.heardData = true
		if c.phase <= phaseDraining && !c.closing.peer {
			c.handleData(now, p)
		}
		return
	}
	head := wire.ParseControl(b)
	body := b[wire.HeaderLen:]
	if head.Type == wire.TypeHandshake {
		if c.phase <= phaseDraining {
			c.handleLateHandshake(now, b)
		}
		return
	}
	c.heardData = true
	if head.Type == wire.TypeShutdown {
		c.handleShutdown(now, head, body)
		return
	}
	if c.phase > phaseDraining || c.closing.peer {
		return
	}
	if c.closedWindow() {
		c.send.lastAnswer = now
	}
	switch head.Type {
	case wire.TypeKeepAlive:
		if head.Info == wire.KeepAliveAckRequest && c.extended && c.allow(now, budgetAsk) {
			c.requestAck()
		}
	case wire.TypeAck:
		c.handleAck(now, head.Info, body)
	case wire.TypeAck2:
		c.handleAck2(now, head.Info)
	case wire.TypeNak:
		c.handleNak(now, body)
	case wire.TypeDropRequest:
		c.handleDropRequest(now, body)
	case wire.TypeUser:
		if c.protected && head.Ext >= wire.FirstOwnExt {
			return // not for controllers
		}
		if c.allow(now, budgetUser) {
			c.handleControl(now, head, body)
		}
	case wire.TypeCongestionWarning, wire.TypeError:
		// Without effect in the reference too (../wire/SPEC.md#control-packet).
	default:
		c.stats.Malformed++
	}
}

// maxAck2s bounds the confirmations queued at one time.
const maxAck2s = 32

// handleAck applies an ACK of any form.
func (c *Conn) handleAck(now time.Duration, number uint32, body []byte) {
	s := &c.send
	a, err := wire.ParseAck(body)
	if err != nil || c.extended && a.Form != wire.AckExtended {
		c.stats.Malformed++
		return
	}
	extended := c.extended
	next := wire.Unwrap(s.buf.una, a.Next)
	switch {
	case next < s.buf.una-int64(c.peerWindow):
		c.stats.Malformed++ // it is no answer to anything lately
		return
	case extended && !c.plausible(now, next, &a):
		return
	case next > s.buf.next:
		c.stats.Malformed++ // it acknowledges what was never sent
		return
	case !c.allow(now, budgetAck):
		return
	}
	c.stats.AcksReceived++
	s.lastAnswer = now
	if a.Form != wire.AckLight {
		if (!extended || number != 0) && len(c.ack2s) < maxAck2s {
			c.ack2s = append(c.ack2s, number)
		}
		c.peerFigures(&a)
	}
	if !c.extended {
		c.legacyAck(now, next, a.Form != wire.AckLight)
	}
	if next > s.buf.una {
		s.buf.acknowledge(next)
		s.losses.removeBefore(next)
		c.progressed(now)
		s.outstandingSince, s.movedAt = now, now
		if s.buf.una == s.buf.next {
			s.busy += now - s.busySince
		}
	}
	if a.Form != wire.AckLight {
		if next > s.fullAcked {
			s.fullAcked, s.fullAckedAt = next, now
		}
		if limit := next + int64(min(a.Window, maxPeerWindow)); next >= s.buf.una && (limit > s.limit || !c.extended || !s.limitKnown) {
			// An extended peer takes no promise back: this ACK was overtaken.
			s.limit, s.limitKnown = limit, true
		}
	}
	if extended {
		c.handleExtendedAck(now, &a)
	}
	c.resizeSendBuffer()
}

// peerFigures takes the peer's own measurements, smoothed as the reference does
// (REFERENCE.md#sender-of-the-reference).
func (c *Conn) peerFigures(a *wire.Ack) {
	if c.cc.PeerRTT == 0 {
		c.cc.PeerRTT = initialRTT
	}
	if int32(a.RTT) >= 0 {
		rtt := time.Duration(min(a.RTT, maxPeerRTT)) * time.Microsecond
		c.cc.PeerRTT = (7*c.cc.PeerRTT + rtt) / 8
	}
	if a.Form < wire.AckFull || c.cc.RecvRate == 0 && a.RecvRate < placeholderRate {
		return
	}
	smooth(&c.cc.RecvRate, a.RecvRate)
	if c.extended || c.send.fullAcked-c.first > placeholderPackets {
		smooth(&c.cc.LinkCapacity, a.Capacity)
	}
}

// What the reference reports before it has measured anything
// (REFERENCE.md#sender-of-the-reference): a rate under placeholderRate, and a
// capacity that is the median of 64 values of which more than half are made up
// until as many pairs have arrived.
const (
	placeholderRate    = 16
	placeholderPackets = 33 * probeModulus
)

// What a peer may claim at most.
const (
	maxPeerWindow = 1 << 20 // packets
	maxPeerRTT    = 60e6    // microseconds
	maxPeerRate   = 1 << 24 // packets per second: with full ones 200 Gbit/s
)

// smooth starts from the first report. Differs from the reference, which starts
// from a constant and needs dozens of ACKs to leave it.
func smooth(x *int, v uint32) {
	switch {
	case int32(v) <= 0:
	case *x == 0:
		*x = int(min(v, maxPeerRate))
	default:
		*x = (*x*7 + int(min(v, maxPeerRate))) / 8
	}
}

// fillState refreshes what the controller reads.
func (c *Conn) fillState() {
	s := &c.cc
	s.RTT, s.RTTVar, s.MinRTT = c.rtt.smoothed, c.rtt.variance, c.rtt.min()
	s.InFlight = c.inFlight()
	s.Delivered, s.Lost = c.send.delivered, c.send.lost
	s.NextPacket = c.send.buf.next
}
