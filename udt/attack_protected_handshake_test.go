package udt_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/nettest/testkit"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/secure"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Where fields are in a handshake datagram.
const (
	atType, atNumber, atMSS, atWindow = wire.HeaderLen + 4, wire.HeaderLen + 8, wire.HeaderLen + 12, wire.HeaderLen + 16
	atID, atCookie, atPeerIP          = wire.HeaderLen + 24, wire.HeaderLen + 28, wire.HeaderLen + 32
	atToken, atNonce                  = wire.SecureOffset + 8, wire.SecureOffset + 16
)

func keyPair(seed byte) (ed25519.PrivateKey, ed25519.PublicKey) {
	k := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
	return k, k.Public().(ed25519.PublicKey)
}

// A22: whoever has the wrong credential, or none, is refused within a round trip of
// when it is seen, both sides learn who refused what, and no byte of the application
// was sent.
func TestA22WrongCredentials(t *testing.T) {
	const rtt = 20 * time.Millisecond
	shared := func(identity string, b byte) *udt.Security {
		return &udt.Security{PSKs: []udt.PreSharedKey{{Identity: identity, Key: bytes.Repeat([]byte{b}, 32)}}}
	}
	k1, p1 := keyPair(1)
	k2, p2 := keyPair(2)
	k3, p3 := keyPair(3)
	pinned := func(own ed25519.PrivateKey, peers ...ed25519.PublicKey) *udt.Security {
		return &udt.Security{Pinned: &udt.PinnedKeys{Own: own, Peers: peers}}
	}
	type attempt struct {
		name           string
		server, client func(p, other *testkit.Authority) *udt.Security
		late           bool // the server refuses, when the client thinks that it is done
	}
	fixed := func(s *udt.Security) func(p, other *testkit.Authority) *udt.Security {
		return func(_, _ *testkit.Authority) *udt.Security { return s }
	}
	server := func(name string, life time.Duration, ask bool) func(p, other *testkit.Authority) *udt.Security {
		return func(p, _ *testkit.Authority) *udt.Security {
			c := &tls.Config{Certificates: []tls.Certificate{p.Issue(name, time.Now().Add(life), nil)}, ClientCAs: p.Pool()}
			if ask {
				c.ClientAuth = tls.RequireAndVerifyClientCert
			}
			return &udt.Security{TLS: c}
		}
	}
	client := func(p, _ *testkit.Authority) *udt.Security {
		return &udt.Security{TLS: &tls.Config{RootCAs: p.Pool(), ServerName: "server"}}
	}
	attempts := []attempt{
		{"wrong key", fixed(shared("a", 1)), fixed(shared("a", 2)), false},
		{"unknown identity", fixed(shared("a", 1)), fixed(shared("b", 1)), false},
		{"server's key not pinned", fixed(pinned(k1, p2)), fixed(pinned(k2, p3)), false},
		{"client's key not pinned", fixed(pinned(k1, p2)), fixed(pinned(k3, p1)), true},
		{"expired certificate", server("server", -time.Minute, false), client, false},
		{"wrong name", server("another", time.Hour, false), client, false},
		{"unknown authority", server("server", time.Hour, false), func(_, other *testkit.Authority) *udt.Security {
			return &udt.Security{TLS: &tls.Config{RootCAs: other.Pool(), ServerName: "server"}}
		}, false},
		{"no client certificate", server("server", time.Hour, true), client, true},
		{"client certificate of another authority", server("server", time.Hour, true), func(p, other *testkit.Authority) *udt.Security {
			return &udt.Security{TLS: &tls.Config{RootCAs: p.Pool(), ServerName: "server", Certificates: []tls.Certificate{other.Issue("client", time.Now().Add(time.Hour), nil)}}}
		}, true},
		{"pre-shared key against pinned keys", fixed(pinned(k1, p2)), fixed(shared("a", 1)), false},
	}
	for _, a := range attempts {
		inLab(t, simnet.Link{Delay: rtt / 2}, func(l *lab) {
			p, other := testkit.NewAuthority(), testkit.NewAuthority()
			listener := l.listen(addrB, with(*a.server(p, other)))
			w := l.tap()
			e := l.endpoint(addrA)
			start := time.Now()
			c, err := e.DialContext(context.Background(), "udt", addrB.String(), with(*a.client(p, other)))
			if a.late && err == nil {
				_, err = c.Write([]byte("too early"))
				require.NoError(l, err)
				_, err = c.Read(make([]byte, 1))
				l.requireTook(start, 0, 3*rtt, a.name)
			} else {
				l.requireTook(start, 0, 2*rtt, a.name)
			}
			require.ErrorIs(l, err, udt.ErrAuth, a.name)
			settle()
			s := listener.Endpoint().Stats()
			require.Zero(l, s.Connections, a.name)
			require.Zero(l, s.HandshakesPending, a.name)
			require.EqualValues(l, 1, s.HandshakesFailed, a.name)
			require.EqualValues(l, 1, s.HandshakesUnauthorized, a.name)
			for _, p := range w.take() {
				require.False(l, bytes.Contains(p.b, []byte("too early")))
				if !a.late {
					require.True(l, wire.IsHandshake(p.b), a.name)
				}
			}
			row(t, "A22", a.name, "%v", errors.Unwrap(err))
		})
	}
}

// A23: a peer with a valid credential that VerifyPeer does not want is refused and
// counted, on either side, and is not told why; others go on while it thinks.
func TestA23RefusedByVerifyPeer(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		var asked atomic.Int32
		config := psk(udt.ModeStream)
		config.Security.VerifyPeer = func(tls.ConnectionState) error {
			asked.Add(1)
			return errors.New("the reason is nobody's business")
		}
		listener := l.listen(addrB, config)
		e := l.endpoint(addrA)
		const n = 10
		for range n {
			c, err := e.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
			if err == nil {
				_, err = c.Read(make([]byte, 1))
			}
			require.ErrorIs(l, err, udt.ErrAuth)
			require.NotContains(l, err.Error(), "business")
		}
		settle()
		s := listener.Endpoint().Stats()
		require.EqualValues(l, n, asked.Load())
		require.EqualValues(l, n, s.HandshakesFailed)
		require.EqualValues(l, n, s.HandshakesUnauthorized)
		require.Zero(l, s.Connections)
		// And a dialer that does not want the listener.
		l.listen(addrC, psk(udt.ModeStream))
		_, err := e.DialContext(context.Background(), "udt", addrC.String(), config)
		require.ErrorIs(l, err, udt.ErrAuth)
		row(t, "A23", fmt.Sprintf("%d valid credentials that VerifyPeer refuses", n), "%d refused and counted, no reason told", n)
	})
}

// An editor changes datagrams on their way.
func (l *lab) edit(change func(b []byte, from netip.AddrPort) []byte) *wiretap {
	w := l.tap()
	var mu sync.Mutex
	var own [][]byte // on their way for the second time
	w.set(func(p []byte, from, to netip.AddrPort) bool {
		mu.Lock()
		defer mu.Unlock()
		for i, b := range own {
			if bytes.Equal(b, p) {
				own = append(own[:i], own[i+1:]...)
				return false
			}
		}
		b := change(append([]byte(nil), p...), from)
		if bytes.Equal(b, p) {
			return false
		}
		if b != nil {
			own = append(own, b)
			go l.net.Inject(b, from, to)
		}
		return true
	})
	return w
}

// A32: an attacker who changes what travels in the clear, however consistently, makes
// the dial fail; nothing but handshakes is ever sent.
func TestA32Downgrade(t *testing.T) {
	u32 := func(b []byte, at int, v uint32) { binary.BigEndian.PutUint32(b[at:], v) }
	is := func(b []byte, r wire.Request) bool {
		h, ok := bodyOf(b)
		return ok && h.Request == r
	}
	both := func(at int, v uint32) func(b []byte, from netip.AddrPort) []byte {
		return func(b []byte, from netip.AddrPort) []byte {
			if from == addrA && wire.IsHandshake(b) {
				u32(b, at, v)
			}
			return b
		}
	}
	server := func(at int, v uint32) func(b []byte, from netip.AddrPort) []byte {
		return func(b []byte, from netip.AddrPort) []byte {
			if from == addrB && is(b, wire.RequestConclusion) {
				u32(b, at, v)
			}
			return b
		}
	}
	reply := func(f func(b []byte)) func(b []byte, from netip.AddrPort) []byte {
		return func(b []byte, from netip.AddrPort) []byte {
			if from == addrB && is(b, wire.RequestInduction) {
				f(b)
			}
			return b
		}
	}
	edits := []struct {
		name   string
		change func(b []byte, from netip.AddrPort) []byte
		want   error // nil: any, as the handshake just does not get on
	}{
		{"offer stripped", reply(func(b []byte) { clear(b[atPeerIP : atPeerIP+16]) }), udt.ErrPeerNotSecure},
		{"offer of another version", reply(func(b []byte) { b[atPeerIP+4] = 0x10 }), udt.ErrPeerNotSecure},
		{"offer without TLS", reply(func(b []byte) { b[atPeerIP+5] &^= wire.AdvertTLS }), udt.ErrPeerNotSecure},
		{"offer not required", reply(func(b []byte) { b[atPeerIP+5] &^= wire.AdvertRequired }), udt.ErrDowngrade},
		{"offer of lesser levels", reply(func(b []byte) { b[atPeerIP+5] |= wire.AdvertChecksum | wire.AdvertAuthOnly }), udt.ErrDowngrade},
		{"capabilities of the offer", reply(func(b []byte) { b[atPeerIP+7] ^= 1 }), udt.ErrDowngrade},
		{"token of the offer", reply(func(b []byte) { b[atPeerIP+8] ^= 1 }), nil},
		{"cookie", reply(func(b []byte) { b[atCookie] ^= 1 }), nil},
		{"client's MSS", both(atMSS, 600), udt.ErrDowngrade},
		{"client's window", both(atWindow, 2), udt.ErrDowngrade},
		{"client's number", both(atNumber, 4711), udt.ErrDowngrade},
		{"client's type", both(atType, uint32(wire.SocketMessage)), udt.ErrRefused},
		{"client's ID, there and back", func(b []byte, from netip.AddrPort) []byte {
			if from == addrA && wire.IsHandshake(b) {
				b[atID] ^= 1
			}
			if from == addrB && wire.IsHandshake(b) {
				b[12] ^= 1
				if is(b, wire.RequestInduction) {
					b[atID] ^= 1
				}
			}
			return b
		}, udt.ErrDowngrade},
		{"client's marker", both(4, 0), udt.ErrDowngrade},
		{"server's MSS", server(atMSS, 600), udt.ErrDowngrade},
		{"server's window", server(atWindow, 2), udt.ErrDowngrade},
		{"server's ID", server(atID, 4711), udt.ErrDowngrade},
		{"server's number", server(atNumber, 4711), udt.ErrDowngrade},
		{"server's type", server(atType, uint32(wire.SocketMessage)), udt.ErrDowngrade},
		{"server's marker", server(4, 0), udt.ErrDowngrade},
		{"exchange stripped of conclusions", func(b []byte, from netip.AddrPort) []byte {
			if wire.IsSecure(b) {
				return b[:wire.SecureOffset]
			}
			return b
		}, nil},
	}
	for _, edit := range edits {
		inLab(t, wan, func(l *lab) {
			listener := l.listen(addrB, psk(udt.ModeStream))
			w := l.edit(edit.change)
			c, err := l.endpoint(addrA).DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
			dialed := err == nil
			if dialed {
				// The server has seen it, and says so.
				_, err = c.Read(make([]byte, 1))
				c.Abort()
			}
			require.Error(l, err, edit.name)
			if edit.want != nil {
				require.ErrorIs(l, err, edit.want, edit.name)
			}
			time.Sleep(20 * time.Second)
			require.Zero(l, listener.Endpoint().Stats().Connections, edit.name)
			require.Zero(l, listener.Endpoint().Stats().HandshakesPending, edit.name)
			seen := w.take()
			for _, p := range seen {
				if !wire.IsHandshake(p.b) {
					require.True(l, dialed && len(p.b) >= 32, edit.name)
					require.NotContains(l, string(p.b), "\x00\x00\x00\x00", "sealed")
				}
				if errors.Is(err, udt.ErrPeerNotSecure) {
					require.False(l, p.from == addrA && !is(p.b, wire.RequestInduction), "nothing after the request")
				}
			}
		})
	}
	row(t, "A32", fmt.Sprintf("%d edits of what travels in the clear, policy Require", len(edits)), "0 connections, 0 packets in plain text but handshakes")
	// With Prefer the first of them succeeds: that is its meaning.
	inLab(t, wan, func(l *lab) {
		prefer := psk(udt.ModeStream)
		prefer.Security.Policy = udt.SecurityPrefer
		l.listen(addrB, prefer)
		l.edit(edits[0].change)
		c, err := l.endpoint(addrA).DialContext(context.Background(), "udt", addrB.String(), prefer)
		require.NoError(l, err)
		_, protected := c.ConnectionState()
		require.False(l, protected)
		row(t, "A32", "offer stripped, policy Prefer", "a plain connection, which ConnectionState tells (stated limit)")
	})
}

// firstFlight returns the datagrams with which a client begins its TLS handshake, for
// the given addresses, with whatever cookie and token.
func (l *lab) firstFlight(from, to netip.AddrPort) (flight [][]byte) {
	l.Helper()
	c := l.liarConfig(from, to, nil)
	key := liarPSK()
	var err error
	c.TLS, err = secure.PSKClient(&key, nil)
	require.NoError(l, err)
	m := secure.NewClient(time.Now(), c)
	defer m.Release()
	require.NotNil(l, m.Poll(time.Now(), nil))
	h := c.Own
	h.Version, h.Request, h.Cookie = wire.Version, wire.RequestInduction, 1
	a := wire.Advert{Version: wire.SecureVersion, Flags: wire.AdvertTLS | wire.AdvertRequired, Token: [8]byte{1}}
	h.PeerIP = a.Bytes()
	p := handshakePacket(&h)
	binary.BigEndian.PutUint32(p[12:], c.Own.SocketID)
	require.NoError(l, m.Handle(time.Now(), p))
	for b := m.Poll(time.Now(), nil); b != nil; b = m.Poll(time.Now(), nil) {
		flight = append(flight, append([]byte(nil), b...))
	}
	require.GreaterOrEqual(l, len(flight), 2, "it takes two datagrams")
	return flight
}

// put makes a copy of a datagram of a first flight with other values.
func put(b []byte, id, number, cookie uint32, token []byte) []byte {
	b = append([]byte(nil), b...)
	binary.BigEndian.PutUint32(b[atID:], id)
	binary.BigEndian.PutUint32(b[atNumber:], number)
	binary.BigEndian.PutUint32(b[atCookie:], cookie)
	copy(b[atToken:], token)
	return b
}

// A10, A12: a conclusion with a TLS handshake needs cookie and token, of this address,
// port, ID and number, not older than two minutes: else there is no state and no TLS.
func TestA10ProtectedCookies(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		listener := l.listen(addrB, psk(udt.ModeStream))
		e := listener.Endpoint()
		flight := l.firstFlight(addrC, addrB)
		r := rand.New(rand.NewPCG(10, 10))
		n := packets(1_000_000)
		l.flood(n, 200, time.Millisecond, func(int) {
			from := netip.AddrPortFrom(addrC.Addr(), uint16(1+r.IntN(60_000)))
			l.net.Inject(put(flight[0], r.Uint32()>>1|1, r.Uint32()>>1, r.Uint32(), randomBytes(r, 8)), from, addrB)
		})
		s := e.Stats()
		require.EqualValues(l, n, s.FalseCookies)
		require.Zero(l, s.HandshakesPending+s.Connections)
		require.Zero(l, s.HandshakesFailed)
		require.Zero(l, l.sentTo(addrB, addrC))
		row(t, "A10", fmt.Sprintf("protected: %d first flights with guessed cookies and tokens", n), "0 exchanges, 0 replies")
	})
	inLab(t, fastLink, func(l *lab) {
		listener := l.listen(addrB, psk(udt.ModeStream))
		e := listener.Endpoint()
		flight := l.firstFlight(addrC, addrB)
		w := l.tap()
		h := hello(77)
		l.net.Inject(handshakePacket(&h), addrC, addrB)
		settle()
		var cookie uint32
		var token []byte
		for _, p := range w.take() {
			if p.from == addrB {
				cookie, token = binary.BigEndian.Uint32(p.b[atCookie:]), p.b[atPeerIP+8:atPeerIP+16]
			}
		}
		require.NotNil(l, token)
		try := func(from netip.AddrPort, id, number, cookie uint32, token []byte) int {
			before := e.Stats()
			l.net.Inject(put(flight[0], id, number, cookie, token), from, addrB)
			settle()
			s := e.Stats()
			n := s.HandshakesPending - before.HandshakesPending
			require.EqualValues(l, 1-n, s.FalseCookies-before.FalseCookies)
			return n
		}
		other := append([]byte(nil), token...)
		other[0] ^= 1
		require.Zero(l, try(netip.AddrPortFrom(addrC.Addr(), addrC.Port()+1), 77, 1000, cookie, token), "port")
		require.Zero(l, try(addrA, 77, 1000, cookie, token), "address")
		require.Zero(l, try(addrC, 78, 1000, cookie, token), "ID")
		require.Zero(l, try(addrC, 77, 1001, cookie, token), "number")
		require.Zero(l, try(addrC, 77, 1000, cookie^2, token), "cookie")
		require.Zero(l, try(addrC, 77, 1000, cookie, other), "token")
		require.Equal(l, 1, try(addrC, 77, 1000, cookie, token), "itself")
		time.Sleep(121 * time.Second)
		require.Zero(l, try(addrC, 77, 1000, cookie, token), "too old")
		l.serve(listener)
		honest := 20
		c := l.endpoint(addrA)
		for range honest {
			conn, err := c.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
			require.NoError(l, err)
			conn.Close()
			time.Sleep(7 * time.Second)
		}
		row(t, "A12", "protected: cookie and token from another port, address, ID, number, and after 121 s", "0 accepted; honest clients across changes of the secret: %d of %d", honest, honest)
	})
}

// strangers begins TLS handshakes with valid cookies, so many every tick, from the host
// of addrC, and does not go on with them.
func (l *lab) strangers(base, n, perTick int, tick time.Duration, more func(reply []byte, from netip.AddrPort)) {
	flight := l.firstFlight(addrC, addrB)
	w := l.tap()
	for i := range n {
		h := hello(uint32(base + i + 1))
		l.net.Inject(handshakePacket(&h), netip.AddrPortFrom(addrC.Addr(), uint16(1+(base+i)%50_000)), addrB)
		if i%perTick != perTick-1 {
			continue
		}
		time.Sleep(tick)
		for _, p := range w.take() {
			if p.from != addrB || p.to.Addr() != addrC.Addr() {
				continue
			}
			b, ok := bodyOf(p.b)
			switch {
			case ok && b.Request == wire.RequestInduction:
				l.net.Inject(put(flight[0], b.SocketID, b.Number, b.Cookie, p.b[atPeerIP+8:atPeerIP+16]), p.to, addrB)
			case ok && b.Request == wire.RequestConclusion && more != nil:
				more(p.b, p.to)
			}
		}
	}
}

// A13, A43: whoever begins handshakes with cookies of his own and does not go on takes
// a bounded number of places, for some seconds, and honest clients still connect.
func TestA13HalfHandshakes(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		listener := l.listen(addrB, psk(udt.ModeStream))
		l.serve(listener)
		e := listener.Endpoint()
		n := packets(100_000)
		var tried, connected, most atomic.Int32
		client := l.endpoint(addrA)
		stop := l.every(200*time.Millisecond, func() {
			most.Store(max(most.Load(), int32(e.Stats().HandshakesPending)))
			tried.Add(1)
			if c, err := client.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream)); err == nil {
				connected.Add(1)
				c.Close()
			}
		})
		l.strangers(0, n, 10, 50*time.Millisecond, nil)
		stop()
		time.Sleep(6 * time.Second)
		require.Zero(l, e.Stats().HandshakesPending, "they end by themselves")
		require.LessOrEqual(l, most.Load(), int32(1024+1))
		require.GreaterOrEqual(l, connected.Load()*100, tried.Load()*95, "%d of %d", connected.Load(), tried.Load())
		row(t, "A13 A43", fmt.Sprintf("%d half handshakes with valid cookies at 200/s", n), "at most %d kept, honest clients: %d of %d connect", most.Load(), connected.Load(), tried.Load())
	})
}

// A13: handshakes that do not go on end after five seconds, or after the listener's
// Config.HandshakeTimeout.
func TestA13HalfHandshakesEnd(t *testing.T) {
	for _, test := range []struct{ timeout, ends time.Duration }{
		{0, 5 * time.Second}, {2 * time.Second, 2 * time.Second}, {20 * time.Second, 20 * time.Second}, {-1, 5 * time.Second},
	} {
		inLab(t, fastLink, func(l *lab) {
			config := psk(udt.ModeStream)
			config.HandshakeTimeout = test.timeout
			e := l.listen(addrB, config).Endpoint()
			start := time.Now()
			l.strangers(0, 10, 10, 20*time.Millisecond, nil)
			time.Sleep(time.Until(start.Add(test.ends)))
			require.Equal(l, 10, e.Stats().HandshakesPending)
			time.Sleep(time.Second)
			require.Zero(l, e.Stats().HandshakesPending)
		})
	}
}

// A13: without the claim about honest clients: the places are bounded, and free again.
func TestA13HalfHandshakesAreBounded(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		config := psk(udt.ModeStream)
		config.Backlog = 4096
		listener := l.listen(addrB, config)
		e := listener.Endpoint()
		most := 0
		n := packets(150_000)
		for i := range n / 100 {
			l.strangers(100*i, 100, 100, 20*time.Millisecond, nil)
			most = max(most, e.Stats().HandshakesPending)
		}
		require.LessOrEqual(l, most, 1024)
		time.Sleep(6 * time.Second)
		require.Zero(l, e.Stats().HandshakesPending)
		c, err := l.endpoint(addrA).DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
		require.NoError(l, err)
		c.Close()
		row(t, "A13", fmt.Sprintf("%d half handshakes with valid cookies, at once", n), "at most %d kept, 0 after 6 s", most)
	})
}

func (l *lab) meetAs(config func() *udt.Config) (a, b *udt.Conn, errs [2]error) {
	var wg sync.WaitGroup
	ends := []*udt.Endpoint{l.endpoint(addrA), l.endpoint(addrB)}
	conns := make([]*udt.Conn, 2)
	for i, to := range []netip.AddrPort{addrB, addrA} {
		wg.Go(func() {
			d := udt.Dialer{Endpoint: ends[i], Rendezvous: true, Config: config()}
			c, err := d.DialContext(context.Background(), "udt", to.String())
			errs[i] = err
			if err == nil {
				conns[i] = c.(*udt.Conn)
			}
		})
	}
	wg.Wait()
	return conns[0], conns[1], errs
}

// A44: a forged peer of a rendezvous, in protected mode and without, whose address is
// right, does not keep the true one away; both may open at the same time.
func TestA44Rendezvous(t *testing.T) {
	config := func() *udt.Config { return psk(udt.ModeStream) }
	for _, attacked := range []bool{false, true} {
		inLab(t, wan, func(l *lab) {
			n := 0
			stop := func() {}
			if attacked {
				r := rand.New(rand.NewPCG(44, 44))
				stop = l.every(time.Millisecond, func() {
					for i, to := range []netip.AddrPort{addrA, addrB} {
						from := []netip.AddrPort{addrB, addrA}[i]
						h := hello(r.Uint32() >> 1)
						h.Request = []wire.Request{0, -1, -2}[r.IntN(3)]
						p := handshakePacket(&h)
						if r.IntN(2) == 0 {
							var s [wire.SecureLen]byte
							contest := randomBytes(r, wire.ContestLen)
							(&wire.Secure{Nonce: [8]byte(contest), Token: [8]byte(randomBytes(r, 8))}).Put(s[:])
							p = wire.AppendTLV(append(p, s[:]...), wire.TLVContest, contest)
						}
						l.net.Inject(p, from, to)
						n++
					}
				})
			}
			start := time.Now()
			a, b, errs := l.meetAs(config)
			took := time.Since(start)
			require.NoError(l, errs[0])
			require.NoError(l, errs[1])
			for _, c := range []*udt.Conn{a, b} {
				_, protected := c.ConnectionState()
				require.True(l, protected)
			}
			stop()
			l.requireAlive(a, b)
			require.Less(l, took, 3*time.Second)
			row(t, "A44", fmt.Sprintf("rendezvous, both at the same time, %d forged first steps", n), "a protected connection after %v", took.Round(time.Millisecond))
			a.Close()
			b.Close()
		})
	}
	for _, policy := range []udt.SecurityPolicy{udt.SecurityRequire, udt.SecurityPrefer} {
		inLab(t, wan, func(l *lab) {
			first := true
			var mu sync.Mutex
			a, b, errs := l.meetAs(func() *udt.Config {
				mu.Lock()
				defer mu.Unlock()
				if first {
					first = false
					c := config()
					c.Security.Policy = policy
					return c
				}
				return &udt.Config{DisableExtensions: true, HandshakeTimeout: 5 * time.Second}
			})
			if policy == udt.SecurityRequire {
				require.True(l, errors.Is(errs[0], udt.ErrPeerNotSecure) || errors.Is(errs[1], udt.ErrPeerNotSecure), "%v", errs)
				row(t, "A44", "rendezvous with a plain peer, policy Require", "%v", udt.ErrPeerNotSecure)
				return
			}
			require.NoError(l, errs[0])
			require.NoError(l, errs[1])
			l.requireAlive(a, b)
			row(t, "A44", "rendezvous with a plain peer, policy Prefer", "a plain connection")
		})
	}
}
