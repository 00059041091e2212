package udt

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/secure"
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
	key := acceptKey{from: r.From, id: body.SocketID, number: body.Number}
	secured := wire.IsSecure(b)
	if secured {
		copy(key.nonce[:], wire.SecureNonce(b))
	}
	if x := e.demux.exchangeOf(key, body.Cookie); x != nil && body.Request <= 0 {
		x.deliver(now, b)
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
		if !e.admitLocked(now, l, rateRequest, r.From.Addr()) {
			e.mu.Unlock()
			e.limited(now, eventRate, r.From)
			return
		}
		cookie, token := e.cookies.Make(now, r.From, &body)
		e.mu.Unlock()
		body.Cookie = cookie
		e.replyCookie(now, l, head, &body, token, r)
		return
	}
	valid := body.Request == wire.RequestConclusion
	if secured {
		she, err := wire.ParseSecure(b[wire.SecureOffset:])
		valid = valid && err == nil && e.cookies.Valid(now, r.From, &body, she.Token)
	} else {
		valid = valid && e.cookies.ValidCookie(now, r.From, &body)
	}
	e.mu.Unlock()
	if !valid {
		e.counts.falseCookies.Add(1)
		e.event(now, eventCookie, r.From)
		return
	}
	if secured {
		e.acceptProtected(now, l, key, head, &body, b, r)
		return
	}
	e.accept(now, l, key, head, &body, r)
}

// replyCookie answers a request with a cookie and keeps nothing. The answer is no
// larger than the request.
func (e *Endpoint) replyCookie(now time.Time, l *Listener, head wire.Control, body *wire.Handshake, token [8]byte, r udpio.Received) {
	if l.config.Security.on() {
		a := l.config.Security.advert()
		a.Token = token
		body.PeerIP = a.Bytes()
	}
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
	answer := *body
	answer.Request = wire.RequestRefused
	if wire.Marker(head.Info).Is(wire.MarkerClient) {
		answer.Type = l.socketType()
	}
	e.reply(&wire.Control{Type: wire.TypeHandshake, Info: head.Info, Dest: body.SocketID}, &answer, r)
}

// refuseFirst refuses a conclusion that was not refused before. Copies of it, and the
// further datagrams of a TLS first flight, are answered alike but not counted.
func (e *Endpoint) refuseFirst(now time.Time, l *Listener, key acceptKey, head wire.Control, body *wire.Handshake, r udpio.Received) {
	e.counts.refused.Add(1)
	e.event(time.Now(), eventRefused, r.From)
	e.demux.refuse(key, now, nil)
	e.refuse(l, head, body, r)
}

// accept takes a conclusion with a valid cookie.
func (e *Endpoint) accept(now time.Time, l *Listener, key acceptKey, head wire.Control, body *wire.Handshake, r udpio.Received) {
	if c, over := e.demux.concluded(key, now); c != nil || over {
		if c != nil && c.guard == nil {
			c.act(effortBatch, c.core.HandleConclusion)
		}
		return
	}
	_, refused := e.demux.wasRefused(key, now)
	info := PeerInfo{RemoteAddr: r.From, Mode: l.config.Mode, MSS: int(body.MSS), FlowWindow: int(body.FlowWindow)}
	switch {
	case body.Version != wire.Version, body.Type != l.socketType(),
		body.MSS < proto.MinMSS, int32(body.FlowWindow) < 1, body.Number&^wire.NumberMask != 0:
	case l.config.Security.required():
	case refused:
		e.refuse(l, head, body, r)
		return
	case e.tooMany(l, r.From):
		e.event(now, eventConns, r.From)
	case !e.mayAccept(now, l, r.From):
		return // its client asks again
	case !l.reserve() && !(e.shed(now) && l.reserve()):
	case l.config.AcceptPeer != nil && l.config.AcceptPeer(info) != nil:
		l.unreserve()
	default:
		e.admit(now, l, key, head, body, r)
		return
	}
	e.refuseFirst(now, l, key, head, body, r)
}

// limited counts and logs a handshake packet that is dropped because of a limit.
func (e *Endpoint) limited(now time.Time, kind eventKind, from netip.AddrPort) {
	e.counts.limited.Add(1)
	e.event(now, kind, from)
}

// tooMany reports whether the port, or the prefix of from, has all the connections
// that it may have.
func (e *Endpoint) tooMany(l *Listener, from netip.AddrPort) bool {
	return e.demux.len() >= limit(l.config.Limits.Conns, math.MaxInt) ||
		e.halfOpen.of(from) >= limit(l.config.Limits.ConnsPerPrefix, math.MaxInt)
}

// mayAccept reports whether rates and the number of half-open connections allow
// another one.
func (e *Endpoint) mayAccept(now time.Time, l *Listener, from netip.AddrPort) bool {
	e.mu.Lock()
	ok := e.admitLocked(now, l, rateHandshake, from.Addr())
	e.mu.Unlock()
	if !ok {
		e.limited(now, eventRate, from)
		return false
	}
	if e.halfOpen.len() >= limit(l.config.Limits.HalfOpen, defaultHalfOpen) && !e.shed(now) {
		e.limited(now, eventHalfOpen, from)
		return false
	}
	return true
}

// acceptProtected takes the first datagram of a client that begins a TLS handshake,
// with valid cookie and token, or a late copy of one.
func (e *Endpoint) acceptProtected(now time.Time, l *Listener, key acceptKey, head wire.Control, body *wire.Handshake, b []byte, r udpio.Received) {
	if c, over := e.demux.concluded(key, now); c != nil || over {
		if c != nil && c.guard != nil {
			c.guard.exchange.late(b)
		}
		return
	}
	parting, refused := e.demux.wasRefused(key, now)
	info := PeerInfo{RemoteAddr: r.From, Mode: l.config.Mode, MSS: int(body.MSS), FlowWindow: int(body.FlowWindow)}
	switch {
	case !l.config.Security.on():
		e.counts.malformed.Add(1) // it was not asked to
		return
	case parting != nil:
		e.send(udpio.NewPeer(r.From, e.source(r.Local)), parting)
		return
	case refused:
		e.refuse(l, head, body, r)
		return
	case wire.SecureLevel(b) != wire.LevelClear:
		return // late, and of an exchange that nobody remembers
	case body.Type != l.socketType(), body.Version != wire.Version,
		body.MSS < minProtectedMSS, int32(body.FlowWindow) < 1, body.Number&^wire.NumberMask != 0:
	case e.tooMany(l, r.From):
		e.event(now, eventConns, r.From)
	case !e.mayAccept(now, l, r.From):
		return // its client asks again
	case l.full() && !e.shed(now):
	case l.config.AcceptPeer != nil && l.config.AcceptPeer(info) != nil:
	default:
		e.exchangeWith(l, key, b, r)
		return
	}
	e.refuseFirst(now, l, key, head, body, r)
}

// exchangeWith starts the TLS handshake with a client, if there is room for one more.
// Its place in the backlog is reserved once that has succeeded.
func (e *Endpoint) exchangeWith(l *Listener, key acceptKey, first []byte, r udpio.Received) {
	local := e.sock.LocalAddr()
	if r.Local.IsValid() {
		local = netip.AddrPortFrom(r.Local, local.Port())
	}
	d, err := e.draft(&l.config, local, r.From, false)
	if err != nil {
		return
	}
	d.conclude, d.listener, d.packets = key, l, l.packets
	x := e.newExchange(d.id, local, r.From)
	x.key = key
	if !e.demux.addExchange(x, limit(l.config.Limits.HalfOpen, defaultHalfOpen)) {
		e.limited(x.began, eventHalfOpen, r.From)
		return
	}
	sc := e.secureConfig(&d.core, l.config.Security, local, r.From)
	sc.TLS = l.tls
	sc.Timeout = max(l.config.HandshakeTimeout, 0)
	sc.Advert = l.config.Security.advert()
	first = append([]byte(nil), first...)
	go x.serve(l, d, &sc, first)
}

// serve runs a client's TLS handshake and gives the connection to the listener.
func (x *exchange) serve(l *Listener, d *connDraft, sc *secure.Config, first []byte) {
	e := x.endpoint
	var c *Conn
	e.leave <- struct{}{}
	machine, err := secure.NewServer(time.Now(), sc, first)
	<-e.leave
	if err == nil {
		x.mu.Lock()
		x.machine = machine
		x.mu.Unlock()
		if err = x.run(context.Background(), e.leave); err == nil {
			c, err = e.openProtected(x, d, &l.config)
		}
	}
	if err != nil {
		if machine != nil {
			// A client that has not heard why asks again.
			e.demux.refuse(x.key, time.Now(), x.parting)
		}
		e.demux.removeExchange(x)
		x.release()
		x.failed(err)
		return
	}
	if !l.reserve() {
		// The backlog has filled up meanwhile.
		e.event(time.Now(), eventRefused, x.addr)
		c.Abort()
		return
	}
	e.event(time.Now(), eventAccepted, x.addr)
	l.offer(c)
}

// failed counts and logs a client's TLS handshake that did not succeed.
func (x *exchange) failed(err error) {
	e := x.endpoint
	e.counts.handshakes.Add(1)
	if errors.Is(err, ErrAuth) || errors.Is(err, secure.ErrAuth) {
		e.counts.unauthorized.Add(1)
	}
	if err != net.ErrClosed { // else it is the endpoint that has ended
		e.event(time.Now(), eventTLS, x.addr, slog.Any("error", err))
	}
}

// admit makes the connection. Its place in the backlog is reserved.
func (e *Endpoint) admit(now time.Time, l *Listener, key acceptKey, head wire.Control, body *wire.Handshake, r udpio.Received) {
	local := e.sock.LocalAddr()
	if r.Local.IsValid() {
		local = netip.AddrPortFrom(r.Local, local.Port())
	}
	// Under load places are short: those who are there give theirs back at once.
	a := proto.Acceptance{Handshake: *body, Marker: wire.Marker(head.Info), Ask: e.loaded(l)}
	if a.Marker.Is(wire.MarkerClient) && head.Time != 0 {
		a.RTT = time.Duration(e.clock(now)-head.Time) * time.Microsecond
	}
	d, err := e.draft(&l.config, local, r.From, false)
	if err != nil {
		l.unreserve()
		return
	}
	d.conclude, d.listener, d.packets = key, l, l.packets
	c := newConn(&d.connParams, proto.NewServer(now, &d.core, &a), nil)
	e.halfOpen.add(c, now)
	e.demux.add(c)
	e.event(time.Now(), eventAccepted, r.From)
	if l.config.Security.on() {
		e.event(now, eventPlain, r.From)
	}
	c.act(effortBatch, func(time.Time) {})
	l.offer(c)
}

// answerFromGrave tells the peer of an ended connection, which still speaks, that
// it is over. Its own Shutdown is not answered. Of a protected connection there are no
// keys left: its last Shutdown is repeated as it was sealed, and packets that have the
// size of one are not answered, or two tombstones would talk with each other.
func (e *Endpoint) answerFromGrave(now time.Time, g *grave, b []byte, segment int) {
	p := b[:min(segment, len(b))]
	if g.sealed {
		if g.farewell != nil && len(p) != len(g.farewell) && !wire.IsHandshake(p) && e.demux.mayAnswer(g, now) {
			e.send(udpio.NewPeer(g.addr, e.source(g.local)), g.farewell)
		}
		return
	}
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
