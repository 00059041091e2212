package udt

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/udtgo/udtgo/udt/internal/lease"
	"github.com/udtgo/udtgo/udt/internal/memory"
	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/secure"
	"github.com/udtgo/udtgo/udt/internal/timer"
	"github.com/udtgo/udtgo/udt/internal/udpio"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// An Endpoint owns one UDP socket and carries any number of connections, dialed
// and accepted, on its port. Its methods may be called concurrently.
//
// ListenEndpoint and NewEndpoint make an Endpoint, which Close or Shutdown ends. Listen,
// ListenPacket and dials open one of their own, which closes by itself with its last
// connection.
type Endpoint struct {
	sock      udpio.Socket
	lease     lease.Lease
	share     socketShare
	timers    timer.Group
	memory    memory.Budget
	demux     demux
	halfOpen  halfOpen
	started   time.Time
	owned     bool         // closes with its last connection
	logger    *slog.Logger // constant, as are resets and foreign
	resets    resetter
	events    eventLog
	refusal   bucket // of ICMP reports; belongs to the reader of the socket
	foreign   func(b []byte, from netip.AddrPort)
	done      chan struct{} // closed when the socket is no longer read
	retired   atomic.Bool   // a connection has ended: closeIfIdle is due
	listening atomic.Bool   // listener is not nil
	counts    endpointCounts
	leave     chan struct{} // bounds the TLS work for clients at a time

	// mu guards what follows; it may be taken before Conn.mu, never after.
	mu        sync.Mutex
	random    *mathrand.ChaCha8
	admission admission
	cookies   *secure.Jar
	listener  *Listener
	dialing   int  // dials and packet connections that keep an owned endpoint open
	closing   bool // no new connections
	closed    bool
	idle      *time.Timer // ends an owned endpoint a while after its last connection
}

type endpointCounts struct {
	unknown, malformed, foreign, refused, wrongSource, limited, shed, falseCookies atomic.Uint64
	handshakes, unauthorized, resets, resetsSent                                   atomic.Uint64
}

// NewEndpoint makes an endpoint of pc, which belongs to the endpoint afterwards: do not
// use pc again, and close it only if there was an error. If pc is a *net.UDPConn, the
// endpoint uses the system's batching and offload; any other net.PacketConn is used
// through its interface, must have UDP addresses, and is closed with the endpoint. On
// Linux an endpoint holds two file descriptors. A nil config means the zero
// EndpointConfig.
func NewEndpoint(pc net.PacketConn, config *EndpointConfig) (*Endpoint, error) {
	if pc == nil {
		return nil, opError("listen", nil, nil, configError("no PacketConn"))
	}
	if err := config.check(); err != nil {
		return nil, opError("listen", nil, nil, err)
	}
	sock, err := udpio.Wrap(pc, config.socketOptions(nil, nil))
	if err != nil {
		return nil, opError("listen", nil, nil, unwrapOp(err))
	}
	e := startEndpoint(sock, false, config)
	e.lease.Start()
	return e, nil
}

// startEndpoint makes an endpoint, whose lease the caller starts.
func startEndpoint(sock udpio.Socket, owned bool, config *EndpointConfig) *Endpoint {
	now := time.Now()
	e := &Endpoint{
		sock: sock, owned: owned, started: now, done: make(chan struct{}),
		cookies: secure.NewJar(now, sock.LocalAddr().Port(), func(b []byte) { rand.Read(b) }),
		leave:   make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	var seed [32]byte
	rand.Read(seed[:])
	e.random = mathrand.NewChaCha8(seed)
	e.configure(config)
	e.demux.init()
	info := sock.Info()
	e.share.buffer = info.RecvBuffer
	if runtime.GOOS == "linux" {
		e.share.buffer *= 2 // Linux doubles it over what it was asked for
	}
	e.lease.Config = lease.Config{
		Read: e.read, Interrupt: sock.Interrupt, Over: func() { close(e.done) }, Able: info.Interruptible,
	}
	e.timers.Init(now, info.Interruptible)
	return e
}

// LocalAddr returns the socket's address, a *net.UDPAddr. It may be the
// wildcard.
func (e *Endpoint) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(e.sock.LocalAddr()) }

// SyscallConn gives access to the shared socket. It returns an error if the
// endpoint was made of something other than a *net.UDPConn.
func (e *Endpoint) SyscallConn() (syscall.RawConn, error) { return e.sock.SyscallConn() }

// WriteTo sends b to addr as one UDP datagram through the endpoint's socket, such as a
// STUN request. It must not look like UDT to the peer.
func (e *Endpoint) WriteTo(b []byte, addr netip.AddrPort) error {
	_, err := e.sock.Send(udpio.NewPeer(addr, netip.Addr{}), []wire.Run{{B: b}}, true)
	return opError("write", e.LocalAddr(), net.UDPAddrFromAddrPort(addr), err)
}

// EndpointStats is a snapshot of an endpoint's counters and of what its socket
// got from the system.
type EndpointStats struct {
	Connections            int    // registered
	UnknownIDs             uint64 // packets to socket IDs that do not exist
	WrongSource            uint64 // packets to a connection from another address
	Malformed              uint64 // datagrams that are not UDT packets
	Foreign                uint64 // handed to EndpointConfig.OnForeignPacket
	HandshakesRefused      uint64 // clients answered with a refusal; repeated requests count once
	HandshakesFailed       uint64 // TLS handshakes of clients that failed
	HandshakesUnauthorized uint64 // of these, because of a credential, or of VerifyPeer
	HandshakesPending      int    // TLS handshakes under way, dialed ones included
	FalseCookies           uint64 // handshake packets dropped because their cookie is not ours, or old
	StatelessResets        uint64 // connections ended by one
	StatelessResetsSent    uint64 // because of EndpointConfig.ResetKey
	HandshakesLimited      uint64 // handshake packets dropped because of Limits
	HalfOpen               int    // accepted connections whose peers have not been heard yet
	HalfOpenShed           uint64 // of these, ended early because there were too many
	ReceiveHeld            int64  // bytes that wait to be read, to within 16 KiB per connection
	SegmentationOffload    bool   // UDP GSO in use
	ReceiveOffload         bool   // UDP GRO in use
	SocketRecvBuffer       int    // bytes granted by the system; zero unknown
	SocketSendBuffer       int    // bytes granted by the system; zero unknown
	TransientErrors        uint64 // socket errors that were survived
	SegmentationFallbacks  uint64 // segmented sends repeated unsegmented
	MemoryHeld             int64  // bytes that buffers have grown by
}

// Stats returns a snapshot.
func (e *Endpoint) Stats() EndpointStats {
	i := e.sock.Info()
	return EndpointStats{
		Connections: e.demux.len(), UnknownIDs: e.counts.unknown.Load(), WrongSource: e.counts.wrongSource.Load(),
		Malformed: e.counts.malformed.Load(), Foreign: e.counts.foreign.Load(), HandshakesRefused: e.counts.refused.Load(),
		HandshakesFailed: e.counts.handshakes.Load(), HandshakesUnauthorized: e.counts.unauthorized.Load(), HandshakesPending: e.demux.pending(),
		FalseCookies: e.counts.falseCookies.Load(), StatelessResets: e.counts.resets.Load(), StatelessResetsSent: e.counts.resetsSent.Load(),
		SegmentationOffload: i.GSO, ReceiveOffload: i.GRO,
		SocketRecvBuffer: i.RecvBuffer, SocketSendBuffer: i.SendBuffer,
		TransientErrors: i.TransientErrors, SegmentationFallbacks: i.SegmentationFallbacks,
		MemoryHeld: e.memory.Held(), HandshakesLimited: e.counts.limited.Load(),
		HalfOpen: e.halfOpen.len(), HalfOpenShed: e.counts.shed.Load(), ReceiveHeld: e.memory.Unread(),
	}
}

// send sends one packet that belongs to no connection, if the socket takes it.
func (e *Endpoint) send(p *udpio.Peer, b []byte) {
	runs := [1]wire.Run{{B: b}}
	_, _ = e.sock.Send(p, runs[:], false) // lost is lost: the peer asks again
}

// handleRefused tells the dial whose request was refused, or the connections to
// that address.
func (e *Endpoint) handleRefused(r *udpio.RefusedError) {
	now := time.Now()
	e.demux.exchangesRefused(r.Addr)
	// A dial counts on the report. For what is open it is but a hint, which anyone
	// can forge.
	considered := e.refusal.take(e.milliseconds(now), icmpPerSecond, icmpPerSecond)
	for _, c := range e.demux.at(r.Addr) {
		if len(r.Request) >= wire.HeaderLen+wire.HandshakeLen &&
			binary.BigEndian.Uint32(r.Request[wire.HeaderLen+24:]) != c.id {
			continue
		}
		c.handleRefused(now, considered)
	}
}

// newIDLocked draws the socket ID of a new connection; mu must be held.
func (e *Endpoint) newIDLocked() uint32 {
	for {
		if id := uint32(e.random.Uint64()) & wire.NumberMask; id != 0 && !e.demux.known(id) {
			return id
		}
	}
}

// newRandLocked returns a source of random numbers for one connection.
func (e *Endpoint) newRandLocked() proto.Rand {
	var seed [32]byte
	e.random.Read(seed[:])
	return mathrand.New(mathrand.NewChaCha8(seed))
}

// retire forgets a connection that has ended. Unless the peer knows of the end,
// a tombstone tells it when it speaks again. It is called with c.mu held.
func (e *Endpoint) retire(c *Conn, confirmed bool) {
	e.demux.remove(c, !confirmed, time.Now())
	if c.guard != nil {
		c.guard.exchange.release()
	}
	if c.listener != nil {
		e.halfOpen.ended(c)
		if c.unheard {
			c.listener.forget(c)
		}
	}
	switch {
	case !e.owned, e.listening.Load(): // Listener.Close looks itself
	case c.handling:
		e.retired.Store(true) // the reader of the socket looks at once
	default:
		go e.closeIfIdle() // Endpoint.mu comes before Conn.mu: not from here
	}
}

// closeIfIdle closes an owned endpoint whose last user is gone, once no peer can
// need to be told any more that its connection is over.
func (e *Endpoint) closeIfIdle() {
	if e.endIfIdle() {
		e.closeSocket()
	}
}

// endIfIdle reports whether it has marked the endpoint as closed.
func (e *Endpoint) endIfIdle() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || !e.owned || e.listener != nil || e.dialing > 0 || e.demux.len() > 0 {
		return false
	}
	if left := e.demux.graveLeft(time.Now()); left > 0 {
		if e.idle == nil {
			e.idle = time.AfterFunc(left, e.closeIfIdle)
		} else {
			e.idle.Reset(left)
		}
		return false
	}
	return e.endLocked()
}

// endLocked marks the endpoint as closed. It reports whether it was not: then the caller
// closes the socket, without the lock, as a net.PacketConn may be the user's.
func (e *Endpoint) endLocked() bool {
	if e.closed {
		return false
	}
	e.closing, e.closed = true, true
	if e.idle != nil {
		e.idle.Stop()
	}
	return true
}

func (e *Endpoint) closeSocket() {
	e.sock.Close()
	e.lease.Close()
	e.timers.Close()
}

// Close aborts every connection and closes the socket at once. Shutdown ends them in
// order.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return opError("close", e.LocalAddr(), nil, net.ErrClosed)
	}
	e.closing = true
	l := e.listener
	e.mu.Unlock()
	if l != nil {
		l.Close()
	}
	for _, c := range e.demux.all() {
		c.endpointClosed()
	}
	e.mu.Lock()
	last := e.endLocked()
	e.mu.Unlock()
	if last {
		e.closeSocket()
	}
	return nil
}

// Shutdown stops accepting, waits until every connection has closed or ctx ends,
// and closes the socket. It returns the context's error if connections were left,
// which are then aborted.
func (e *Endpoint) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.closing = true
	l := e.listener
	e.mu.Unlock()
	if l != nil {
		l.Close()
	}
	err := e.demux.awaitEmpty(ctx)
	e.Close()
	<-e.done
	return opError("close", e.LocalAddr(), nil, err)
}
