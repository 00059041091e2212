package nettest

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/udtgo/udtgo/nettest/simnet"
)

// PairRelayConfig configures a [PairRelay].
type PairRelayConfig struct {
	// ListenA is the UDP address that peer A sends to and hears from,
	// ListenB the same for peer B. Empty is "127.0.0.1:0".
	ListenA, ListenB string

	// PeerA is the UDP address of peer A; what comes from elsewhere to
	// ListenA is ignored. If it is empty, peer A is whoever sent the last
	// datagram to ListenA, and is sent nothing before that. PeerB is the
	// same for peer B.
	PeerA, PeerB string

	// AtoB is what happens to datagrams from peer A to peer B.
	AtoB, BtoA simnet.Link

	// Seed is for the random choices of the links.
	Seed uint64
}

// A PairRelay forwards between two peers and impairs what it forwards. Each
// peer takes the relay's address on its side for the other peer, and neither
// has to come first. Its methods may be called concurrently.
//
// Timing is as for a [Relay].
type PairRelay struct {
	a, b       *pairSide
	aToB, bToA *lane
	once       sync.Once // Close
	wg         sync.WaitGroup
}

// pairSide is a peer and the socket that it knows.
type pairSide struct {
	conn *net.UDPConn
	peer atomic.Pointer[netip.AddrPort] // nil is not known yet
	set  bool                           // peer does not change
}

// PairRelayStats counts what went through a [PairRelay]. What counts as
// delivered was handed to a socket.
type PairRelayStats struct {
	AtoB, BtoA simnet.Stats
}

// NewPairRelay starts a relay. The caller closes it.
func NewPairRelay(c PairRelayConfig) (*PairRelay, error) {
	a, err := newPairSide(c.ListenA, c.PeerA)
	if err != nil {
		return nil, err
	}
	b, err := newPairSide(c.ListenB, c.PeerB)
	if err != nil {
		a.conn.Close()
		return nil, err
	}
	r := &PairRelay{
		a:    a,
		b:    b,
		aToB: newLane(c.AtoB, c.Seed, 0),
		bToA: newLane(c.BtoA, c.Seed, 1),
	}
	r.wg.Go(r.aToB.run)
	r.wg.Go(r.bToA.run)
	r.wg.Go(func() { forwardPair(r.a, r.b, r.aToB) })
	r.wg.Go(func() { forwardPair(r.b, r.a, r.bToA) })
	return r, nil
}

func newPairSide(listen, peer string) (*pairSide, error) {
	s := new(pairSide)
	if peer != "" {
		a, err := net.ResolveUDPAddr("udp", peer)
		if err != nil {
			return nil, err
		}
		addr := unmapAddrPort(a.AddrPort())
		s.peer.Store(&addr)
		s.set = true
	}
	conn, err := listenRelay(listen)
	if err != nil {
		return nil, err
	}
	s.conn = conn
	return s, nil
}

// AddrA returns the address for peer A, a [*net.UDPAddr].
func (r *PairRelay) AddrA() net.Addr { return r.a.conn.LocalAddr() }

// AddrB returns the address for peer B, a [*net.UDPAddr].
func (r *PairRelay) AddrB() net.Addr { return r.b.conn.LocalAddr() }

// SetAtoB changes the link to peer B for datagrams that come from now on.
func (r *PairRelay) SetAtoB(l simnet.Link) { r.aToB.setLink(l) }

// SetBtoA changes the link to peer A for datagrams that come from now on.
func (r *PairRelay) SetBtoA(l simnet.Link) { r.bToA.setLink(l) }

// Stats returns the counts so far.
func (r *PairRelay) Stats() PairRelayStats {
	return PairRelayStats{AtoB: r.aToB.stats(), BtoA: r.bToA.stats()}
}

// Close closes both sockets, drops what is on the way and returns when all
// goroutines of the relay have ended. Closing again does nothing. It never fails.
func (r *PairRelay) Close() error {
	r.once.Do(func() {
		r.aToB.close()
		r.bToA.close()
		r.a.conn.Close()
		r.b.conn.Close()
	})
	r.wg.Wait()
	return nil
}

// forwardPair carries what one peer sends to the other.
func forwardPair(from, to *pairSide, l *lane) {
	buf := make([]byte, relayBuffer)
	for {
		n, source, ok := readDatagram(from.conn, buf)
		if !ok {
			return
		}
		if !from.accept(source) {
			continue
		}
		if peer := to.peer.Load(); peer != nil {
			l.offer(buf[:n], laneOutlet{conn: to.conn, to: *peer})
		} else {
			l.nobody(n)
		}
	}
}

// accept reports whether a datagram from source is the peer's, and learns the
// peer's address.
func (s *pairSide) accept(source netip.AddrPort) bool {
	peer := s.peer.Load()
	if peer != nil && *peer == source {
		return true
	}
	if s.set {
		return false
	}
	s.peer.Store(&source)
	return true
}
