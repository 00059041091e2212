package nettest

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/udtgo/udtgo/nettest/simnet"
)

// RelayConfig configures a [Relay].
type RelayConfig struct {
	// Listen is the UDP address for clients. Empty is "127.0.0.1:0".
	Listen string

	// Target is the UDP address of the server.
	Target string

	// Up is what happens to datagrams from clients to the target, Down to
	// those the other way. All clients share the two links.
	Up, Down simnet.Link

	// Seed is for the random choices of the links.
	Seed uint64

	// Clients is how many client addresses are remembered. One more takes
	// the place of the client that was idle for longest. Zero or negative
	// is 1024.
	Clients int
}

const defaultClients = 1024

// A Relay is a UDP proxy that impairs what it forwards. Each client address
// gets a socket of its own towards the target, so the target sees as many
// peers as there are. Its methods may be called concurrently.
//
// Timing has the precision of the runtime's timers, about a millisecond:
// datagrams that are due by then go out together.
type Relay struct {
	target *net.UDPAddr
	front  *net.UDPConn // where clients send to
	limit  int          // number of clients
	up     *lane
	down   *lane
	wg     sync.WaitGroup

	mu      sync.Mutex
	clients map[netip.AddrPort]*relayClient
	evicted uint64
	closed  bool
}

// relayClient is a client address and the socket that stands for it.
type relayClient struct {
	addr netip.AddrPort
	back *net.UDPConn // connected to the target
	last atomic.Int64 // when it was last heard of, in nanoseconds since the relay's start
}

// RelayStats counts what went through a [Relay].
type RelayStats struct {
	// Up and Down are the two links. What counts as delivered was handed
	// to a socket.
	Up, Down simnet.Stats

	Clients int    // client addresses at present
	Evicted uint64 // client addresses that had to make room for others
}

// NewRelay starts a relay. The caller closes it.
func NewRelay(c RelayConfig) (*Relay, error) {
	target, err := net.ResolveUDPAddr("udp", c.Target)
	if err != nil {
		return nil, err
	}
	front, err := listenRelay(c.Listen)
	if err != nil {
		return nil, err
	}
	if c.Clients <= 0 {
		c.Clients = defaultClients
	}
	r := &Relay{
		target:  target,
		front:   front,
		limit:   c.Clients,
		up:      newLane(c.Up, c.Seed, 0),
		down:    newLane(c.Down, c.Seed, 1),
		clients: make(map[netip.AddrPort]*relayClient),
	}
	r.wg.Go(r.up.run)
	r.wg.Go(r.down.run)
	r.wg.Go(r.readClients)
	return r, nil
}

// Addr returns the address for clients, a [*net.UDPAddr].
func (r *Relay) Addr() net.Addr { return r.front.LocalAddr() }

// SetUp changes the link to the target for datagrams that come from now on.
func (r *Relay) SetUp(l simnet.Link) { r.up.setLink(l) }

// SetDown changes the link to the clients for datagrams that come from now on.
func (r *Relay) SetDown(l simnet.Link) { r.down.setLink(l) }

// Stats returns the counts so far.
func (r *Relay) Stats() RelayStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return RelayStats{Up: r.up.stats(), Down: r.down.stats(), Clients: len(r.clients), Evicted: r.evicted}
}

// Close closes all sockets, drops what is on the way and returns when all
// goroutines of the relay have ended. Closing again does nothing. It never fails.
func (r *Relay) Close() error {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		r.up.close()
		r.down.close()
		r.front.Close()
		for _, c := range r.clients {
			c.back.Close()
		}
	}
	r.mu.Unlock()
	r.wg.Wait()
	return nil
}

// readClients forwards what clients send.
func (r *Relay) readClients() {
	buf := make([]byte, relayBuffer)
	var c *relayClient // of the last datagram: most come in runs
	for {
		n, from, ok := readDatagram(r.front, buf)
		if !ok {
			return
		}
		if c == nil || c.addr != from || c.gone() {
			if c = r.client(from); c == nil {
				continue
			}
		}
		c.heard(r.up.now())
		r.up.offer(buf[:n], laneOutlet{conn: c.back})
	}
}

// readTarget forwards what the target sends to a client.
func (r *Relay) readTarget(c *relayClient) {
	buf := make([]byte, relayBuffer)
	for {
		n, _, ok := readDatagram(c.back, buf)
		if !ok {
			return
		}
		c.heard(r.up.now())
		r.down.offer(buf[:n], laneOutlet{conn: r.front, to: c.addr})
	}
}

// relayClientGone is where last stands for a client that was evicted.
const relayClientGone = -1

func (c *relayClient) gone() bool { return c.last.Load() == relayClientGone }

// heard notes that the client is in use, unless it was evicted.
func (c *relayClient) heard(now time.Duration) {
	if last := c.last.Load(); last != relayClientGone {
		c.last.CompareAndSwap(last, int64(now))
	}
}

// client returns the client at addr, which it makes if needed; it is nil if
// there is no socket for it. Only readClients calls it.
func (r *Relay) client(addr netip.AddrPort) *relayClient {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	if c := r.clients[addr]; c != nil {
		return c
	}
	if len(r.clients) >= r.limit {
		r.evictLocked()
	}
	back, err := net.DialUDP("udp", nil, r.target)
	if err != nil {
		return nil // as if the datagram was lost; the next one tries again
	}
	setBuffers(back)
	c := &relayClient{addr: addr, back: back}
	c.heard(r.up.now())
	r.clients[addr] = c
	r.wg.Go(func() { r.readTarget(c) })
	return c
}

// evictLocked closes the client that was idle for longest.
func (r *Relay) evictLocked() {
	var oldest *relayClient
	for _, c := range r.clients {
		if oldest == nil || c.last.Load() < oldest.last.Load() {
			oldest = c
		}
	}
	oldest.last.Store(relayClientGone)
	oldest.back.Close()
	delete(r.clients, oldest.addr)
	r.evicted++
}

const (
	// relayBuffer is more than the largest payload, in bytes.
	relayBuffer = 1 << 16

	// socketBuffer is asked for in both directions: a millisecond at
	// 10 Gbit/s is over a megabyte, and the kernel may count double.
	socketBuffer = 8 << 20
)

func listenRelay(addr string) (*net.UDPConn, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", a)
	if err != nil {
		return nil, err
	}
	setBuffers(conn)
	return conn, nil
}

// setBuffers asks for large buffers; systems give what their limits allow.
func setBuffers(conn *net.UDPConn) {
	conn.SetReadBuffer(socketBuffer)
	conn.SetWriteBuffer(socketBuffer)
}

// readDatagram waits for a datagram; ok is false once conn is closed. All
// other errors are of single datagrams, such as an ICMP message that says that
// nobody listens at the other end, and a network does not end because of them.
func readDatagram(conn *net.UDPConn, buf []byte) (n int, from netip.AddrPort, ok bool) {
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err == nil {
			return n, unmapAddrPort(from), true
		}
		if errors.Is(err, net.ErrClosed) {
			return 0, netip.AddrPort{}, false
		}
	}
}

// unmapAddrPort makes addresses comparable, whatever the family of the socket.
func unmapAddrPort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
