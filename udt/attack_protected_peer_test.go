package udt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/protect"
	"github.com/udtgo/udtgo/udt/internal/secure"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// liarLab connects a liar at addrA to a listener at addrB, which has an honest
// connection with addrC too.
func liarLab(l *lab, config *udt.Config, edit func(*secure.Config)) (p *liar, victim *udt.Conn) {
	l.Helper()
	if config == nil {
		config = psk(udt.ModeStream)
	}
	l.listener = l.listen(addrB, config)
	p, err := l.liar(addrA, addrB, edit)
	require.NoError(l, err)
	victim, err = l.listener.AcceptUDT()
	require.NoError(l, err)
	return p, victim
}

// requireOthersLive requires that other connections of the endpoint do not suffer.
func (l *lab) requireOthersLive() {
	l.Helper()
	c, err := l.endpoint(addrC).DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
	if errors.Is(err, udt.ErrMode) {
		return // refused at once, for it listens for messages
	}
	require.NoError(l, err)
	s, err := l.listener.AcceptUDT()
	require.NoError(l, err)
	exchange(l, c, s, 50_000)
	c.Close()
	s.Close()
}

// An honest bookkeeper behind the same tool gets everything: what the tests below
// see is the lie.
func TestLiarsToolIsAPeer(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		p, victim := liarLab(l, nil, nil)
		p.data(1000, []byte("hello"))
		b := make([]byte, 10)
		n, err := victim.Read(b)
		require.NoError(l, err)
		require.Equal(l, "hello", string(b[:n]))
		p.consume(victim, 200_000, 1)
	})
}

// consume makes victim write n bytes, and acknowledges them, each time so often. It
// returns how long that took.
func (p *liar) consume(victim *udt.Conn, n, copies int) time.Duration {
	p.l.Helper()
	start := time.Now()
	go victim.Write(make([]byte, n))
	k := p.book()
	want := k.next + uint32((n+1439)/1440)
	info := uint32(0)
	for deadline := time.Now().Add(time.Minute); k.next < want; {
		require.True(p.l, time.Now().Before(deadline), "%+v", victim.Stats())
		if k.note(p.receive(10 * time.Millisecond)) {
			info++
			p.ack(info, k.ack())
			for range copies - 1 {
				p.ack(0, k.ack()) // without a number it brings on no answer
			}
		}
	}
	return time.Since(start)
}

// A17: to acknowledge each packet a hundred times gains nothing.
func TestA17AuthenticatedAckDivision(t *testing.T) {
	took := func(copies int) (d time.Duration) {
		inLab(t, simnet.Link{Delay: 10 * time.Millisecond, Rate: 50e6, Queue: 1000}, func(l *lab) {
			p, victim := liarLab(l, nil, nil)
			l.net.SetLink(addrA.Addr(), addrB.Addr(), simnet.Link{Delay: 10 * time.Millisecond})
			d = p.consume(victim, 1_000_000, copies)
		})
		return d
	}
	once, often := took(1), took(100)
	require.Greater(t, often, once*95/100)
	row(t, "A17", "authenticated peer acknowledges each packet 100 times", "1 MB takes %v, with one acknowledgement %v", often.Round(time.Millisecond), once.Round(time.Millisecond))
}

// A08, A09, A19: a peer that acknowledges what was never sent, in numbers or
// transmissions, is not believed; nobody else suffers.
func TestA19AuthenticatedLiesInAcks(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		p, victim := liarLab(l, nil, nil)
		go victim.Write(make([]byte, 100_000))
		k := p.book()
		for k.note(p.receive(100 * time.Millisecond)) {
		}
		before := victim.Stats()
		lies := 0
		r := rand.New(rand.NewPCG(19, 19))
		for i := range packets(100_000) {
			a := k.ack()
			a.Next = 1000
			switch i % 5 {
			case 0:
				a.Next = k.high + 1 + r.Uint32N(1<<30)
			case 1:
				a.LargestTx = k.tx + 1 + r.Uint32N(1<<30)
			case 2:
				a.Received = k.tx + 1 + r.Uint32N(1<<30)
			case 3:
				a.Form, a.Next = wire.AckLight, k.high+1+r.Uint32N(1<<30)
			case 4:
				a.Form, a.Next = wire.AckFull, k.high+1+r.Uint32N(1<<30)
			}
			p.ack(uint32(i+1), a)
			lies++
			if i%100 == 99 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		settle()
		s := victim.Stats()
		end := "lives"
		if _, err := victim.Write([]byte{1}); err == nil {
			require.Equal(l, before.SendBuffered, s.SendBuffered, "nothing was taken for acknowledged")
		} else {
			require.ErrorIs(l, err, udt.ErrOptimisticACK)
			end = "ends with ErrOptimisticACK"
		}
		l.requireOthersLive()
		row(t, "A08 A09 A19", fmt.Sprintf("authenticated peer: %d ACKs of what was never sent", lies), "0 bytes released, %d counted as malformed, then the connection %s; others unaffected", s.Malformed, end)
	})
}

// A14: a peer that reports everything lost, again and again, is sent no more than the
// controller's rate.
func TestA14AuthenticatedNakBomb(t *testing.T) {
	inLab(t, simnet.Link{Delay: 10 * time.Millisecond}, func(l *lab) {
		p, victim := liarLab(l, nil, nil)
		victim.SetMaxBandwidth(2_000_000)
		go victim.Write(make([]byte, 400_000))
		k := p.book()
		for k.note(p.receive(50 * time.Millisecond)) {
		}
		before := victim.Stats()
		start := time.Now()
		naks, again := 0, 0
		for i := range 100 {
			for range packets(10_000) / 100 {
				var body []uint32
				for n := range uint32(91) {
					body = append(body, 1<<31|(1000+n), k.high-1)
				}
				p.control(wire.TypeNak, 0, body...)
				p.control(wire.TypeNak, 0, 1<<31|1000, k.high-1)
				naks += 2
			}
			// It has received what was sent, so that more may be, but says that
			// nothing of it is in order.
			a := k.ack()
			a.Next = 1000
			p.ack(uint32(i+1), a)
			for k.note(p.receive(10 * time.Millisecond)) {
				again++
			}
		}
		settle()
		seconds := time.Since(start).Seconds()
		s := victim.Stats()
		require.NotZero(l, s.NaksReceived-before.NaksReceived)
		require.NotZero(l, again)
		require.Less(l, float64(s.PacketsSent-before.PacketsSent), seconds*2_000_000/1440*1.1+100)
		require.LessOrEqual(l, victim.Endpoint().Stats().MemoryHeld, int64(16<<20))
		l.requireOthersLive()
		row(t, "A14", fmt.Sprintf("authenticated peer: %d NAKs of everything", naks), "%d packets sent in %.1f s, within the rate of %.0f", again, seconds, seconds*2_000_000/1440)
	})
}

// A46: a peer's drop requests, however large, cost nothing and drop nothing that they
// must not.
func TestA46AuthenticatedDropRequests(t *testing.T) {
	for _, mode := range []udt.Mode{udt.ModeStream, udt.ModeMessage} {
		inLab(t, fastLink, func(l *lab) {
			p, victim := liarLab(l, psk(mode), func(c *secure.Config) {
				if mode == udt.ModeMessage {
					c.Own.Type = wire.SocketMessage
				}
			})
			r := rand.New(rand.NewPCG(46, 46))
			n := packets(100_000)
			for i := range n {
				first, last := r.Uint32()>>1, r.Uint32()>>1
				if i%3 == 0 {
					first, last = 1001, 1000+1<<30
				}
				p.control(wire.TypeDropRequest, r.Uint32(), first, last)
				if i%100 == 99 {
					time.Sleep(10 * time.Millisecond)
				}
			}
			settle()
			require.LessOrEqual(l, victim.Endpoint().Stats().MemoryHeld, int64(8<<20))
			if victim.Stats().Malformed == 0 {
				t.Errorf("none was counted")
			}
			p.data(1000, []byte("still here"))
			b := make([]byte, 100)
			require.NoError(l, victim.SetReadDeadline(time.Now().Add(5*time.Second)))
			k, err := victim.Read(b)
			require.NoError(l, err)
			require.Equal(l, "still here", string(b[:k]))
			l.requireOthersLive()
			row(t, "A46", fmt.Sprintf("authenticated peer: %d drop requests of up to 2^31 packets, mode %d", n, mode), "%d counted, what follows is delivered", victim.Stats().Malformed)
		})
	}
}

// A26: a peer that lies about the end of what it has sent does not make its victim
// believe that a stream is complete which is not, nor lose what came before.
func TestA26AuthenticatedLiesAboutTheEnd(t *testing.T) {
	// Whoever names fewer than came has got no more than it says itself: how such a
	// stream ends is not for its victim to know.
	const clean, broken, either = 0, 1, 2
	for name, end := range map[string]struct {
		final uint32
		how   int
	}{
		"true":             {1002, clean},
		"more than came":   {1010, broken},
		"far more":         {1000 + 1<<30, broken},
		"less than came":   {1001, either},
		"before the start": {900, either},
	} {
		inLab(t, fastLink, func(l *lab) {
			p, victim := liarLab(l, nil, nil)
			p.data(1000, []byte("one"))
			p.data(1001, []byte("two"))
			settle()
			p.control(wire.TypeShutdown, 0, uint32(wire.ReasonClosed), end.final)
			settle()
			// More of another kind does not change what was said.
			p.control(wire.TypeShutdown, 0, uint32(wire.ReasonClosed), 1003)
			p.data(1002, []byte("more"))
			require.NoError(l, victim.SetReadDeadline(time.Now().Add(2*time.Minute)))
			got, err := io.ReadAll(onlyReader{victim})
			switch end.how {
			case clean:
				require.NoError(l, err)
				require.Equal(l, "onetwo", string(got))
			case broken:
				require.Error(l, err, "%s: a clean end after %q", name, got)
			}
			require.LessOrEqual(l, len(got), len("onetwomore"))
			l.requireOthersLive()
			victim.Close()
		})
	}
	row(t, "A26", "authenticated peer: Shutdowns that name a wrong last number", "0 clean ends of what is incomplete")
}

// A45: what a peer's handshake says is bound or refused: no size of it becomes memory.
func TestA45AuthenticatedHandshakeValues(t *testing.T) {
	opened, refused := 0, 0
	edits := map[string]func(*secure.Config){
		"window 0":        func(c *secure.Config) { c.Own.FlowWindow = 0 },
		"window 1":        func(c *secure.Config) { c.Own.FlowWindow = 1 },
		"window 2^31-1":   func(c *secure.Config) { c.Own.FlowWindow = 1<<31 - 1 },
		"window 2^32-1":   func(c *secure.Config) { c.Own.FlowWindow = 1<<32 - 1 },
		"MSS 0":           func(c *secure.Config) { c.Own.MSS = 0 },
		"MSS 44":          func(c *secure.Config) { c.Own.MSS = 44 },
		"MSS 575":         func(c *secure.Config) { c.Own.MSS = 575 },
		"MSS 576":         func(c *secure.Config) { c.Own.MSS = 576 },
		"MSS 2^32-1":      func(c *secure.Config) { c.Own.MSS = 1<<32 - 1 },
		"number 2^31":     func(c *secure.Config) { c.Own.Number = 1 << 31 },
		"number 2^32-1":   func(c *secure.Config) { c.Own.Number = 1<<32 - 1 },
		"number 2^31-1":   func(c *secure.Config) { c.Own.Number = 1<<31 - 1 },
		"type 0":          func(c *secure.Config) { c.Own.Type = 0 },
		"type message":    func(c *secure.Config) { c.Own.Type = wire.SocketMessage },
		"type 77":         func(c *secure.Config) { c.Own.Type = 77 },
		"ID 2^31":         func(c *secure.Config) { c.Own.SocketID = 1 << 31 },
		"ID 2^32-1":       func(c *secure.Config) { c.Own.SocketID = 1<<32 - 1 },
		"features 2^32-1": func(c *secure.Config) { c.Features = 1<<32 - 1 },
		"no marker":       func(c *secure.Config) { c.NoMarker = true },
	}
	for name, edit := range edits {
		inLab(t, fastLink, func(l *lab) {
			l.listener = l.listen(addrB, psk(udt.ModeStream))
			before := l.listener.Endpoint().Stats()
			p, err := l.liar(addrA, addrB, edit)
			if err != nil {
				refused++
				require.LessOrEqual(l, l.listener.Endpoint().Stats().Connections, before.Connections, name)
			} else {
				settle()
				require.NoError(l, l.listener.SetDeadline(time.Now().Add(time.Second)))
				if victim, err := l.listener.AcceptUDT(); err == nil {
					opened++
					_, err = victim.Write(make([]byte, 10_000))
					require.NoError(l, err)
					k := p.book()
					for k.note(p.receive(50 * time.Millisecond)) {
					}
					require.LessOrEqual(l, victim.Endpoint().Stats().MemoryHeld, int64(4<<20), name)
					victim.Abort()
				} else {
					refused++
				}
			}
			settle()
			l.requireOthersLive()
		})
	}
	row(t, "A45", fmt.Sprintf("authenticated peer: %d extreme values in the handshake", len(edits)), "%d refused, %d bounded, 0 allocations by them", refused, opened)
}

// A21, A47: packet numbers that jump, within an epoch and from one to the next, keep
// the connection; those two epochs ahead are not taken.
func TestA47AuthenticatedNumbersThatJump(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		config := psk(udt.ModeStream)
		p, victim := liarLab(l, config, nil)
		number := uint32(1000)
		epochs := 0
		for i := range packets(100_000) {
			if i%2 == 0 {
				jump := i % 200
				if i%100 == 0 {
					jump = 20_000 // more than the window for replays
				}
				for range jump { // and not sent
					p.seal(make([]byte, wire.HeaderLen))
				}
			} else {
				p.sealer.ForceUpdate()
				p.sealer.Confirm(p.sealer.Number() - 1) // it confirms its own
				epochs++
			}
			p.data(number, []byte{1})
			number++
			if i%50 == 49 {
				time.Sleep(10 * time.Millisecond)
			}
			if i%500 == 499 {
				settle()
				b := make([]byte, 500)
				n, err := io.ReadFull(victim, b)
				require.NoError(l, err, "%d", n)
			}
		}
		settle()
		require.Zero(l, rejected(victim))
		// Two epochs ahead of what has come there is no key yet.
		for range 3 {
			p.seal(make([]byte, wire.HeaderLen)) // and not sent
			p.sealer.Confirm(p.sealer.Number() - 1)
			p.sealer.ForceUpdate()
		}
		p.data(number, []byte{1})
		settle()
		require.EqualValues(l, 1, rejected(victim))
		// And none any more for the numbers of long ago.
		old, err := protect.NewSealer(p.suite, p.secret, protect.Config{})
		require.NoError(l, err)
		p.sealer = old
		p.data(number, []byte{1})
		settle()
		require.EqualValues(l, 2, rejected(victim))
		l.requireOthersLive()
		row(t, "A47", fmt.Sprintf("authenticated peer: numbers jump, %d changes of key", epochs), "all data delivered; numbers two keys ahead, and old ones, rejected")
	})
}

// Whatever a peer seals, of any type and content, its victim does not fall, does not
// grow, and goes on serving others.
func TestA31AuthenticatedNoise(t *testing.T) {
	for seed := range uint64(3) {
		inLab(t, fastLink, func(l *lab) {
			p, victim := liarLab(l, nil, nil)
			go io.Copy(io.Discard, onlyReader{victim})
			go victim.Write(make([]byte, 1<<20))
			r := rand.New(rand.NewPCG(31, seed))
			kinds := sortedAttacks()
			n := packets(300_000) / 3
			for i := range n {
				var b []byte
				switch r.IntN(3) {
				case 0:
					b = kinds[r.IntN(len(kinds))](r, 0)
				case 1:
					ps := forgeries(0, 1000+r.Uint32N(800))
					b = ps[forgeryNames[r.IntN(len(forgeryNames))]]
				case 2:
					b = randomBytes(r, wire.HeaderLen+r.IntN(200))
				}
				if len(b) < wire.HeaderLen || wire.IsControl(b) && wire.ParseControl(b).Type == wire.TypeShutdown {
					continue
				}
				p.send(b)
				if i%50 == 49 {
					for p.receive(time.Millisecond) != nil {
					}
				}
			}
			settle()
			require.LessOrEqual(l, victim.Endpoint().Stats().MemoryHeld, int64(32<<20))
			l.requireOthersLive()
			victim.Abort()
			if seed == 0 {
				row(t, "A31", fmt.Sprintf("authenticated peer: %d packets of all types with random contents", n), "no panic, memory bounded, other connections unaffected")
			}
		})
	}
}

// A35: challenges for paths are answered to where the peer is known to be, and few.
func TestA35AuthenticatedChallenges(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		p, victim := liarLab(l, nil, nil)
		n := packets(100_000)
		sent, start := l.sentTo(addrB, addrA), time.Now()
		for i := range n {
			b := make([]byte, wire.HeaderLen+8)
			(&wire.Control{Type: wire.TypeUser, Ext: wire.ExtPathChallenge}).Put(b)
			l.net.Inject(p.seal(b), addrC, addrB)
			if i%100 == 99 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		settle()
		require.LessOrEqual(l, l.sentTo(addrB, addrC), uint64(3), "challenges to the false address")
		require.Equal(l, addrA, addrOf(victim.RemoteAddr()))
		s, answers := victim.Stats(), l.sentTo(addrB, addrA)-sent
		require.Equal(l, l.sentTo(addrB, addrC), s.PathChallenges)
		require.Zero(l, s.PathChanges)
		seconds := time.Since(start).Seconds()
		require.LessOrEqual(l, float64(answers), 50*(seconds+1)+10, "50 a second, and what is sent anyway")
		require.NotZero(l, answers)
		require.Greater(l, s.OverBudget, uint64(n)/2)
		row(t, "A35", fmt.Sprintf("authenticated peer: %d challenges from a false address in %.1f s", n, seconds), "%d packets to it, %d to the true one", s.PathChallenges, answers)
	})
}
