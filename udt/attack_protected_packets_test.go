package udt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/protect"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A01, A02: packets of other addresses do not reach a protected connection, nor do
// those with other IDs.
func TestA01ProtectedWrongSource(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		a, b, ids, _, _ := protectedLab(l, nil)
		r := rand.New(rand.NewPCG(1, 1))
		before, n := still(b), packets(1_000_000)
		l.flood(n, 200, time.Millisecond, func(int) {
			p := randomBytes(r, 32+r.IntN(100))
			binary.BigEndian.PutUint32(p[12:], ids[1])
			l.net.Inject(p, addrC, addrB)
		})
		require.EqualValues(l, n, rejected(b), "another address may be the peer's: the protection decides")
		require.Zero(l, l.sentTo(addrB, addrC))
		require.Equal(l, before, still(b))
		l.requireAlive(a, b)
		row(t, "A01", fmt.Sprintf("protected: %d packets, right IDs, wrong source", n), "0 accepted, 0 replies")
	})
}

// A21: of random packets with the right addresses and the right ID none is taken,
// none answered, and none costs more than a look at its header.
func TestA21RandomPackets(t *testing.T) {
	cost := costOfRejection(t) // outside of virtual time
	inLab(t, fastLink, func(l *lab) {
		a, b, ids, _, _ := protectedLab(l, nil)
		r := rand.New(rand.NewPCG(21, 21))
		before, replies, n := still(b), l.sentTo(addrB, addrA), packets(1_000_000)
		l.flood(n, 200, time.Millisecond, func(int) {
			p := randomBytes(r, 16+r.IntN(200))
			binary.BigEndian.PutUint32(p[12:], ids[1])
			l.net.Inject(p, addrA, addrB)
		})
		require.EqualValues(l, n, rejected(b))
		require.Equal(l, before, still(b))
		require.Equal(l, replies, l.sentTo(addrB, addrA))
		l.requireAlive(a, b)
		row(t, "A21", fmt.Sprintf("%d random packets to a protected connection, right addresses and ID", n),
			"0 accepted, 0 replies, %v each in the protection", cost)
	})
}

// costOfRejection measures what a random packet costs the protection.
func costOfRejection(t *testing.T) time.Duration {
	o, err := protect.NewOpener(protect.Suite(0x1301), make([]byte, 32), protect.Config{})
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(1, 1))
	var ps [64][]byte
	for i := range ps {
		ps[i] = randomBytes(r, 1472)
	}
	const n = 20_000
	start := time.Now()
	for i := range n {
		p := ps[i%len(ps)]
		_, _, err := o.Open(p)
		require.Error(t, err)
		p[16+i%100]++ // another mask, another epoch
	}
	return time.Since(start) / n
}

// forgeries returns one or more of every packet that plain UDT has, each as right as
// one can be whose sender knows all numbers in use.
func forgeries(id, number uint32) map[string][]byte {
	u32 := binary.BigEndian.AppendUint32
	word := func(vs ...uint32) (b []byte) {
		for _, v := range vs {
			b = u32(b, v)
		}
		return b
	}
	shutdown := func(r wire.Reason) []byte {
		var p [wire.ShutdownLen]byte
		(&wire.Shutdown{Reason: r, Final: number}).Put(p[:])
		return p[:]
	}
	extended := wire.Ack{Form: wire.AckExtended, Next: number, Window: 1, LargestTx: 1, Received: 1}
	ps := map[string][]byte{
		"keep-alive":              controlPacket(wire.TypeKeepAlive, 0, id, make([]byte, wire.PadLen)),
		"keep-alive with request": controlPacket(wire.TypeKeepAlive, wire.KeepAliveAckRequest, id, make([]byte, wire.PadLen)),
		"light ACK":               controlPacket(wire.TypeAck, 0, id, word(number)),
		"short ACK":               controlPacket(wire.TypeAck, 1, id, word(number, 1, 1, 0)),
		"full ACK":                controlPacket(wire.TypeAck, 2, id, word(number, 1, 1, 0, 1, 1)),
		"extended ACK":            controlPacket(wire.TypeAck, 3, id, extended.Append(nil)),
		"NAK":                     controlPacket(wire.TypeNak, 0, id, word(1<<31|1000, number-1)),
		"congestion warning":      controlPacket(wire.TypeCongestionWarning, 0, id, make([]byte, wire.PadLen)),
		"Shutdown":                controlPacket(wire.TypeShutdown, 0, id, shutdown(wire.ReasonClosed)),
		"abort":                   controlPacket(wire.TypeShutdown, 0, id, shutdown(wire.ReasonAborted)),
		"answer to a Shutdown":    controlPacket(wire.TypeShutdown, wire.ShutdownAnswer, id, shutdown(wire.ReasonEndpoint)),
		"the reference's end":     controlPacket(wire.TypeShutdown, 0, id, make([]byte, wire.PadLen)),
		"ACK2":                    controlPacket(wire.TypeAck2, 1, id, make([]byte, wire.PadLen)),
		"drop request":            controlPacket(wire.TypeDropRequest, 1, id, word(1000, number)),
		"error":                   controlPacket(wire.TypeError, wire.ErrorFileWrite, id, make([]byte, wire.PadLen)),
	}
	for ext := range uint16(3) {
		p := make([]byte, 40)
		(&wire.Control{Type: wire.TypeUser, Ext: wire.FirstOwnExt*(ext%2) + ext, Dest: id}).Put(p)
		ps[fmt.Sprintf("user control %d", ext)] = p
	}
	for t := wire.Type(9); t < 16; t++ {
		ps[fmt.Sprintf("control of type %d", t)] = controlPacket(t, 0, id, make([]byte, 100))
	}
	for _, boundary := range []wire.Boundary{wire.Middle, wire.First, wire.Last, wire.Solo} {
		for _, size := range []int{0, 1, 100, 1440, 1456} {
			p := make([]byte, wire.HeaderLen+size)
			(&wire.Data{Number: number, Boundary: boundary, Ordered: true, Message: 1, Time: 1, Dest: id}).Put(p)
			ps[fmt.Sprintf("data of %d bytes, boundary %d", size, boundary)] = p
		}
	}
	for _, request := range []wire.Request{1, 0, -1, -2, 1002, 3} {
		h := hello(1)
		h.Request, h.Number = request, 1000
		p := handshakePacket(&h)
		binary.BigEndian.PutUint32(p[12:], id)
		ps[fmt.Sprintf("handshake %d", request)] = p
		h.Version = 0
		p = handshakePacket(&h)
		binary.BigEndian.PutUint32(p[12:], id)
		ps[fmt.Sprintf("handshake %d of version 0", request)] = p
	}
	return ps
}

// Once protection is on no packet in plain text has any effect, nor any answer, of
// whatever type and however right.
func TestA00NoPlaintextHasAnEffect(t *testing.T) {
	for _, mode := range []udt.Mode{udt.ModeStream, udt.ModeMessage} {
		inLab(t, fastLink, func(l *lab) {
			a, b, ids, _, opening := protectedLab(l, quiet(psk(mode)))
			number := uint32(1000)
			if mode == udt.ModeStream {
				l.requireAlive(a, b)
				time.Sleep(time.Second)
				number += (100_000 + 1439) / 1440
			}
			sides := []struct {
				victim, other *udt.Conn
				id            uint32
				from, to      netip.AddrPort
			}{{a, b, ids[0], addrB, addrA}, {b, a, ids[1], addrA, addrB}}
			n := 0
			for _, s := range sides {
				want, wantOther, replies := still(s.victim), still(s.other), l.sentTo(s.to, s.from)
				refused := rejected(s.victim)
				counted := uint64(0)
				for name, p := range forgeries(s.id, number) {
					for range 3 {
						l.net.Inject(p, s.from, s.to)
						n++
						if !wire.IsHandshake(p) {
							counted++
						}
					}
					settle()
					require.Equal(l, want, still(s.victim), name)
				}
				require.EqualValues(l, counted, rejected(s.victim)-refused, "they are counted, but for handshakes")
				// The handshakes that opened it, to the listener and to the connection.
				for _, p := range opening {
					if p.from == s.from && p.to == s.to && wire.IsSecure(p.b) {
						l.net.Inject(p.b, p.from, p.to)
						binary.BigEndian.PutUint32(p.b[12:], s.id)
						l.net.Inject(p.b, p.from, p.to)
						n += 2
					}
				}
				settle()
				require.Equal(l, want, still(s.victim))
				require.Equal(l, wantOther, still(s.other))
				require.Equal(l, replies, l.sentTo(s.to, s.from))
				require.Equal(l, 1, s.victim.Endpoint().Stats().Connections)
				require.Zero(l, s.victim.Endpoint().Stats().HandshakesPending)
			}
			if mode == udt.ModeStream {
				l.requireAlive(a, b)
				row(t, "A00", fmt.Sprintf("%d packets in plain text, all types, right numbers, both ways", n), "0 effects on any counter or byte, 0 replies")
			}
		})
	}
}

// quiet returns c with nothing that an idle connection does by itself.
func quiet(c *udt.Config) *udt.Config {
	c.KeepAlivePeriod, c.IdleTimeout = -1, -1
	return c
}

// A03, A04, A08, A09, A14, A16, A20: whoever knows addresses, IDs and all numbers but
// not the keys does nothing to a transfer with his control packets.
func TestA20ForgedControlWithoutKeys(t *testing.T) {
	inLab(t, simnet.Link{Delay: 5 * time.Millisecond, Rate: 100e6, Queue: 500}, func(l *lab) {
		a, b, ids, _, _ := protectedLab(l, nil)
		r := rand.New(rand.NewPCG(20, 20))
		kinds := sortedAttacks()
		perTick := 10
		if *attacksLong {
			perTick = 50
		}
		sent := [2]uint64{}
		conns, addrs := []*udt.Conn{a, b}, []netip.AddrPort{addrA, addrB}
		stop := l.every(time.Millisecond, func() {
			for range perTick {
				for i := range 2 {
					number := uint32(1000) + r.Uint32N(700)
					p := kinds[r.IntN(len(kinds))](r, ids[i])
					if r.IntN(2) == 0 {
						ps := forgeries(ids[i], number)
						p = ps[forgeryNames[r.IntN(len(forgeryNames))]]
					}
					if len(p) < wire.HeaderLen || len(p) > 200 {
						continue
					}
					if !wire.IsHandshake(p) {
						sent[i]++
					}
					l.net.Inject(p, addrs[1-i], addrs[i])
				}
			}
		})
		start := time.Now()
		exchange(l, a, b, 1<<20)
		took := time.Since(start)
		stop()
		settle()
		for i, c := range conns {
			s := c.Stats()
			require.LessOrEqual(l, rejected(c), sent[i])
			require.Greater(l, rejected(c), sent[i]*9/10, "but for those that the link dropped")
			require.Zero(l, s.Malformed)
			require.Zero(l, s.PacketsDropped)
			require.Zero(l, s.MessagesExpired)
		}
		require.Less(l, took, 5*time.Second)
		require.NoError(l, a.Close())
		n, err := drain(b)
		require.NoError(l, err)
		require.Zero(l, n)
		row(t, "A03 A04 A08 A09 A14 A16 A20", fmt.Sprintf("protected: %d forged control packets of all kinds, right numbers, during a transfer", sent[0]+sent[1]),
			"0 effects, data intact, %d counted", rejected(a)+rejected(b))
	})
}

var forgeryNames = func() (names []string) {
	for name := range forgeries(1, 1000) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}()

// A24: what crosses the network shows neither content nor numbers nor types: the
// twelve masked bytes of the header, and all behind it, look random.
func TestA24PassiveObserver(t *testing.T) {
	marker := []byte("the secret that is looked for, once more and once more: ")
	n := max(packets(100_000), 2000)
	inLab(t, fastLink, func(l *lab) {
		a, b, ids, w, opening := protectedLab(l, nil)
		want := bytes.Repeat(marker, n*1440/len(marker))
		go func() {
			_, _ = a.Write(want)
			a.Close()
		}()
		got, err := io.ReadAll(b)
		require.NoError(l, err)
		require.True(l, bytes.Equal(want, got))
		seen := w.take()
		for _, p := range append(opening, seen...) {
			require.False(l, bytes.Contains(p.b, marker[:8]))
			require.False(l, bytes.Contains(p.b, []byte("secret")))
			require.False(l, bytes.Contains(p.b, []byte("test")), "the identity of the key")
		}
		var bits [96]float64
		var first, body [256]float64
		ascents, steps, count := 0, 0, 0
		last := uint32(0)
		for _, p := range seen {
			require.False(l, wire.IsHandshake(p.b), "the exchange is over")
			require.Contains(l, ids, wire.Dest(p.b), "the ID is in the clear")
			if p.from != addrA {
				continue
			}
			for i := range bits {
				bits[i] += float64(p.b[i/8] >> (i % 8) & 1)
			}
			for _, v := range p.b[:12] {
				first[v]++
			}
			for _, v := range p.b[16:] {
				body[v]++
			}
			word := binary.BigEndian.Uint32(p.b)
			if count > 0 && word > last {
				ascents++
			}
			if count > 0 && (word == last+1 || word == last) {
				steps++
			}
			last = word
			count++
		}
		require.GreaterOrEqual(l, count, n)
		chi := 0.0
		for _, k := range bits {
			d := k - float64(count)/2
			chi += d * d / (float64(count) / 4)
		}
		require.Less(l, chi, chiSquareLimit(len(bits)), "bits of the header")
		require.Less(l, chiSquare(first[:]), chiSquareLimit(255), "bytes of the header")
		require.Less(l, chiSquare(body[:]), chiSquareLimit(255), "bytes behind it")
		sd := math.Sqrt(float64(count) / 12)
		require.Less(l, math.Abs(float64(ascents)-float64(count)/2), 6*sd, "numbers do not ascend")
		require.LessOrEqual(l, steps, 1)
		row(t, "A24", fmt.Sprintf("passive: %d packets captured", len(seen)),
			"marker not found; header bits chi-square %.0f (96 degrees of freedom), bytes %.0f, ciphertext %.0f (255)", chi, chiSquare(first[:]), chiSquare(body[:]))
	})
}

func chiSquare(bins []float64) (chi float64) {
	sum := 0.0
	for _, n := range bins {
		sum += n
	}
	expect := sum / float64(len(bins))
	for _, n := range bins {
		chi += (n - expect) * (n - expect) / expect
	}
	return chi
}

// chiSquareLimit is what random data exceed once in a billion runs: the keys are
// others in each.
func chiSquareLimit(degrees int) float64 {
	k := float64(degrees)
	f := 1 - 2/(9*k) + 6*math.Sqrt(2/(9*k))
	return k * f * f * f
}

// A25: a packet of which any bit was flipped is not taken; as it was it still is.
func TestA25FlippedBits(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		a, b, _, w, _ := protectedLab(l, nil)
		var caught []byte
		w.set(func(p []byte, from, _ netip.AddrPort) bool {
			if from == addrA && len(p) == 1472 && caught == nil {
				caught = append([]byte(nil), p...)
				return true
			}
			return false
		})
		write(l, a, 100_000)
		l.requireRead(b, 100_000)
		settle()
		require.NotNil(l, caught)
		w.set(nil)
		before, refused, unknown, replies := still(b), rejected(b), b.Endpoint().Stats().UnknownIDs, l.sentTo(addrB, addrA)
		n := 8 * len(caught)
		l.flood(n, 500, time.Millisecond, func(i int) {
			caught[i/8] ^= 1 << (i % 8)
			l.net.Inject(caught, addrA, addrB)
			caught[i/8] ^= 1 << (i % 8)
		})
		ids := b.Endpoint().Stats().UnknownIDs - unknown
		require.EqualValues(l, 32, ids, "those of the ID")
		require.EqualValues(l, n-32, rejected(b)-refused)
		require.Equal(l, before, still(b))
		require.Equal(l, replies, l.sentTo(addrB, addrA))
		l.net.Inject(caught, addrA, addrB)
		settle()
		require.EqualValues(l, n-32, rejected(b)-refused)
		require.Equal(l, before.PacketsReceived+1, b.Stats().PacketsReceived)
		l.requireAlive(a, b)
		row(t, "A25", fmt.Sprintf("each of %d bits of a packet flipped", n), "0 accepted; the packet itself is")
	})
}

// A26: no cut of a packet, and no forged or repeated end of a connection, is taken,
// and a stream whose end is missing never ends with a clean EOF.
func TestA26Truncation(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		a, b, _, w, _ := protectedLab(l, nil)
		var caught []byte
		w.set(func(p []byte, from, _ netip.AddrPort) bool {
			if from == addrA && len(p) == 1472 && caught == nil {
				caught = append([]byte(nil), p...)
			}
			return false
		})
		write(l, a, 100_000)
		l.requireRead(b, 100_000)
		settle()
		before, refused := still(b), rejected(b)
		l.flood(len(caught)-16, 500, time.Millisecond, func(i int) { l.net.Inject(caught[:16+i], addrA, addrB) })
		require.EqualValues(l, len(caught)-16, rejected(b)-refused)
		require.Equal(l, before, still(b))

		// The end of an earlier connection between the same addresses.
		w.set(nil)
		w.take()
		e := a.Endpoint()
		a2, b2 := l.dial(e, psk(udt.ModeStream), l.listener)
		settle()
		w.take()
		require.NoError(l, a2.Close())
		_, err := drain(b2)
		require.NoError(l, err)
		require.NoError(l, b2.Close())
		settle()
		ends := sealedOnly(w.take())
		require.NotEmpty(l, ends)
		before, refused = still(b), rejected(b)
		for _, p := range ends {
			for _, id := range []uint32{wire.Dest(caught)} {
				binary.BigEndian.PutUint32(p.b[12:], id)
				l.net.Inject(p.b, addrA, addrB)
			}
		}
		settle()
		require.EqualValues(l, len(ends), rejected(b)-refused)
		require.Equal(l, before, still(b))
		l.requireAlive(a, b)
		row(t, "A26", fmt.Sprintf("%d cuts of a packet, %d packets of another connection's end", len(caught)-16, len(ends)), "0 accepted, the connection lives")
	})
	// The tail is dropped on the path, and the sender gives up: whatever the receiver
	// is told, or not told, is an error.
	for _, end := range []string{"abort", "linger", "silence"} {
		inLab(t, fastLink, func(l *lab) {
			config := psk(udt.ModeStream)
			config.IdleTimeout = 5 * time.Second
			a, b, _, w, _ := protectedLab(l, config)
			write(l, a, 10_000)
			l.requireRead(b, 10_000)
			w.set(func(p []byte, from, _ netip.AddrPort) bool {
				return from == addrA && (len(p) > 200 || end == "silence")
			})
			write(l, a, 50_000)
			settle()
			switch end {
			case "abort":
				require.NoError(l, a.Abort())
			case "linger":
				require.NoError(l, a.SetLinger(1))
				a.Close()
			}
			n, err := drain(b)
			require.Error(l, err, "%s: a truncated stream ended clean", end)
			require.False(l, errors.Is(err, io.EOF))
			require.Zero(l, n)
			if end == "abort" {
				row(t, "A26", "tail of a stream dropped, then the sender aborts, its linger ends, or it falls silent", "never a clean EOF: %v", errors.Unwrap(err))
			}
		})
	}
}

// A27: all that was captured again, shuffled, does nothing and is not answered.
func TestA27Replay(t *testing.T) {
	inLab(t, simnet.Link{Delay: 2 * time.Millisecond, Rate: 500e6, Queue: 10_000}, func(l *lab) {
		a, b, _, w, opening := protectedLab(l, nil)
		n := packets(500_000) * 1440 / 4
		exchange(l, a, b, n)
		settle()
		seen := append(opening, w.take()...)
		l.net.SetFilter(nil)
		l.net.SetDefault(simnet.Link{Delay: 2 * time.Millisecond}) // all of it arrives
		rand.New(rand.NewPCG(27, 27)).Shuffle(len(seen), func(i, j int) { seen[i], seen[j] = seen[j], seen[i] })
		before := [2]udt.Stats{still(a), still(b)}
		refused := rejected(a) + rejected(b)
		sent := l.sentTo(addrA, addrB) + l.sentTo(addrB, addrA)
		caught := len(seen)
		seen = slices.Repeat(seen, 4)
		sealed := len(sealedOnly(seen))
		l.flood(len(seen), 200, 2*time.Millisecond, func(i int) { l.net.Inject(seen[i].b, seen[i].from, seen[i].to) })
		settle()
		require.EqualValues(l, sealed, rejected(a)+rejected(b)-refused)
		require.Equal(l, before, [2]udt.Stats{still(a), still(b)})
		// Inductions are answered: they keep nothing.
		inductions := 0
		for _, p := range seen {
			if h, ok := bodyOf(p.b); ok && p.to == addrB && h.Request == wire.RequestInduction {
				inductions++
			}
		}
		require.EqualValues(l, len(seen)+inductions, l.sentTo(addrA, addrB)+l.sentTo(addrB, addrA)-sent, "nothing else was sent")
		l.requireAlive(a, b)
		row(t, "A27", fmt.Sprintf("%d captured packets again, both ways, shuffled, four times", caught), "0 delivered twice, 0 effects, 0 replies but %d to requests for a cookie", inductions)
	})
}
