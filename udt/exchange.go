package udt

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/udtgo/udtgo/udt/internal/memory"
	"github.com/udtgo/udtgo/udt/internal/protect"
	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/secure"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

const (
	exchangeQueue = 32               // datagrams that wait for the exchange
	maxEarly      = 64               // packets that come before there are keys,
	maxEarlyBytes = 32 << 10         // and their size
	exchangeGrace = time.Second      // how old one must be to give way to another
	maxFlight     = 16               // datagrams sent at a time
	answerLate    = 10 * time.Second // for how long a server answers a client that repeats its last flight
)

// An exchange opens a protected connection, or lets a server or a client repeat its
// last words once that is open. Its TLS work is done by a goroutine of its own, the
// caller of a dial or one per client, never by the one that reads the socket.
type exchange struct {
	endpoint *Endpoint
	id       uint32
	key      acceptKey // server: the conclusion that began it
	addr     netip.AddrPort
	local    netip.AddrPort
	path     *path
	meeting  bool // a rendezvous
	began    time.Time
	reading  bool          // dialed, and the exchange has the lease of the socket
	shed     chan struct{} // closed when the exchange gives way to another
	wake     chan struct{} // the peer's port was refused
	in       chan []byte   // handshake datagrams
	settled  atomic.Bool   // nobody needs the machine any more

	// mu is held while the machine works, which may be as long as functions of the
	// user take: whoever reads the socket takes it only once the connection is open.
	mu      sync.Mutex
	machine *secure.Machine
	timer   *time.Timer
	parting []byte // what a server has told a client that it refused

	// early guards what follows; it may be taken with mu held.
	early   sync.Mutex
	packets [][]byte // that came before the keys
	bytes   int      // of these
	conn    *Conn    // once open
}

func (e *Endpoint) newExchange(id uint32, local, remote netip.AddrPort) *exchange {
	return &exchange{
		endpoint: e, id: id, addr: remote, local: local,
		path: newPath(e, local.Addr(), remote), in: make(chan []byte, exchangeQueue),
		began: time.Now(), shed: make(chan struct{}), wake: make(chan struct{}, 1),
	}
}

// deliver takes what arrived for the exchange. It does not wait.
func (x *exchange) deliver(now time.Time, b []byte) {
	if wire.IsHandshake(b) {
		// Only whoever reads the socket gets here: what is not full stays so.
		if len(b) <= wire.MaxSecureLen && len(x.in) < cap(x.in) && !x.settled.Load() {
			x.in <- append([]byte(nil), b...)
		}
		return
	}
	x.early.Lock()
	c := x.conn
	if c == nil && len(x.packets) < maxEarly && x.bytes+len(b) <= maxEarlyBytes {
		x.packets = append(x.packets, append([]byte(nil), b...))
		x.bytes += len(b)
	}
	x.early.Unlock()
	if c != nil {
		c.handle(now, b, len(b), nil, x.endpoint.share.buffer)
	}
}

// errShed ends an exchange that gives way to another.
var errShed = errors.New("too many handshakes")

// run exchanges until the machine is done. Before work it asks for leave, unless
// that is nil.
func (x *exchange) run(ctx context.Context, leave chan struct{}) error {
	refused := false
	alarm := alarm{rang: make(chan struct{}, 1)}
	if x.reading {
		alarm.ring = func() { x.endpoint.lease.Interrupt(x) }
		stop := context.AfterFunc(ctx, alarm.ring)
		defer stop()
	}
	defer alarm.stop()
	for {
		x.mu.Lock()
		now := time.Now()
		x.sendLocked(now)
		err, done, next := x.machine.Err(), x.machine.Done(), x.machine.Next()
		x.mu.Unlock()
		switch {
		case err != nil:
			return fromSecure(err)
		case done:
			return nil
		}
		if next.IsZero() {
			next = now.Add(time.Hour)
		}
		alarm.set(now, next)
		var b []byte
		if x.reading {
			b, err = x.read(ctx)
		} else {
			b, err = x.await(ctx, alarm.rang)
		}
		switch {
		case b != nil:
			if leave != nil {
				leave <- struct{}{}
			}
			x.mu.Lock()
			_ = x.machine.Handle(time.Now(), b) // Err tells
			x.mu.Unlock()
			if leave != nil {
				<-leave
			}
		case err == ErrRefused && !refused:
			// One report may have been caused by a packet of another program.
			refused = true
			x.mu.Lock()
			x.machine.AskAgain(time.Now())
			x.mu.Unlock()
		case err != nil && err == ctx.Err():
			x.mu.Lock()
			x.machine.Abort()
			x.sendLocked(time.Now())
			x.mu.Unlock()
			return err
		case err != nil:
			return err
		}
	}
}

// An alarm rings at a time or before. It is left as it is while that is in order: a
// timer that is set may wake a thread. It belongs to one goroutine.
type alarm struct {
	rang  chan struct{} // after ring, if that is nil
	ring  func()
	timer *time.Timer
	at    time.Time
}

func (a *alarm) set(now, at time.Time) {
	if a.timer != nil && now.Before(a.at) && !at.Before(a.at) {
		return
	}
	a.at = at
	if a.timer != nil {
		a.timer.Reset(at.Sub(now))
		return
	}
	if a.ring == nil {
		rang := a.rang
		a.ring = func() {
			select {
			case rang <- struct{}{}:
			default:
			}
		}
	}
	a.timer = time.AfterFunc(at.Sub(now), a.ring)
}

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// await waits for a datagram, or for the alarm without one.
func (x *exchange) await(ctx context.Context, alarm <-chan struct{}) ([]byte, error) {
	select {
	case b := <-x.in:
		return b, nil
	case <-alarm:
		return nil, nil
	case <-x.wake:
		return nil, ErrRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-x.endpoint.done:
		return nil, net.ErrClosed
	case <-x.shed:
		return nil, errShed
	}
}

// read is await for an exchange that reads the socket itself, once; whoever wants it
// to stop interrupts that.
func (x *exchange) read(ctx context.Context) ([]byte, error) {
	select {
	case b := <-x.in:
		return b, nil
	case <-x.wake:
		return nil, ErrRefused
	default:
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := memory.NewBlock()
	defer b.Release()
	if _, ok := x.endpoint.receive(b); !ok {
		x.reading = false
		return nil, net.ErrClosed
	}
	return nil, nil // what has come is in order behind what came before
}

// A flight is what is sent at a time. It is plain memory.
type flight struct {
	runs [maxFlight]wire.Run
	mem  [maxFlight][wire.MaxSecureLen]byte
}

var flights = sync.Pool{New: func() any { return new(flight) }}

// sendLocked sends what the machine has to say: a flight in one call.
func (x *exchange) sendLocked(now time.Time) {
	f := flights.Get().(*flight)
	defer flights.Put(f)
	n := 0
	for n < maxFlight {
		b := x.machine.Poll(now, f.mem[n][:0])
		if len(b) == 0 {
			break
		}
		f.runs[n] = wire.Run{B: b}
		n++
	}
	if n > 0 && x.machine.Err() != nil {
		x.parting = append([]byte(nil), f.runs[n-1].B...)
	}
	if n > 0 {
		_, _ = x.endpoint.sock.Send(x.path.peer, f.runs[:n], false) // lost is lost: it is repeated
	}
}

// release ends the machine, if there is one.
func (x *exchange) release() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.releaseLocked()
}

func (x *exchange) releaseLocked() {
	x.settled.Store(true)
	if x.timer != nil {
		x.timer.Stop()
	}
	if x.machine != nil {
		x.machine.Release()
		x.machine = nil
	}
	x.early.Lock()
	x.packets = nil
	x.early.Unlock()
	for len(x.in) > 0 {
		<-x.in
	}
}

// late takes a handshake datagram after the connection has been opened: a client
// repeats its last flight, or a server refuses the client's credential after all.
func (x *exchange) late(b []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.machine == nil {
		return
	}
	now := time.Now()
	_ = x.machine.Handle(now, b)
	x.stepLocked(now)
}

// confirm is called for packets that the peer has sealed: it has all it needs.
func (x *exchange) confirm() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.machine == nil || x.machine.Result().Server {
		return
	}
	x.machine.Confirm()
	x.releaseLocked()
}

// tick is called by the timer of an open connection's exchange.
func (x *exchange) tick() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.machine == nil {
		return
	}
	if x.machine.Result().Server {
		x.releaseLocked()
		return
	}
	x.stepLocked(time.Now())
}

// stepLocked sends what is due on an open connection and arms the timer.
func (x *exchange) stepLocked(now time.Time) {
	x.sendLocked(now)
	if err := x.machine.Err(); err != nil {
		x.early.Lock()
		c := x.conn
		x.early.Unlock()
		x.releaseLocked()
		go c.fail(fromSecure(err)) // its mu comes before ours
		return
	}
	if x.machine.Result().Server {
		return
	}
	if x.machine.Confirmed() {
		x.releaseLocked()
		return
	}
	if next := x.machine.Next(); !next.IsZero() && x.timer != nil {
		x.timer.Reset(max(next.Sub(now), time.Millisecond))
	}
}

// follow keeps the exchange of a connection that has been opened for as long as the
// peer may not know.
func (x *exchange) follow() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.machine == nil {
		return // the peer has spoken already
	}
	wait := answerLate
	if !x.machine.Result().Server {
		wait = max(time.Until(x.machine.Next()), time.Millisecond)
	}
	x.timer = time.AfterFunc(wait, x.tick)
}

// secureConfig is what both roles have in common.
func (e *Endpoint) secureConfig(core *proto.Config, s *Security, local, remote netip.AddrPort) secure.Config {
	kind := wire.SocketStream
	if core.Message {
		kind = wire.SocketMessage
	}
	var token []byte
	if e.resets.key != nil {
		t := tokenOf(e.resets.key, local.Port(), core.LocalID)
		token = t[:]
	}
	return secure.Config{
		ResetToken: token,
		Policy:     s.policy(),
		Own: wire.Handshake{
			Type: kind, Number: core.InitialNumber & wire.NumberMask, MSS: uint32(core.MSS),
			FlowWindow: uint32(core.FlowWindow), SocketID: core.LocalID,
		},
		Caps: wire.CapExtendedAck, Remote: remote, Local: local, BindAddresses: s.BindAddresses,
		Random: func(b []byte) { rand.Read(b) },
	}
}

// dialProtected is dial in protected mode. Without a connection and an error the
// peer is a plain one and the policy allows it.
func (e *Endpoint) dialProtected(ctx context.Context, raddr netip.AddrPort, config *Config, host string, rendezvous bool, owner *PacketConn) (*Conn, error) {
	if host == "" {
		host = raddr.Addr().String()
	}
	client, err := config.Security.client(host)
	if err != nil {
		return nil, err
	}
	var server *tls.Config
	if rendezvous {
		if server, err = config.Security.server(); err != nil {
			return nil, err
		}
	}
	local := e.localFor(raddr)
	d, err := e.draft(config, local, raddr, rendezvous)
	if err != nil {
		return nil, err
	}
	d.packets = owner
	x := e.newExchange(d.id, local, raddr)
	sc := e.secureConfig(&d.core, config.Security, local, raddr)
	sc.TLS, sc.ServerTLS = client, server
	if config.HandshakeTimeout != 0 || rendezvous {
		sc.Timeout = d.core.HandshakeTimeout
	}
	if sc.Timeout < 0 {
		sc.Timeout = math.MaxInt64 // ctx is the limit
	}
	if rendezvous {
		x.meeting = true
		x.machine = secure.NewRendezvous(time.Now(), &sc)
		if !e.demux.meetExchange(x) {
			return nil, configError("a rendezvous with %v is under way or connected already", raddr)
		}
	} else {
		x.machine = secure.NewClient(time.Now(), &sc)
		e.demux.addExchange(x, 0)
		e.sock.NotifyRefused(true)
		defer e.sock.NotifyRefused(false)
	}
	if e.lease.TakeFirst(x) {
		// Nobody else is served by the socket yet, not even while TLS works.
		x.reading = true
		defer func() {
			if x.reading {
				e.lease.GiveBack()
			}
		}()
	}
	x.mu.Lock()
	x.sendLocked(time.Now())
	x.machine.Prepare()
	x.mu.Unlock()
	var c *Conn
	if err = x.run(ctx, nil); err == nil && !x.machine.Result().Plain {
		c, err = e.openProtected(x, d, config)
	}
	if err != nil || c == nil {
		e.demux.removeExchange(x)
		x.release()
		if err != nil && ctx.Err() != nil {
			err = contextError(ctx.Err())
		}
		return nil, err
	}
	return c, nil
}

// openProtected makes the connection of what the exchange has yielded.
func (e *Endpoint) openProtected(x *exchange, d *connDraft, config *Config) (*Conn, error) {
	r := x.machine.Result()
	own := d.core.InitialNumber
	if r.Server && !x.meeting {
		own = r.Peer.Number // both directions start at the client's
	}
	g, err := newGuard(r, config.Security.epochBits)
	if err != nil {
		return nil, &securityError{ErrConfig, err}
	}
	g.exchange, g.migrates = x, !config.Security.BindAddresses && !config.Security.DisableMigration
	d.core.Tag = protect.Overhead
	core := proto.NewProtected(time.Now(), &d.core, &proto.Opening{Server: r.Server, Number: own, Peer: r.Peer, RTT: r.RTT})
	c := newConn(&d.connParams, core, g)
	if c.listener != nil {
		e.halfOpen.count(c)
	}
	x.open(c)
	x.follow()
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	if closed {
		c.endpointClosed() // it was not there to be closed with the others
		return nil, net.ErrClosed
	}
	c.act(effortBatch, func(time.Time) {})
	return c, nil
}

// open hands over to c, after the packets that came before the keys. Until then
// whoever reads the socket gives it nothing.
func (x *exchange) open(c *Conn) {
	for {
		x.early.Lock()
		packets := x.packets
		x.packets = nil
		if len(packets) == 0 {
			x.conn = c
			x.endpoint.demux.opened(x, c)
			x.early.Unlock()
			for len(x.in) > 0 {
				x.late(<-x.in)
			}
			return
		}
		x.early.Unlock()
		for _, b := range packets {
			c.handle(time.Now(), b, len(b), nil, x.endpoint.share.buffer)
		}
	}
}
