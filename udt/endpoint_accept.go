package udt

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/udpio"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// handleUnaddressed takes a packet to socket ID 0: a handshake for the listener,
// or from the other side of a rendezvous.
func (e *Endpoint) handleUnaddressed(now time.Time, b []byte, r udpio.Received) {
	if !wire.IsControl(b) {
		e.handleForeign(b, r.From)
		return
	}
	head := wire.ParseControl(b)
	if head.Type != wire.TypeHandshake {
		e.handleForeign(b, r.From)
		return
	}
	body, err := wire.ParseHandshake(b[wire.HeaderLen:])
	if err != nil {
		e.counts.malformed.Add(1)
		return
	}
	if c := e.demux.rendezvous(r.From); c != nil && body.Request <= 0 && body.Cookie == 0 {
		c.handle(now, b, len(b), nil, e.share.buffer)
		return
	}
	e.mu.Lock()
	l := e.listener
	if l == nil || e.closing || body.SocketID == 0 {
		e.mu.Unlock()
		e.counts.unknown.Add(1)
		return
	}
	if body.Request == wire.RequestInduction {
		body.Cookie = e.cookies.Cookie(now, r.From, &body)
		e.mu.Unlock()
		e.replyCookie(now, l, head, &body, r)
		return
	}
	valid := body.Request == wire.RequestConclusion && e.cookies.Valid(now, r.From, &body)
	e.mu.Unlock()
	if !valid {
		e.counts.malformed.Add(1)
		return
	}
	e.accept(now, l, head, &body, r)
}

// replyCookie answers a request with a cookie and keeps nothing. The answer is no
// larger than the request.
func (e *Endpoint) replyCookie(now time.Time, l *Listener, head wire.Control, body *wire.Handshake, r udpio.Received) {
	reply := wire.Control{Type: wire.TypeHandshake, Dest: body.SocketID}
	if wire.Marker(head.Info).Is(wire.MarkerClient) && !l.config.DisableExtensions {
		reply.Info = uint32(wire.MarkerServer | wire.CapExtendedAck)
		reply.Time = e.clock(now)
	}
	e.reply(&reply, body, r)
}

// clock is a 32-bit count of microseconds, never zero, that a client returns with
// its conclusion, so that the first round trip is measured without state.
func (e *Endpoint) clock(now time.Time) uint32 {
	return uint32(now.Sub(e.started)/time.Microsecond) | 1
}

func (e *Endpoint) reply(head *wire.Control, body *wire.Handshake, r udpio.Received) {
	var p [wire.HeaderLen + wire.HandshakeLen]byte
	head.Put(p[:])
	body.Put(p[wire.HeaderLen:])
	e.send(udpio.NewPeer(r.From, e.source(r.Local)), p[:])
}

// source is the address to answer from, if the socket has several.
func (e *Endpoint) source(local netip.Addr) netip.Addr {
	if e.sock.LocalAddr().Addr().IsUnspecified() {
		return local
	}
	return netip.Addr{}
}

// refuse answers a conclusion with a refusal that carries our own type, so that a
// client of ours can tell a wrong mode from the rest.
func (e *Endpoint) refuse(l *Listener, head wire.Control, body *wire.Handshake, r udpio.Received) {
	e.counts.refused.Add(1)
	answer := *body
	answer.Request = wire.RequestRefused
	if wire.Marker(head.Info).Is(wire.MarkerClient) {
		answer.Type = l.socketType()
	}
	e.reply(&wire.Control{Type: wire.TypeHandshake, Info: head.Info, Dest: body.SocketID}, &answer, r)
}

// accept takes a conclusion with a valid cookie.
func (e *Endpoint) accept(now time.Time, l *Listener, head wire.Control, body *wire.Handshake, r udpio.Received) {
	key := acceptKey{r.From, body.SocketID, body.Number}
	if c, over := e.demux.concluded(key, now); c != nil || over {
		if c != nil {
			c.mu.Lock()
			c.core.HandleConclusion(now)
			c.transmitLocked(1, false)
			c.mu.Unlock()
		}
		return
	}
	info := PeerInfo{RemoteAddr: r.From, Mode: l.config.Mode, MSS: int(body.MSS), FlowWindow: int(body.FlowWindow)}
	switch {
	case body.Version != wire.Version, body.Type != l.socketType(),
		body.MSS < proto.MinMSS, int32(body.FlowWindow) < 1, body.Number&^wire.NumberMask != 0:
	case e.demux.wasRefused(key, now):
		e.refuse(l, head, body, r)
		return
	case !l.reserve():
	case l.config.AcceptPeer != nil && l.config.AcceptPeer(info) != nil:
		l.unreserve()
	default:
		e.admit(now, l, key, head, body, r)
		return
	}
	e.log("connection refused", r.From)
	e.demux.refuse(key, now)
	e.refuse(l, head, body, r)
}

// admit makes the connection. Its place in the backlog is reserved.
func (e *Endpoint) admit(now time.Time, l *Listener, key acceptKey, head wire.Control, body *wire.Handshake, r udpio.Received) {
	local := e.sock.LocalAddr()
	if r.Local.IsValid() {
		local = netip.AddrPortFrom(r.Local, local.Port())
	}
	a := proto.Acceptance{Handshake: *body, Marker: wire.Marker(head.Info)}
	if a.Marker.Is(wire.MarkerClient) && head.Time != 0 {
		a.RTT = time.Duration(e.clock(now)-head.Time) * time.Microsecond
	}
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		l.unreserve()
		return
	}
	c := newConn(e, e.newIDLocked(), l.config.Mode, local, r.From)
	c.conclude = key
	c.packet.owner = l.packets
	core := l.config.core(r.From, false)
	e.completeLocked(&core, c, &l.config)
	e.mu.Unlock()

	c.core = proto.NewServer(now, &core, &a)
	c.everOpen = true
	e.demux.add(c)
	e.log("connection accepted", r.From)
	c.mu.Lock()
	c.transmitLocked(1, false)
	c.mu.Unlock()
	l.offer(c)
}

// completeLocked fills in what a connection gets from its endpoint.
func (e *Endpoint) completeLocked(core *proto.Config, c *Conn, config *Config) {
	core.LocalID = c.id
	c.keepAlive = max(core.KeepAlivePeriod, 0)
	if c.keepAlive == 0 {
		c.keepAlive = defaultKeepAlivePeriod
	}
	c.configLinger = core.Linger
	c.coarse = config.DisableFineTimer
	core.InitialNumber = uint32(e.random.Uint64()) & wire.NumberMask
	if config.initialNumber != nil {
		core.InitialNumber = *config.initialNumber
	}
	core.Rand = e.newRandLocked()
	core.Memory = &e.memory
	core.Controller = config.controller()
	core.SocketBuffer = e.share.buffer
}

// answerFromGrave tells the peer of an ended connection, which still speaks, that
// it is over. Its own Shutdown is not answered.
func (e *Endpoint) answerFromGrave(now time.Time, g *grave, b []byte, segment int) {
	p := b[:min(segment, len(b))]
	if wire.IsControl(p) {
		if t := wire.ParseControl(p).Type; t == wire.TypeShutdown || t == wire.TypeHandshake {
			return
		}
	}
	if !e.demux.mayAnswer(g, now) {
		return
	}
	var out [wire.HeaderLen + wire.ShutdownLen]byte
	(&wire.Control{Type: wire.TypeShutdown, Info: wire.ShutdownAnswer, Dest: g.peerID}).Put(out[:])
	g.shutdown.Put(out[wire.HeaderLen:])
	e.send(udpio.NewPeer(g.addr, e.source(g.local)), out[:])
}

func (e *Endpoint) log(text string, peer netip.AddrPort) {
	if e.logger != nil && e.logger.Enabled(context.Background(), slog.LevelDebug) {
		e.logger.Debug(text, "local", e.LocalAddr(), "peer", peer)
	}
}
