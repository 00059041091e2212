package udt

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/udpio"
)

// Dial connects to the address on the named network and returns once the
// handshake has completed. Known networks are "udt", "udt4" (IPv4 only) and
// "udt6" (IPv6 only). A nil config means the zero Config.
func Dial(network, address string, config *Config) (*Conn, error) {
	return (&Dialer{Config: config}).dial(context.Background(), network, address)
}

// DialContext is Dial with a context that bounds the dial. Once connected, any
// expiration of the context does not affect the connection.
func DialContext(ctx context.Context, network, address string, config *Config) (*Conn, error) {
	return (&Dialer{Config: config}).dial(ctx, network, address)
}

// A Dialer contains options for connecting to an address. The zero value of each
// field is equivalent to dialing without that option. It is safe to call
// Dialer's methods concurrently.
type Dialer struct {
	// Timeout bounds the whole dial, name resolution included. Zero means that
	// Config.HandshakeTimeout is the only limit.
	Timeout time.Duration

	// Deadline is Timeout as a point in time.
	Deadline time.Time

	// LocalAddr is the address to dial from, a *net.UDPAddr. Nil means that the
	// system chooses.
	LocalAddr net.Addr

	// Rendezvous is for two peers that dial each other, without a listener. Both set
	// it, and LocalAddr with a port, or Endpoint.
	Rendezvous bool

	// Endpoint, if not nil, is the port to dial from. Connections share it, and it stays
	// open after them. If nil, each dial opens a port of its own.
	Endpoint *Endpoint

	// Resolver looks names up. Nil means net.DefaultResolver.
	Resolver *net.Resolver

	// ControlContext, if not nil, is called after a socket is made and before it
	// is bound, as in net.Dialer. It is not called if Endpoint is set.
	ControlContext func(ctx context.Context, network, address string, c syscall.RawConn) error

	// Config configures the connection. Nil means the zero Config.
	Config *Config

	host string // as it was dialed, for the verification of a certificate
}

// Dial is DialContext with the background context.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext connects using the provided context. Once connected, any
// expiration of the context does not affect the connection. If the address is a
// name with several addresses they are tried in turn, and both families
// concurrently as RFC 8305 says. The returned Conn, if any, is always of type
// *Conn.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (d *Dialer) dial(ctx context.Context, network, address string) (*Conn, error) {
	ctx, cancel := d.bound(ctx)
	defer cancel()
	if _, err := udpNetwork(network); err != nil {
		return nil, d.opError(netip.AddrPort{}, err)
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		named := *d
		named.host = host
		d = &named
	}
	addrs, err := resolve(ctx, d.Resolver, network, address, false)
	if err != nil {
		return nil, d.opError(netip.AddrPort{}, err)
	}
	laddr, err := d.local()
	if err != nil {
		return nil, d.opError(addrs[0], err)
	}
	addrs = sameFamily(addrs, laddr)
	if len(addrs) == 0 {
		return nil, d.opError(netip.AddrPort{}, &net.AddrError{Err: "no address of the local address's family", Addr: address})
	}
	return d.race(ctx, network, laddr, addrs)
}

// DialUDT is DialContext without name resolution. An invalid laddr means that the
// system chooses.
func (d *Dialer) DialUDT(ctx context.Context, network string, laddr, raddr netip.AddrPort) (*Conn, error) {
	ctx, cancel := d.bound(ctx)
	defer cancel()
	if _, err := udpNetwork(network); err != nil {
		return nil, d.opError(raddr, err)
	}
	return d.dialAddr(ctx, network, laddr, raddr)
}

// bound applies Timeout and Deadline.
func (d *Dialer) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline := d.Deadline
	if d.Timeout != 0 {
		if t := time.Now().Add(d.Timeout); deadline.IsZero() || t.Before(deadline) {
			deadline = t
		}
	}
	if deadline.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline)
}

// local returns LocalAddr.
func (d *Dialer) local() (netip.AddrPort, error) {
	switch a := d.LocalAddr.(type) {
	case nil:
		return netip.AddrPort{}, nil
	case *net.UDPAddr:
		if a == nil {
			return netip.AddrPort{}, nil
		}
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
	}
	return netip.AddrPort{}, &net.AddrError{Err: "mismatched local address type", Addr: d.LocalAddr.String()}
}

// dialAddr connects to one address.
func (d *Dialer) dialAddr(ctx context.Context, network string, laddr, raddr netip.AddrPort) (*Conn, error) {
	config := d.Config
	if config == nil {
		config = &Config{}
	}
	raddr = netip.AddrPortFrom(raddr.Addr().Unmap(), raddr.Port())
	if err := ctx.Err(); err != nil {
		return nil, d.opError(raddr, contextError(err))
	}
	switch err := config.check(); {
	case err != nil:
		return nil, d.opError(raddr, err)
	case !raddr.IsValid() || raddr.Port() == 0:
		return nil, d.opError(raddr, &net.AddrError{Err: "no port, or no address, to dial", Addr: raddr.String()})
	case d.Rendezvous && d.Endpoint == nil && laddr.Port() == 0:
		return nil, d.opError(raddr, configError("a rendezvous needs LocalAddr with a port, or Endpoint"))
	}
	if raddr.Addr().IsUnspecified() {
		// As for TCP: this machine.
		raddr = netip.AddrPortFrom(loopbackOf(raddr.Addr()), raddr.Port())
	}
	e, own := d.Endpoint, false
	if e == nil {
		var err error
		if e, err = d.open(ctx, network, laddr, raddr, config); err != nil {
			return nil, d.opError(raddr, err)
		}
		own = true
	}
	c, err := e.dial(ctx, raddr, config, d.host, d.Rendezvous, nil)
	if own {
		e.release()
	}
	if err != nil {
		return nil, d.opError(raddr, err)
	}
	return c, nil
}

func loopbackOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return loopback4
	}
	return netip.IPv6Loopback()
}

// open makes the socket of one dial, connected where that is possible: then a
// refusal becomes an error at once.
func (d *Dialer) open(ctx context.Context, network string, laddr, raddr netip.AddrPort, config *Config) (*Endpoint, error) {
	family, err := udpNetwork(network)
	if err != nil {
		return nil, err
	}
	options := config.Endpoint.socketOptions(nil, d.ControlContext)
	var sock udpio.Socket
	if d.Rendezvous {
		sock, err = udpio.Listen(ctx, family, laddr, options)
	} else {
		sock, err = udpio.Connect(ctx, family, laddr, raddr, options)
	}
	if err != nil {
		return nil, unwrapOp(err)
	}
	e := startEndpoint(sock, true, config.Endpoint)
	if !e.lease.Lends() {
		e.lease.Start() // else the dial itself reads
	}
	e.mu.Lock()
	e.dialing++
	e.mu.Unlock()
	return e, nil
}

// release undoes what keeps an owned endpoint open during a dial.
func (e *Endpoint) release() {
	e.mu.Lock()
	e.dialing--
	e.mu.Unlock()
	e.closeIfIdle()
}

// DialContext is the function DialContext, from the endpoint's port.
func (e *Endpoint) DialContext(ctx context.Context, network, address string, config *Config) (*Conn, error) {
	return (&Dialer{Endpoint: e, Config: config}).dial(ctx, network, address)
}

// dial makes one connection, for owner unless that is nil.
func (e *Endpoint) dial(ctx context.Context, raddr netip.AddrPort, config *Config, host string, rendezvous bool, owner *PacketConn) (*Conn, error) {
	if config.Security.on() {
		if c, err := e.dialProtected(ctx, raddr, config, host, rendezvous, owner); c != nil || err != nil {
			return c, err
		}
		e.event(time.Now(), eventPlain, raddr)
	}
	local := e.localFor(raddr)
	d, err := e.draft(config, local, raddr, rendezvous)
	if err != nil {
		return nil, err
	}
	d.packets = owner
	var c *Conn
	if rendezvous {
		c = newConn(&d.connParams, proto.NewRendezvous(time.Now(), &d.core), nil)
		if !e.demux.meet(c) {
			return nil, configError("a rendezvous with %v is under way or connected already", raddr)
		}
	} else {
		c = newConn(&d.connParams, proto.NewClient(time.Now(), &d.core), nil)
		e.demux.add(c)
		e.sock.NotifyRefused(true)
		defer e.sock.NotifyRefused(false)
	}
	return c, c.awaitOpen(ctx)
}

// awaitOpen runs the handshake and waits for its end.
func (c *Conn) awaitOpen(ctx context.Context) error {
	defer c.wakeWith(ctx)()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settleLocked(time.Now(), effortWait)
	for {
		switch {
		case c.end.opened:
			return nil
		case c.core.Ended():
			c.end.closed = true
			err := fromCore(c.core.Err())
			c.freeLocked()
			if errors.Is(err, net.ErrClosed) || ctx.Err() == nil {
				return err
			}
			return contextError(ctx.Err())
		case ctx.Err() != nil:
			c.end.closed = true
			now := time.Now()
			c.core.Abandon(now)
			c.settleLocked(now, effortLoop)
			return contextError(ctx.Err())
		}
		c.awaitLocked(&c.end.progress)
	}
}

// localFor returns the local address of a connection to raddr: that of the
// socket, or, for a wildcard socket of the system, the one that routing chooses.
func (e *Endpoint) localFor(raddr netip.AddrPort) netip.AddrPort {
	local := e.sock.LocalAddr()
	if concrete(local) {
		return local
	}
	if _, err := e.sock.SyscallConn(); err == nil {
		if probe, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(raddr)); err == nil {
			defer probe.Close()
			if a, ok := probe.LocalAddr().(*net.UDPAddr); ok {
				return netip.AddrPortFrom(a.AddrPort().Addr().Unmap().WithZone(""), local.Port())
			}
		}
	}
	return local
}

// contextError is the error of a dial whose context has ended: a timeout for a
// deadline, which is also the context's error.
func contextError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return dialTimeout
	}
	return err
}

var dialTimeout error = &cause{
	text: "i/o timeout", timeout: true, is: []error{context.DeadlineExceeded, errTimeout, syscall.ETIMEDOUT},
}

func (d *Dialer) opError(raddr netip.AddrPort, err error) error {
	var source, addr net.Addr
	if d.LocalAddr != nil {
		source = d.LocalAddr
	} else if d.Endpoint != nil {
		source = d.Endpoint.LocalAddr()
	}
	if raddr.IsValid() {
		addr = net.UDPAddrFromAddrPort(raddr)
	}
	return opError("dial", source, addr, err)
}
