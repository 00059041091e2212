package nettest

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/nettest/testkit"
)

// relayPatience bounds waits that end early unless the test fails.
const relayPatience = 20 * time.Second

func listenRelayPeer(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := listenRelay("")
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetReadDeadline(time.Now().Add(relayPatience)))
	return c
}

// newRelay starts a relay to target.
func newRelay(t *testing.T, target net.Addr, c RelayConfig) *Relay {
	t.Helper()
	c.Target = target.String()
	r, err := NewRelay(c)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func sendString(t *testing.T, c *net.UDPConn, s string, to net.Addr) {
	t.Helper()
	_, err := c.WriteTo([]byte(s), to)
	require.NoError(t, err)
}

// receiveString returns the next datagram and where it came from.
func receiveString(t *testing.T, c *net.UDPConn) (string, net.Addr) {
	t.Helper()
	buf := make([]byte, relayBuffer)
	n, from, err := c.ReadFrom(buf)
	require.NoError(t, err)
	return string(buf[:n]), from
}

func TestRelayGivesEachClientItsOwnAddress(t *testing.T) {
	target, first, second := listenRelayPeer(t), listenRelayPeer(t), listenRelayPeer(t)
	r := newRelay(t, target.LocalAddr(), RelayConfig{})
	seen := map[string]bool{}
	for _, c := range []*net.UDPConn{first, second, first} {
		sendString(t, c, "ping", r.Addr())
		s, from := receiveString(t, target)
		require.Equal(t, "ping", s)
		seen[from.String()] = true

		sendString(t, target, "pong", from)
		s, from = receiveString(t, c)
		require.Equal(t, "pong", s)
		require.Equal(t, r.Addr().String(), from.String())
	}
	require.Len(t, seen, 2)
	st := r.Stats()
	require.Equal(t, 2, st.Clients)
	require.Equal(t, uint64(3), st.Up.Delivered)
	require.Equal(t, uint64(12), st.Down.DeliveredBytes)
}

func TestRelayHoldsDatagramsForTheDelay(t *testing.T) {
	target, c := listenRelayPeer(t), listenRelayPeer(t)
	const delay = 20 * time.Millisecond
	r := newRelay(t, target.LocalAddr(), RelayConfig{Up: simnet.Link{Delay: delay, Jitter: delay}})
	start := time.Now()
	for _, s := range []string{"a", "b", "c"} {
		sendString(t, c, s, r.Addr())
	}
	for _, want := range []string{"a", "b", "c"} {
		s, _ := receiveString(t, target)
		require.Equal(t, want, s)
	}
	// A bound from below holds on any machine.
	require.GreaterOrEqual(t, time.Since(start), delay)
}

func TestRelayImpairs(t *testing.T) {
	target, c := listenRelayPeer(t), listenRelayPeer(t)
	r := newRelay(t, target.LocalAddr(), RelayConfig{Up: simnet.Link{Down: true}})
	sendString(t, c, "lost", r.Addr())
	require.Eventually(t, func() bool { return r.Stats().Up.Down == 1 }, relayPatience, time.Millisecond)

	r.SetUp(simnet.Link{Duplicate: 1, Corrupt: 1})
	sendString(t, c, "\x00", r.Addr())
	for range 2 {
		s, _ := receiveString(t, target)
		require.Len(t, s, 1)
		require.NotEqual(t, "\x00", s)
	}

	r.SetUp(simnet.Link{})
	r.SetDown(simnet.Link{MTU: simnet.Overhead + 3})
	sendString(t, c, "hello", r.Addr())
	s, from := receiveString(t, target)
	require.Equal(t, "hello", s)
	sendString(t, target, "long", from)
	sendString(t, target, "fit", from)
	s, _ = receiveString(t, c)
	require.Equal(t, "fit", s)
	require.Equal(t, uint64(1), r.Stats().Down.MTUDrops)
}

func TestRelayForgetsTheClientThatWasIdleForLongest(t *testing.T) {
	target, a, b, c := listenRelayPeer(t), listenRelayPeer(t), listenRelayPeer(t), listenRelayPeer(t)
	r := newRelay(t, target.LocalAddr(), RelayConfig{Clients: 2})
	ask := func(client *net.UDPConn) net.Addr {
		sendString(t, client, "x", r.Addr())
		_, from := receiveString(t, target)
		return from
	}
	addrA := ask(a)
	addrB := ask(b)
	require.Equal(t, addrA, ask(a))
	ask(c) // takes the place of b
	require.Equal(t, addrA, ask(a))
	require.Equal(t, uint64(1), r.Stats().Evicted)
	require.NotEqual(t, addrB, ask(b), "b has a new socket, and now c is out")
	require.Equal(t, RelayStats{Clients: 2, Evicted: 2}, RelayStats{Clients: r.Stats().Clients, Evicted: r.Stats().Evicted})
}

func TestRelayIgnoresThatNobodyListens(t *testing.T) {
	addr, c := net.UDPAddrFromAddrPort(testkit.UnusedPort(t)), listenRelayPeer(t)
	r := newRelay(t, addr, RelayConfig{})
	for range 3 { // each is answered with an ICMP message
		sendString(t, c, "x", r.Addr())
	}
	require.Eventually(t, func() bool { return r.Stats().Up.Delivered == 3 }, relayPatience, time.Millisecond)

	target, err := listenRelay(addr.String())
	require.NoError(t, err)
	defer target.Close()
	// The write after an ICMP message fails instead of sending.
	received := make(chan net.Addr, 1)
	go func() {
		_, from, _ := target.ReadFrom(make([]byte, 10))
		received <- from
	}()
	var from net.Addr
	require.Eventually(t, func() bool {
		c.WriteTo([]byte("x"), r.Addr())
		select {
		case from = <-received:
			return true
		default:
			return false
		}
	}, relayPatience, time.Millisecond)
	sendString(t, target, "back", from)
	s, _ := receiveString(t, c)
	require.Equal(t, "back", s)
}

func TestRelayCarriesABurstInOrder(t *testing.T) {
	target, c := listenRelayPeer(t), listenRelayPeer(t)
	r := newRelay(t, target.LocalAddr(), RelayConfig{Up: simnet.Link{Rate: 500e6, Delay: time.Millisecond}})
	const count = 50 // little enough for the smallest socket buffers
	for i := range count {
		sendString(t, c, string(append(make([]byte, 1400), byte(i))), r.Addr())
	}
	for i := range count {
		s, _ := receiveString(t, target)
		require.Len(t, s, 1401)
		require.Equal(t, byte(i), s[1400])
	}
}

func TestRelayErrorsAndClose(t *testing.T) {
	_, err := NewRelay(RelayConfig{Target: "nonsense"})
	require.Error(t, err)
	_, err = NewRelay(RelayConfig{Listen: "nonsense", Target: "127.0.0.1:1"})
	require.Error(t, err)

	target, c := listenRelayPeer(t), listenRelayPeer(t)
	r := newRelay(t, target.LocalAddr(), RelayConfig{Up: simnet.Link{Delay: time.Hour}})
	sendString(t, c, "never", r.Addr())
	require.Eventually(t, func() bool { return r.Stats().Up.Sent == 1 }, relayPatience, time.Millisecond)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	require.Zero(t, r.Stats().Up.Delivered)
}

func TestLaneIsBounded(t *testing.T) {
	l := newLane(simnet.Link{Rate: 1}, 1, 1)
	l.bytes = laneLimit - 10
	l.offer(make([]byte, 10), laneOutlet{})
	l.offer(make([]byte, 1), laneOutlet{})
	require.Equal(t, uint64(1), l.stats().Overflow)
	require.Equal(t, 1, l.line.Len())
}

func TestPairRelayConnectsTwoPeersThatLearnEachOther(t *testing.T) {
	r, err := NewPairRelay(PairRelayConfig{})
	require.NoError(t, err)
	defer r.Close()
	a, b := listenRelayPeer(t), listenRelayPeer(t)

	sendString(t, a, "early", r.AddrA())
	require.Eventually(t, func() bool { return r.Stats().AtoB.NoPort == 1 }, relayPatience, time.Millisecond)

	sendString(t, b, "to a", r.AddrB())
	s, from := receiveString(t, a)
	require.Equal(t, "to a", s)
	require.Equal(t, r.AddrA().String(), from.String(), "A knows B by the address that it sends to")

	sendString(t, a, "to b", r.AddrA())
	s, from = receiveString(t, b)
	require.Equal(t, "to b", s)
	require.Equal(t, r.AddrB().String(), from.String())
}

func TestPairRelayWithFixedPeersIgnoresOthers(t *testing.T) {
	a, b, stranger := listenRelayPeer(t), listenRelayPeer(t), listenRelayPeer(t)
	r, err := NewPairRelay(PairRelayConfig{PeerA: a.LocalAddr().String(), PeerB: b.LocalAddr().String()})
	require.NoError(t, err)
	defer r.Close()
	sendString(t, stranger, "no", r.AddrA())
	sendString(t, a, "yes", r.AddrA())
	s, _ := receiveString(t, b)
	require.Equal(t, "yes", s)
	require.Equal(t, uint64(1), r.Stats().AtoB.Sent)
}

func TestPairRelayLinksAndErrors(t *testing.T) {
	for _, bad := range []PairRelayConfig{{PeerA: "bad"}, {PeerB: "bad"}, {ListenA: "bad"}, {ListenB: "bad"}} {
		_, err := NewPairRelay(bad)
		require.Error(t, err)
	}
	a, b := listenRelayPeer(t), listenRelayPeer(t)
	r, err := NewPairRelay(PairRelayConfig{PeerA: a.LocalAddr().String(), PeerB: b.LocalAddr().String()})
	require.NoError(t, err)
	r.SetAtoB(simnet.Link{Down: true})
	r.SetBtoA(simnet.Link{Duplicate: 1})
	sendString(t, a, "x", r.AddrA())
	sendString(t, b, "y", r.AddrB())
	for range 2 {
		s, _ := receiveString(t, a)
		require.Equal(t, "y", s)
	}
	require.Eventually(t, func() bool { return r.Stats().AtoB.Down == 1 }, relayPatience, time.Millisecond)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
}
