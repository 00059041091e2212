package udt

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/udtgo/udtgo/udt/internal/udpio"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A ListenConfig contains options for listening to an address. Its zero value is
// ready to use.
type ListenConfig struct {
	// Control, if not nil, is called after the socket is made and before it is
	// bound, as in net.ListenConfig.
	Control func(network, address string, c syscall.RawConn) error

	// Config configures the connections. Nil means the zero Config.
	Config *Config
}

// Listen announces on the local address and accepts stream or message
// connections, according to config.Mode. Known networks are "udt", "udt4" (IPv4 only)
// and "udt6" (IPv6 only). The address is as for net.Listen: without a host it is
// the wildcard, with port 0 the system chooses one. A nil config means the zero
// Config.
func Listen(network, address string, config *Config) (*Listener, error) {
	return (&ListenConfig{Config: config}).listen(context.Background(), network, address)
}

// Listen announces on the local address. The returned Listener is always of type
// *Listener. The context bounds name resolution only.
func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	l, err := lc.listen(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (lc *ListenConfig) listen(ctx context.Context, network, address string) (*Listener, error) {
	e, err := lc.open(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l, err := e.Listen(lc.Config)
	if err != nil {
		e.Close()
		return nil, err
	}
	return l, nil
}

// ListenEndpoint opens the UDP port at the local address, without a listener yet.
// Networks and addresses are those of Listen. A nil config means the zero
// EndpointConfig. For a socket with options of your own, use net.ListenConfig and
// NewEndpoint.
func ListenEndpoint(network, address string, config *EndpointConfig) (*Endpoint, error) {
	if err := config.check(); err != nil {
		return nil, opError("listen", nil, nil, err)
	}
	return listenEndpoint(context.Background(), network, address, false, config, nil)
}

// open makes the endpoint of a listener or a PacketConn.
func (lc *ListenConfig) open(ctx context.Context, network, address string) (*Endpoint, error) {
	config := lc.Config
	if config == nil {
		config = &Config{}
	}
	if err := config.check(); err != nil {
		return nil, opError("listen", nil, nil, err)
	}
	return listenEndpoint(ctx, network, address, true, config.Endpoint, lc.Control)
}

// listenEndpoint opens a port. An owned one closes with its last connection.
func listenEndpoint(
	ctx context.Context, network, address string, owned bool, config *EndpointConfig,
	control func(network, address string, c syscall.RawConn) error,
) (*Endpoint, error) {
	family, err := udpNetwork(network)
	if err != nil {
		return nil, opError("listen", nil, nil, err)
	}
	addrs, err := resolve(ctx, nil, network, address, true)
	if err != nil {
		return nil, opError("listen", nil, nil, err)
	}
	sock, err := udpio.Listen(ctx, family, addrs[0], config.socketOptions(control, nil))
	if err != nil {
		return nil, opError("listen", nil, net.UDPAddrFromAddrPort(addrs[0]), unwrapOp(err))
	}
	e := startEndpoint(sock, owned, config)
	e.lease.Start()
	return e, nil
}

// Listen accepts connections on the endpoint's port. There can be one listener
// at a time. Closing it leaves the endpoint open.
func (e *Endpoint) Listen(config *Config) (*Listener, error) { return e.listenFor(config, nil) }

// listenFor makes the listener. If p is not nil, it gets the connections instead
// of Accept.
func (e *Endpoint) listenFor(config *Config, p *PacketConn) (*Listener, error) {
	if config == nil {
		config = &Config{}
	}
	if err := config.check(); err != nil {
		return nil, opError("listen", nil, e.LocalAddr(), err)
	}
	l := &Listener{endpoint: e, config: *config, addr: e.LocalAddr(), packets: p}
	l.cond.L = &l.mu
	if config.Security.on() {
		security := *config.Security
		if verify := security.VerifyPeer; verify != nil {
			// It may block, while others need leave for their work.
			security.VerifyPeer = func(state tls.ConnectionState) error {
				<-e.leave
				defer func() { e.leave <- struct{}{} }()
				return verify(state)
			}
		}
		var err error
		if l.tls, err = security.server(); err != nil {
			return nil, opError("listen", nil, e.LocalAddr(), err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closing:
		return nil, opError("listen", nil, e.LocalAddr(), net.ErrClosed)
	case e.listener != nil:
		return nil, opError("listen", nil, e.LocalAddr(), syscall.EADDRINUSE)
	}
	e.listener = l
	e.listening.Store(true)
	if config.AcceptPeer != nil {
		e.lease.Veto()
	}
	return l, nil
}

// A Listener accepts UDT connections. Multiple goroutines may invoke its methods
// simultaneously. It implements net.Listener.
type Listener struct {
	endpoint *Endpoint
	config   Config
	addr     net.Addr
	packets  *PacketConn // gets the connections, unless nil
	tls      *tls.Config // of protected connections

	mu       sync.Mutex
	cond     sync.Cond
	queue    []*Conn
	reserved int // places in the backlog, taken or about to be
	deadline deadline
	closed   bool
}

// Accept waits for the next connection and returns it; its dynamic type is *Conn. It
// does not wait for data from the peer, so a server may speak first. It fails only
// after Close, with net.ErrClosed, and when the deadline has passed.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.AcceptUDT()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptUDT is Accept with the concrete type.
func (l *Listener) AcceptUDT() (*Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.closed:
			return nil, opError("accept", nil, l.addr, net.ErrClosed)
		case l.deadline.expired:
			return nil, opError("accept", nil, l.addr, errTimeout)
		case len(l.queue) > 0:
			c := l.queue[0]
			l.queue[0] = nil
			l.queue = l.queue[1:]
			l.reserved--
			return c, nil
		}
		l.cond.Wait()
	}
}

// Addr returns the listener's address, a *net.UDPAddr. It stays valid after
// Close.
func (l *Listener) Addr() net.Addr { return l.addr }

// Endpoint returns the endpoint that carries the listener's connections. Its Shutdown
// ends them in order, and it can listen again after the listener was closed.
func (l *Listener) Endpoint() *Endpoint { return l.endpoint }

// SetDeadline sets the deadline of present and future calls of Accept. The zero
// Time lifts it.
func (l *Listener) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return opError("set", nil, l.addr, net.ErrClosed)
	}
	l.deadline.setLocked(&l.mu, t, l.cond.Broadcast)
	return nil
}

// Close stops listening. It aborts connections that wait to be accepted, and leaves
// others open. If the function Listen opened the port, its socket is closed when the
// last connection has ended.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return opError("close", nil, l.addr, net.ErrClosed)
	}
	l.closed = true
	waiting := l.queue
	l.queue = nil
	l.deadline.stopLocked()
	l.cond.Broadcast()
	l.mu.Unlock()

	e := l.endpoint
	e.mu.Lock()
	if e.listener == l {
		e.listener = nil
		e.listening.Store(false)
	}
	e.mu.Unlock()
	for _, c := range waiting {
		c.Abort()
	}
	e.closeIfIdle()
	return nil
}

// reserve takes a place in the backlog and reports whether there was one.
func (l *Listener) reserve() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.reserved >= cmp.Or(l.config.Backlog, defaultBacklog) {
		return false
	}
	l.reserved++
	return true
}

// full reports whether there is no place in the backlog.
func (l *Listener) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed || l.reserved >= cmp.Or(l.config.Backlog, defaultBacklog)
}

// halfFull reports whether more than half of the backlog is taken.
func (l *Listener) halfFull() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reserved > cmp.Or(l.config.Backlog, defaultBacklog)/2
}

// forget takes c out of the backlog if it is still there.
func (l *Listener) forget(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.queue, c); i >= 0 {
		l.queue = slices.Delete(l.queue, i, i+1)
		l.reserved--
	}
}

func (l *Listener) unreserve() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserved--
}

// offer puts c, whose place is reserved, where Accept finds it.
func (l *Listener) offer(c *Conn) {
	if l.packets != nil {
		l.unreserve()
		l.packets.offer(c)
		return
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		c.Abort()
		return
	}
	l.queue = append(l.queue, c)
	l.cond.Signal()
	l.mu.Unlock()
}

func (l *Listener) socketType() wire.SocketType {
	if l.config.Mode == ModeMessage {
		return wire.SocketMessage
	}
	return wire.SocketStream
}

// concrete reports whether a names one interface of this machine.
func concrete(a netip.AddrPort) bool { return a.IsValid() && !a.Addr().IsUnspecified() }
