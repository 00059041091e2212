package simnet

import (
	"hash/fnv"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Config configures a [Network]. The zero Config is a perfect network.
type Config struct {
	// Seed is for all random choices.
	Seed uint64

	// Default is the link between hosts for which [Network.SetLink] was
	// not called, in each direction.
	Default Link

	// RecvBuffer is the size of a Conn's receive buffer in bytes, each
	// datagram counted with [Overhead]. Zero is 4 MiB, negative is none:
	// nothing arrives. See also [Conn.SetRecvBuffer].
	RecvBuffer int

	// Log is how many of the last datagrams [Network.Log] remembers.
	// Zero or negative is none.
	Log int

	// Filter sees every datagram before its link does; see [Filter].
	// Nil passes all.
	Filter Filter
}

// A Filter looks at a datagram that is being sent and decides whether it goes
// on ([Pass]) or not ([Drop]). It must not keep or change b. It is called with
// the network locked and must not call methods of the Network or its Conns.
type Filter func(b []byte, from, to netip.AddrPort) Verdict

const (
	defaultRecvBuffer = 4 << 20

	// firstPort is where the search for a free port starts: the first of
	// the ports that IANA does not assign.
	firstPort = 49152
)

// A Network connects Conns. See the package comment.
type Network struct {
	start      time.Time // set before use, as are the next two
	seed       uint64
	recvBuffer int

	mu       sync.Mutex // locked before Conn.mu
	filter   Filter
	fallback Link // the default
	paths    map[hosts]*path
	conns    map[netip.AddrPort]*Conn
	nextPort uint16
	log      log
	closed   bool

	line  Timeline[*datagram] // what is on the way
	timer *time.Timer         // calls deliver; nil until needed
	armed bool                // the timer is set, to due
	due   time.Duration
}

// hosts is the key of a path: an ordered pair of addresses.
type hosts struct{ from, to netip.Addr }

// A path is one direction between two hosts.
type path struct {
	*Shaper
	set bool // by SetLink: does not follow the default
}

// A datagram is on the way or in a receive buffer. It is plain memory and
// comes from a pool.
type datagram struct {
	buf      []byte
	from, to netip.AddrPort
	path     *path
}

var datagrams = sync.Pool{New: func() any { return &datagram{buf: make([]byte, 0, 1536)} }}

func (d *datagram) free() {
	d.path = nil
	datagrams.Put(d)
}

// New returns a network without hosts.
func New(c Config) *Network {
	switch {
	case c.RecvBuffer == 0:
		c.RecvBuffer = defaultRecvBuffer
	case c.RecvBuffer < 0:
		c.RecvBuffer = 0
	}
	return &Network{
		start:      time.Now(),
		seed:       c.Seed,
		recvBuffer: c.RecvBuffer,
		filter:     c.Filter,
		fallback:   c.Default,
		paths:      make(map[hosts]*path),
		conns:      make(map[netip.AddrPort]*Conn),
		nextPort:   firstPort,
		log:        newLog(c.Log),
	}
}

// Listen returns a Conn at addr. The address must be that of one host, not
// unspecified; there may be many ports at an address. Port zero picks a free
// one. An IPv4 address in IPv6 form is the same as the IPv4 address.
// The error is a [*net.OpError].
func (n *Network) Listen(addr netip.AddrPort) (*Conn, error) {
	addr = unmap(addr)
	fail := func(err error) (*Conn, error) {
		return nil, &net.OpError{Op: "listen", Net: "udp", Addr: net.UDPAddrFromAddrPort(addr), Err: err}
	}
	if !addr.Addr().IsValid() || addr.Addr().IsUnspecified() {
		return fail(os.NewSyscallError("bind", syscall.EADDRNOTAVAIL))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return fail(net.ErrClosed)
	}
	if addr.Port() == 0 {
		addr = n.freePortLocked(addr.Addr())
	}
	if _, used := n.conns[addr]; used || addr.Port() == 0 {
		return fail(os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	c := newConn(n, addr, n.recvBuffer)
	n.conns[addr] = c
	return c, nil
}

// freePortLocked returns a free port at host; its number is zero if there is none.
func (n *Network) freePortLocked(host netip.Addr) netip.AddrPort {
	for range 1<<16 - firstPort {
		addr := netip.AddrPortFrom(host, n.nextPort)
		if n.nextPort++; n.nextPort == 0 {
			n.nextPort = firstPort
		}
		if _, used := n.conns[addr]; !used {
			return addr
		}
	}
	return netip.AddrPortFrom(host, 0)
}

// SetLink sets what happens to datagrams from one host to another; the other
// direction has a Link of its own. It may be called at any time.
func (n *Network) SetLink(from, to netip.Addr, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.pathLocked(from.Unmap(), to.Unmap())
	p.set = true
	p.SetLink(l)
}

// SetDefault changes the link between hosts for which SetLink was not called.
// It may be called at any time.
func (n *Network) SetDefault(l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fallback = l
	for _, p := range n.paths {
		if !p.set {
			p.SetLink(l)
		}
	}
}

// SetFilter replaces the filter; nil passes all.
func (n *Network) SetFilter(f Filter) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.filter = f
}

// Inject sends a datagram on the link between the two hosts as if from had
// sent it, whether or not there is such a Conn. It does not keep b.
func (n *Network) Inject(b []byte, from, to netip.AddrPort) {
	from, to = unmap(from), unmap(to)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sendLocked(b, from, to, n.pathLocked(from.Addr(), to.Addr()))
}

// Stats returns the counts of all links together.
func (n *Network) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Since(n.start)
	var sum Stats
	for _, p := range n.paths {
		sum.add(p.Stats(now))
	}
	return sum
}

// LinkStats returns the counts of one direction between two hosts.
func (n *Network) LinkStats(from, to netip.Addr) Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pathLocked(from.Unmap(), to.Unmap()).Stats(time.Since(n.start))
}

// Close closes all Conns, drops what is on the way and stops the timer.
// Closing again does nothing. It never fails.
func (n *Network) Close() error {
	n.mu.Lock()
	n.closed = true
	if n.timer != nil {
		n.timer.Stop()
	}
	n.line = Timeline[*datagram]{}
	conns := make([]*Conn, 0, len(n.conns))
	for _, c := range n.conns {
		conns = append(conns, c)
	}
	n.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
	return nil
}

// pathLocked returns the path between two hosts, which it makes if needed.
func (n *Network) pathLocked(from, to netip.Addr) *path {
	key := hosts{from, to}
	p := n.paths[key]
	if p == nil {
		// The stream depends on the addresses only, not on the order in
		// which paths are first used.
		h := fnv.New64a()
		h.Write([]byte(from.String() + ">" + to.String()))
		p = &path{Shaper: NewShaper(n.fallback, n.seed, h.Sum64())}
		n.paths[key] = p
	}
	return p
}

// remove forgets a closed Conn.
func (n *Network) remove(c *Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conns[c.addr] == c {
		delete(n.conns, c.addr)
	}
}

// unmap makes addresses comparable.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
