package udt_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/testkit"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A conclusion of plain UDT with the client's own cookie has no effect on its
// protected connection.
func TestA16PlainConclusionWithTheRightCookie(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		_, b, _, _, opening := protectedLab(l, quiet(psk(udt.ModeStream)))
		want, replies := still(b), l.sentTo(addrB, addrA)
		n := 0
		for _, p := range opening {
			if h, ok := bodyOf(p.b); ok && p.from == addrA && h.Request == wire.RequestConclusion {
				l.net.Inject(p.b[:wire.SecureOffset], addrA, addrB)
				n++
			}
		}
		require.NotZero(l, n)
		settle()
		require.Equal(l, want, still(b))
		refusals := l.sentTo(addrB, addrA) - replies
		require.LessOrEqual(l, int(refusals), n)
		row(t, "A16", "plain conclusion with the cookie of a protected client", "0 effects, refused")
	})
}

// Copies of the opening handshake are answered a few times a second at most.
func TestA16ReplayedOpening(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		w := l.tap()
		config := quiet(psk(udt.ModeStream))
		a, b := l.pair(config, config)
		time.Sleep(time.Second)
		opening := w.take()
		l.net.SetFilter(nil)
		replies := l.sentTo(addrB, addrA)
		n := max(packets(10_000), 2000)
		start := time.Now()
		l.flood(n, 10, 10*time.Millisecond, func(i int) {
			for _, p := range opening {
				if h, ok := bodyOf(p.b); ok && p.from == addrA && h.Request == wire.RequestConclusion {
					l.net.Inject(p.b, addrA, addrB)
				}
			}
		})
		got := l.sentTo(addrB, addrA) - replies
		require.LessOrEqual(l, float64(got), 4*time.Since(start).Seconds()+4)
		l.requireAlive(a, b)
		row(t, "A16", "copies of the opening handshake, within 10 s of it", "%d replies in %.1f s", got, time.Since(start).Seconds())
	})
}

// What comes before there are keys is kept in a bounded memory.
func TestA13EarlyPacketsAreBounded(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		listener := l.listen(addrB, psk(udt.ModeStream))
		const n = 20
		before := heapInUse()
		flight := l.firstFlight(addrC, addrB)
		junk := make([]byte, 60_000)
		w := l.tap()
		ids := map[netip.AddrPort][][]byte{}
		for i := range n {
			from := netip.AddrPortFrom(addrC.Addr(), uint16(1000+i))
			h := hello(77)
			l.net.Inject(handshakePacket(&h), from, addrB)
			time.Sleep(20 * time.Millisecond)
			for _, p := range w.take() {
				if p.from == addrB {
					for _, b := range flight {
						l.net.Inject(put(b, 77, 1000, binary.BigEndian.Uint32(p.b[atCookie:]), p.b[atPeerIP+8:atPeerIP+16]), from, addrB)
					}
				}
			}
			time.Sleep(50 * time.Millisecond)
			for _, p := range w.take() {
				if h, ok := bodyOf(p.b); ok && p.from == addrB && h.Request == wire.RequestConclusion {
					binary.BigEndian.PutUint32(junk[12:], h.SocketID)
					ids[from] = append(ids[from], nil)
				}
			}
			if len(ids[from]) > 0 {
				for range 200 {
					l.net.Inject(junk, from, addrB)
					time.Sleep(time.Microsecond)
				}
			}
			time.Sleep(10 * time.Millisecond)
			w.take()
		}
		require.Len(l, ids, n)
		pending := listener.Endpoint().Stats().HandshakesPending
		require.Equal(l, n, pending)
		l.net.SetFilter(nil)
		per := int64(heapInUse()-before) / n
		require.Less(l, per, int64(128<<10), "bytes per half-open connection")
	})
}

// A forged first flight with the client's own cookie and token, which an observer
// of the path can send, does not keep the client out.
func TestA44ObserverWhoIsFaster(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		l.serve(l.listen(addrB, psk(udt.ModeStream)))
		flight := l.firstFlight(addrA, addrB)
		forged := false
		w := l.tap()
		w.set(func(p []byte, from, _ netip.AddrPort) bool {
			if h, ok := bodyOf(p); ok && from == addrB && h.Request == wire.RequestInduction && !forged {
				forged = true
				b := put(flight[0], h.SocketID, h.Number, h.Cookie, p[atPeerIP+8:atPeerIP+16])
				time.AfterFunc(time.Millisecond, func() { l.net.Inject(b, addrA, addrB) })
			}
			return false
		})
		c, err := l.endpoint(addrA).DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
		require.NoError(l, err)
		c.Close()
	})
}

// A small datagram does not make a server repeat a large flight.
func TestA11RepeatedFlights(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		p := testkit.NewAuthority()
		l.listen(addrB, with(udt.Security{TLS: &tls.Config{Certificates: []tls.Certificate{p.Issue("server", time.Now().Add(time.Hour), nil)}}}))
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
		size := 0
		for _, b := range flight {
			l.net.Inject(put(b, 77, 1000, cookie, token), addrC, addrB)
			var tlvs [wire.MaxSecureTLVs]wire.TLV
			n, err := wire.ParseTLVs(&tlvs, b[wire.SecureOffset+wire.SecureLen:])
			require.NoError(l, err)
			for _, v := range tlvs[:n] {
				size = max(size, v.Offset+len(v.Data))
			}
		}
		settle()
		tiny := put(flight[0][:wire.SecureOffset+wire.SecureLen], 77, 1000, cookie, token)
		tiny = wire.AppendCrypto(tiny, size-1, []byte{0})
		out, in := 0, 0
		for range 100 {
			l.net.Inject(tiny, addrC, addrB)
			time.Sleep(20 * time.Millisecond)
		}
		for _, p := range w.take() {
			if p.from == addrB {
				out += len(p.b)
			} else {
				in += len(p.b)
			}
		}
		t.Logf("%d bytes in, %d out: %.1f", in, out, float64(out)/float64(in))
		require.LessOrEqual(l, out, 3*in)
	})
}

// Packets from ever other addresses bring on all of them together no more than three
// challenges a second.
func TestA35AlternatingAddresses(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		p, victim := liarLab(l, nil, nil)
		n := packets(100_000)
		start := time.Now()
		for i := range n {
			b := make([]byte, wire.HeaderLen+4)
			(&wire.Control{Type: wire.TypeKeepAlive}).Put(b)
			l.net.Inject(p.seal(b), netip.AddrPortFrom(addrC.Addr(), uint16(1+i%2)), addrB)
			time.Sleep(time.Millisecond)
		}
		settle()
		require.Equal(l, addrA, addrOf(victim.RemoteAddr()))
		seconds, challenges := time.Since(start).Seconds(), l.sentTo(addrB, addrC)
		require.LessOrEqual(l, float64(challenges), 3*(seconds+1))
		row(t, "A35", fmt.Sprintf("authenticated peer: %d packets from two false addresses in turn, in %.0f s", n, seconds), "%d challenges of 40 bytes to both together", challenges)
	})
}

// resetting returns a Config whose listener resets connections that it does not know.
func resetting() *udt.Config {
	c := quiet(psk(udt.ModeStream))
	c.Endpoint = &udt.EndpointConfig{ResetKey: bytes.Repeat([]byte{1}, 32)}
	return c
}

// ask sends a packet for the given ID from addrC to a listener, and returns what
// comes back.
func (l *lab) ask(w *wiretap, id uint32, to netip.AddrPort) []byte {
	b := make([]byte, 100)
	b[0] = 1
	binary.BigEndian.PutUint32(b[12:], id)
	l.net.Inject(b, netip.AddrPortFrom(addrC.Addr(), 99), to)
	time.Sleep(12 * time.Millisecond)
	for _, p := range w.take() {
		if p.from == to && p.to.Addr() == addrC.Addr() {
			return p.b
		}
	}
	return nil
}

// A34: a reset that anybody can make up, whatever its token, ends nothing; and two
// endpoints that do not know each other's connections fall silent.
func TestA34WrongTokens(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		a, b, ids, _, _ := protectedLab(l, resetting())
		r := rand.New(rand.NewPCG(34, 34))
		before, replies, n := still(a), l.sentTo(addrA, addrB), packets(1_000_000)
		l.flood(n, 200, time.Millisecond, func(i int) {
			p := randomBytes(r, 32+r.IntN(32))
			id := r.Uint32() | 1<<31 // as a reset has it
			if i%2 == 0 {
				id = ids[0]
			}
			binary.BigEndian.PutUint32(p[12:], id)
			l.net.Inject(p, addrB, addrA)
		})
		require.Zero(l, a.Endpoint().Stats().StatelessResets)
		require.Zero(l, a.Endpoint().Stats().StatelessResetsSent)
		require.Equal(l, before, still(a))
		require.Equal(l, replies, l.sentTo(addrA, addrB))
		l.requireAlive(a, b)

		l.listen(addrC, resetting())
		sent := l.sentTo(addrC, addrB) + l.sentTo(addrB, addrC)
		stray := randomBytes(r, 1400)
		binary.BigEndian.PutUint32(stray[12:], 77)
		l.net.Inject(stray, addrC, addrB)
		settle()
		answers := l.sentTo(addrC, addrB) + l.sentTo(addrB, addrC) - sent - 1
		require.EqualValues(l, 1, answers)
		row(t, "A34", fmt.Sprintf("%d resets with wrong tokens; a stray packet between two that both reset", n), "0 connections end, 0 replies; %d reset", answers)
	})
}

// Nobody is told the token of a connection that is being opened.
func TestA34OracleDuringTheExchange(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		listener := l.listen(addrB, resetting())
		w := l.tap()
		asked := make(chan []byte, 1)
		var once sync.Once
		w.set(func(p []byte, from, _ netip.AddrPort) bool {
			if h, ok := bodyOf(p); ok && from == addrB && h.Request == wire.RequestConclusion {
				once.Do(func() { go func() { asked <- l.ask(w, h.SocketID, addrB) }() })
			}
			return false
		})
		a, b := l.dial(l.configured(addrA, resetting()), resetting(), listener)
		answer := <-asked
		w.set(nil)
		if answer != nil {
			l.net.Inject(answer, addrB, addrA)
		}
		settle()
		require.Zero(l, a.Endpoint().Stats().StatelessResets)
		l.requireAlive(a, b)
	})
}

// A listener with the same key at another port does not tell the token of a
// connection that is not its own.
func TestA34OracleAtAnotherPort(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		a, b, ids, w, _ := protectedLab(l, resetting())
		another := netip.AddrPortFrom(addrB.Addr(), addrB.Port()+1)
		l.listen(another, resetting())
		if answer := l.ask(w, ids[1], another); answer != nil {
			l.net.Inject(answer, addrB, addrA)
		}
		settle()
		require.Zero(l, a.Endpoint().Stats().StatelessResets)
		l.requireAlive(a, b)
	})
}

// A rendezvous that waits for a peer does not keep it from dialing the listener
// of the same port.
func TestA44DialDuringARendezvous(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		listener := l.listen(addrB, psk(udt.ModeStream))
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			d := udt.Dialer{Endpoint: listener.Endpoint(), Rendezvous: true, Config: psk(udt.ModeStream)}
			_, _ = d.DialContext(ctx, "udt", addrA.String())
		}()
		settle()
		_, err := l.endpoint(addrA).DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
		require.NoError(l, err)
	})
}

// What the exchange did not need does not stay with the connection.
func TestA13NothingStaysOfTheExchange(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		listener := l.listen(addrB, psk(udt.ModeStream))
		e := l.endpoint(addrA)
		w := l.tap()
		big := make([]byte, 60_000)
		copy(big, controlPacket(wire.TypeHandshake, 0, 0, nil))
		w.set(func(p []byte, from, _ netip.AddrPort) bool {
			// Behind the client's last flight, while the server works on it.
			if h, ok := bodyOf(p); ok && from == addrA && h.Request == wire.RequestConclusion && p[wire.SecureOffset+5] == wire.LevelSealed {
				b := append([]byte(nil), big...)
				copy(b, p[:wire.SecureOffset])
				go func() {
					for range 40 {
						l.net.Inject(b, addrA, addrB)
					}
				}()
			}
			return false
		})
		before := heapInUse()
		const n = 10
		for range n {
			_, _ = l.dial(e, psk(udt.ModeStream), listener)
			time.Sleep(15 * time.Second)
			w.take()
		}
		per := int64(heapInUse()-before) / n
		require.Less(l, per, int64(64<<10), "bytes per connection")
	})
}
