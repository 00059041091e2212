package udt

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

const (
	packetIdle   = 60 * time.Second // a connection without messages for so long is closed
	packetSweep  = 15 * time.Second
	dialFailHold = time.Second // a failed dial is reported again without dialing
)

// A PacketConn exchanges reliable messages with many peers. It implements
// net.PacketConn; unlike UDP's, its messages arrive once each, in the order in
// which one peer sent them to another, and may be larger than a datagram.
//
// The first message to an address opens a connection to it; connections are
// accepted too. A PacketConn writes on its oldest live connection with a peer, so
// if both peers dial at once, both connections are kept and read, and messages of each
// direction stay in order. Connections without messages for 60 s are closed.
//
// Its methods may be called concurrently.
type PacketConn struct {
	endpoint *Endpoint
	listener *Listener
	config   Config
	addr     net.Addr

	// mu guards what follows; it may be taken after Conn.mu, never before.
	mu     sync.Mutex
	rcond  sync.Cond
	wcond  sync.Cond
	peers  map[netip.AddrPort]*packetPeer
	ready  []*Conn // with a message to read, each once
	rdead  deadline
	wdead  deadline
	wtime  time.Time // write deadline, for connections still to come
	sweep  *time.Timer
	closed bool
}

var _ net.PacketConn = (*PacketConn)(nil)

// packetPeer is what a PacketConn keeps of one address.
type packetPeer struct {
	conns    []*Conn            // live, the one to write on first
	cancel   context.CancelFunc // of the dial under way, nil if there is none
	failed   error              // why the last dial failed
	failedAt time.Time
	lost     error // messages were lost with a connection; not reported yet
}

// packetState is the part of a Conn that belongs to its PacketConn.
type packetState struct {
	queued bool      // in owner.ready; guarded by owner.mu
	used   time.Time // last message; guarded by owner.mu
}

// ListenPacket announces on the local address and returns a PacketConn that
// exchanges reliable messages with any number of peers. Networks and addresses are
// those of Listen. config.Mode is ignored: messages need ModeMessage.
func ListenPacket(network, address string, config *Config) (*PacketConn, error) {
	return (&ListenConfig{Config: config}).listenPacket(context.Background(), network, address)
}

// ListenPacket announces on the local address. The returned net.PacketConn is
// always of type *PacketConn.
func (lc *ListenConfig) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	p, err := lc.listenPacket(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (lc *ListenConfig) listenPacket(ctx context.Context, network, address string) (*PacketConn, error) {
	e, err := lc.open(ctx, network, address)
	if err != nil {
		return nil, err
	}
	p, err := e.ListenPacket(lc.Config)
	if err != nil {
		e.Close()
		return nil, err
	}
	return p, nil
}

// ListenPacket exchanges reliable messages on the endpoint's port. It takes the
// place of the endpoint's listener.
func (e *Endpoint) ListenPacket(config *Config) (*PacketConn, error) {
	p := &PacketConn{endpoint: e, addr: e.LocalAddr(), peers: make(map[netip.AddrPort]*packetPeer)}
	if config != nil {
		p.config = *config
	}
	p.config.Mode = ModeMessage
	p.rcond.L, p.wcond.L = &p.mu, &p.mu
	l, err := e.listenFor(&p.config, p)
	if err != nil {
		return nil, err
	}
	p.listener = l
	return p, nil
}

// LocalAddr returns the local address, a *net.UDPAddr.
func (p *PacketConn) LocalAddr() net.Addr { return p.addr }

// Endpoint returns the endpoint that carries the connections of p.
func (p *PacketConn) Endpoint() *Endpoint { return p.endpoint }

// ReadFrom reads one message and returns the address of its sender, a
// *net.UDPAddr. Peers are served in turn. If b is too short the rest of the
// message is discarded and io.ErrShortBuffer is returned.
func (p *PacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		c, err := p.nextReady()
		if err != nil {
			return 0, nil, opError("read", p.addr, nil, err)
		}
		n, ok, err := c.takeMessage(b)
		if ok {
			return n, c.origin, err
		}
	}
}

// nextReady waits for a connection with a message.
func (p *PacketConn) nextReady() (*Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.closed:
			return nil, net.ErrClosed
		case p.rdead.expired:
			return nil, errTimeout
		case len(p.ready) > 0:
			c := p.ready[0]
			p.ready[0] = nil
			p.ready = p.ready[1:]
			c.packet.queued = false
			c.packet.used = time.Now()
			return c, nil
		}
		p.rcond.Wait()
	}
}

// takeMessage reads a message if there is one, and puts c back in the queue of
// its owner if there are more.
func (c *Conn) takeMessage(b []byte) (n int, ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.beginReadLocked() != nil {
		return 0, false, nil
	}
	defer c.endReadLocked()
	if !c.core.Readable() {
		return 0, false, nil
	}
	n, err = c.readMessageLocked(b)
	c.settleLocked(time.Now(), effortLoop) // there may be more, or that was the last
	return n, true, err
}

// noteConnLocked hears of changes of c's state; c.mu is held.
func (p *PacketConn) noteConnLocked(c *Conn) {
	if c.core.Readable() && !c.end.closed {
		p.mu.Lock()
		if !c.packet.queued && !p.closed {
			c.packet.queued = true
			p.ready = append(p.ready, c)
			p.rcond.Signal()
		}
		p.mu.Unlock()
		return
	}
	if c.core.ReadErr() == nil {
		return
	}
	if !c.end.closed {
		// Everything was read: nobody else will close it.
		c.end.closed = true
		c.read.deadline.stopLocked()
		c.write.deadline.stopLocked()
		c.wakeAllLocked()
		c.core.Close(time.Now())
	}
	if c.core.Ended() {
		p.forget(c, c.core.Undelivered(), c.core.Err())
	}
}

// forget drops a connection that is over.
func (p *PacketConn) forget(c *Conn, lost bool, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	peer := p.peers[c.addr]
	if peer == nil {
		return
	}
	for i, other := range peer.conns {
		if other != c {
			continue
		}
		peer.conns = append(peer.conns[:i:i], peer.conns[i+1:]...)
		if lost && !p.closed {
			if peer.lost = fromCore(why); peer.lost == nil || errors.Is(peer.lost, net.ErrClosed) {
				peer.lost = ErrReset
			}
		}
		break
	}
	p.pruneLocked(c.addr, time.Now())
}

// pruneLocked forgets an address about which there is nothing to remember.
func (p *PacketConn) pruneLocked(addr netip.AddrPort, now time.Time) {
	peer := p.peers[addr]
	if peer != nil && len(peer.conns) == 0 && peer.cancel == nil && peer.lost == nil &&
		now.Sub(peer.failedAt) > dialFailHold {
		delete(p.peers, addr)
	}
}

// offer takes an accepted connection. A newer one goes before one whose peer has
// stopped answering: it has probably been started again.
func (p *PacketConn) offer(c *Conn) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		c.Abort()
		return
	}
	peer := p.peerLocked(c.addr)
	var old *Conn
	if len(peer.conns) > 0 {
		old = peer.conns[0]
	}
	peer.conns = append(peer.conns, c)
	p.addedLocked(c)
	p.wcond.Broadcast()
	p.mu.Unlock()
	p.joined(c)
	if old == nil {
		return
	}
	old.mu.Lock()
	silent := old.core.Unanswered()
	old.mu.Unlock()
	if !silent {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := len(peer.conns) - 1; i > 0 && peer.conns[i] == c {
		copy(peer.conns[1:], peer.conns[:i])
		peer.conns[0] = c
	}
}

func (p *PacketConn) peerLocked(addr netip.AddrPort) *packetPeer {
	peer := p.peers[addr]
	if peer == nil {
		peer = new(packetPeer)
		p.peers[addr] = peer
	}
	return peer
}

// addedLocked notes a new connection.
func (p *PacketConn) addedLocked(c *Conn) {
	c.packet.used = time.Now()
	if p.sweep == nil {
		p.sweep = time.AfterFunc(packetSweep, p.closeIdle)
	}
}

// closeIdle closes connections that nobody has used for long.
func (p *PacketConn) closeIdle() {
	now := time.Now()
	p.mu.Lock()
	var idle []*Conn
	live := false
	for addr, peer := range p.peers {
		p.pruneLocked(addr, now)
		for _, c := range peer.conns {
			live = true
			if now.Sub(c.packet.used) >= packetIdle && !c.packet.queued {
				idle = append(idle, c)
			}
		}
	}
	switch {
	case p.closed || !live && len(p.peers) == 0:
		p.sweep = nil
	default:
		p.sweep.Reset(packetSweep)
	}
	p.mu.Unlock()
	for _, c := range idle {
		c.mu.Lock()
		if !c.end.closed && !c.core.Readable() && c.core.Acknowledged() {
			c.closeLocked()
		}
		c.mu.Unlock()
	}
}

// WriteTo sends b as one message to addr, a *net.UDPAddr. It waits during the
// handshake of a new connection and while the peer's send buffer is full, both
// under the write deadline, after which the handshake goes on for the next call. A
// failed dial is its error, and for a second also that of further calls with the
// same address. If messages were lost with an
// earlier connection to addr, WriteTo returns the reason once, without sending.
// An empty b sends nothing.
func (p *PacketConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	to, err := peerAddr(addr)
	if err == nil {
		err = p.writeTo(b, to)
	}
	if err != nil {
		return 0, opError("write", p.addr, addr, err)
	}
	return len(b), nil
}

// peerAddr returns the address to dial.
func peerAddr(addr net.Addr) (netip.AddrPort, error) {
	a, ok := addr.(*net.UDPAddr)
	if !ok || a == nil {
		text := "<nil>"
		if addr != nil {
			text = addr.String()
		}
		return netip.AddrPort{}, &net.AddrError{Err: "not a UDP address", Addr: text}
	}
	ap := a.AddrPort()
	if !ap.IsValid() || ap.Port() == 0 {
		return netip.AddrPort{}, &net.AddrError{Err: "no address or port", Addr: a.String()}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

func (p *PacketConn) writeTo(b []byte, to netip.AddrPort) error {
	for {
		c, err := p.connTo(to)
		if err != nil {
			return err
		}
		if len(b) == 0 {
			return nil
		}
		err = messageError(c.WriteMessage(b, MessageOptions{}))
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errTimeout), errors.Is(err, ErrMessageTooLong):
			return err
		}
		// The connection is over; what it lost is reported by connTo.
		c.mu.Lock()
		c.settleLocked(time.Now(), effortNone)
		over := c.end.closed || c.core.WriteErr() != nil
		lost, why := c.core.Undelivered(), c.core.Err()
		c.mu.Unlock()
		if !over {
			return err
		}
		p.forget(c, lost, why)
	}
}

// connTo returns the connection to write on, dialing if there is none.
func (p *PacketConn) connTo(to netip.AddrPort) (*Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		now := time.Now()
		switch {
		case p.closed:
			return nil, net.ErrClosed
		case p.wdead.expired:
			return nil, errTimeout
		}
		peer := p.peerLocked(to)
		switch {
		case peer.lost != nil:
			err := peer.lost
			peer.lost = nil
			p.pruneLocked(to, now)
			return nil, err
		case len(peer.conns) > 0:
			c := peer.conns[0]
			c.packet.used = now
			return c, nil
		case peer.failed != nil && now.Sub(peer.failedAt) < dialFailHold:
			return nil, peer.failed
		case peer.cancel != nil:
		default:
			p.dialLocked(peer, to)
		}
		p.wcond.Wait()
	}
}

// dialLocked begins to open a connection. It does not end with the call that wants
// it, whose deadline may be short: the next one finds it.
func (p *PacketConn) dialLocked(peer *packetPeer, to netip.AddrPort) {
	ctx, cancel := context.WithCancel(context.Background())
	peer.cancel = cancel
	go p.dial(ctx, cancel, peer, to)
}

func (p *PacketConn) dial(ctx context.Context, cancel context.CancelFunc, peer *packetPeer, to netip.AddrPort) {
	defer cancel()
	c, err := p.endpoint.dial(ctx, to, &p.config, "", false, p)
	p.mu.Lock()
	peer.cancel = nil
	p.wcond.Broadcast()
	switch {
	case p.closed:
		p.mu.Unlock()
		if err == nil {
			c.Abort()
		}
		return
	case err != nil:
		peer.failed, peer.failedAt = err, time.Now()
		if p.sweep == nil {
			p.sweep = time.AfterFunc(packetSweep, p.closeIdle)
		}
		p.mu.Unlock()
		return
	}
	peer.failed = nil
	peer.conns = append(peer.conns, c)
	p.addedLocked(c)
	p.mu.Unlock()
	p.joined(c)
}

// joined is called once p knows c, which gets the write deadline, and may have
// ended or received messages before.
func (p *PacketConn) joined(c *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.mu.Lock()
	wtime := p.wtime
	p.mu.Unlock()
	if !c.end.closed && !wtime.IsZero() {
		c.write.deadline.setLocked(&c.mu, wtime, c.wakeWritersLocked)
	}
	c.settleLocked(time.Now(), effortNone)
}

// SetDeadline sets the read and write deadlines.
func (p *PacketConn) SetDeadline(t time.Time) error {
	if err := p.SetReadDeadline(t); err != nil {
		return err
	}
	return p.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of present and future calls of ReadFrom. The
// zero Time lifts it.
func (p *PacketConn) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return opError("set", p.addr, nil, net.ErrClosed)
	}
	p.rdead.setLocked(&p.mu, t, p.rcond.Broadcast)
	return nil
}

// SetWriteDeadline sets the deadline of present and future calls of WriteTo,
// handshakes included. The zero Time lifts it.
func (p *PacketConn) SetWriteDeadline(t time.Time) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return opError("set", p.addr, nil, net.ErrClosed)
	}
	p.wtime = t
	p.wdead.setLocked(&p.mu, t, p.wcond.Broadcast)
	conns := p.connsLocked()
	p.mu.Unlock()
	for _, c := range conns {
		c.SetWriteDeadline(t) // one that is over has no deadline to set
	}
	return nil
}

func (p *PacketConn) connsLocked() []*Conn {
	var all []*Conn
	for _, peer := range p.peers {
		all = append(all, peer.conns...)
	}
	return all
}

// Close closes every connection in order: messages accepted by WriteTo are still
// delivered, as Conn.Close describes. Blocked calls return net.ErrClosed.
func (p *PacketConn) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return opError("close", p.addr, nil, net.ErrClosed)
	}
	p.closed = true
	p.rdead.stopLocked()
	p.wdead.stopLocked()
	if p.sweep != nil {
		p.sweep.Stop()
		p.sweep = nil
	}
	p.ready = nil
	conns := p.connsLocked()
	for _, peer := range p.peers {
		if peer.cancel != nil {
			peer.cancel()
		}
	}
	p.rcond.Broadcast()
	p.wcond.Broadcast()
	p.mu.Unlock()

	p.listener.Close()
	for _, c := range conns {
		c.mu.Lock()
		if !c.end.closed {
			c.closeLocked()
		}
		c.mu.Unlock()
	}
	for _, c := range conns {
		c.mu.Lock()
		c.awaitDrainLocked(func() bool { return false })
		c.mu.Unlock()
	}
	p.endpoint.closeIfIdle()
	return nil
}

// messageError returns the cause in err, which is put into an error with the
// addresses of the PacketConn.
func messageError(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	err = unwrapOp(err)
	if errors.Is(err, syscall.EPIPE) {
		return ErrReset
	}
	return err
}
