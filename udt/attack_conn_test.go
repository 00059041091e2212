package udt_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// forgedShutdown is a Shutdown with both forms of body.
func forgedShutdown(r *rand.Rand, id uint32, full bool) []byte {
	body := make([]byte, 4)
	if full {
		body = make([]byte, wire.ShutdownLen)
		(&wire.Shutdown{Reason: wire.Reason(r.IntN(4)), Final: r.Uint32()}).Put(body)
	}
	return controlPacket(wire.TypeShutdown, r.Uint32N(2), id, body)
}

// A03: a Shutdown from the right address with the right ID ends nothing if it does
// not know the numbers, among our peers always, towards the reference's if
// Limits.ChallengeShutdown is set; a true one still ends the connection.
func TestA03ForgedShutdown(t *testing.T) {
	both(t, fastLink, func(l *lab, config udt.Config) {
		config.Limits.ChallengeShutdown = config.DisableExtensions
		a, b, ids := hostileLab(l, config)
		r := rand.New(rand.NewPCG(3, 3))
		l.net.Inject(forgedShutdown(r, ids[1], false), addrA, addrB)
		l.requireAlive(a, b)
		start := time.Now()
		l.flood(1000, 1, 5*time.Millisecond, func(i int) { l.net.Inject(forgedShutdown(r, ids[1], i%2 == 0), addrA, addrB) })
		seconds := time.Since(start).Seconds() + 1
		time.Sleep(time.Second)
		s := b.Stats()
		if config.DisableExtensions {
			require.NotZero(l, s.ShutdownsQuestioned)
			require.Equal(l, s.ShutdownsQuestioned, s.ShutdownsForged)
		}
		require.LessOrEqual(l, float64(s.ShutdownsQuestioned), 2*seconds+1)
		l.requireAlive(a, b)
		require.NoError(l, a.Close())
		start = time.Now()
		require.NoError(l, b.SetReadDeadline(start.Add(5*time.Second)))
		_, err := b.Read(make([]byte, 1))
		require.Equal(l, io.EOF, err, "a true one")
		peer, how := "our peers", ""
		if config.DisableExtensions {
			peer, how = "the reference's", fmt.Sprintf(", questioned %d times in %.0f s", s.ShutdownsQuestioned, seconds)
		}
		row(t, "A03", "1001 forged Shutdowns, towards "+peer, "connection lives%s; a true one ends it", how)
	})
	inLab(t, fastLink, func(l *lab) {
		_, b, ids := hostileLab(l, *legacy)
		l.net.Inject(controlPacket(wire.TypeShutdown, 0, ids[1], make([]byte, 4)), addrA, addrB)
		require.NoError(l, b.SetReadDeadline(time.Now().Add(time.Second)))
		_, err := b.Read(make([]byte, 1))
		require.Equal(l, io.EOF, err, "SECURITY.md says what is not promised")
	})
}

// A04: error signals and congestion warnings have no effect.
func TestA04ErrorSignals(t *testing.T) {
	both(t, fastLink, func(l *lab, config udt.Config) {
		a, b, ids := hostileLab(l, config)
		n := packets(100_000)
		l.flood(n, 100, time.Millisecond, func(i int) {
			l.net.Inject(controlPacket([]wire.Type{wire.TypeError, wire.TypeCongestionWarning}[i%2], wire.ErrorFileWrite, ids[0], make([]byte, 4)), addrB, addrA)
		})
		before := a.Stats()
		l.requireAlive(a, b)
		require.Zero(l, before.PacketsLostSend)
		if config.DisableExtensions {
			row(t, "A04", fmt.Sprintf("%d forged error signals and delay warnings", n), "no effect")
		}
	})
}

// A08: ACKs of what was never sent are dropped and end nothing.
func TestA08AckBeyondSent(t *testing.T) {
	both(t, fastLink, func(l *lab, config udt.Config) {
		a, b, ids := hostileLab(l, config)
		r := rand.New(rand.NewPCG(8, 8))
		n := packets(100_000) * 5
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.requireAlive(a, b)
		}()
		dropped := a.Stats().Malformed
		l.flood(n, 20, time.Millisecond, func(i int) {
			body := randomBytes(r, []int{16, 24, 48, 60}[i%4])
			if len(body) >= 48 {
				copy(body[24:], "UDX1")
			}
			l.net.Inject(controlPacket(wire.TypeAck, r.Uint32(), ids[0], body), addrB, addrA)
		})
		<-done
		dropped = a.Stats().Malformed - dropped
		require.InEpsilon(l, n, dropped, 0.01)
		l.requireAlive(a, b)
		if config.DisableExtensions {
			row(t, "A08", fmt.Sprintf("%d random ACKs during a transfer", n), "%d dropped, 0 closes, data intact", dropped)
		}
	})
}

// A09: light ACKs far ahead do not move the window.
func TestA09LightAckAhead(t *testing.T) {
	both(t, fastLink, func(l *lab, config udt.Config) {
		a, b, ids := hostileLab(l, config)
		r := rand.New(rand.NewPCG(9, 9))
		stop := l.every(time.Millisecond, func() {
			l.net.Inject(controlPacket(wire.TypeAck, 0, ids[0], binary.BigEndian.AppendUint32(nil, 100_000+r.Uint32N(1<<29))), addrB, addrA)
		})
		exchange(l, a, b, 2<<20)
		stop()
		require.NotZero(l, a.Stats().Malformed)
		if config.DisableExtensions {
			row(t, "A09", "light ACKs far ahead, 1000/s", "%d dropped, transfer completes", a.Stats().Malformed)
		}
	})
}

// resent notes when each packet of a connection from addrA is sent.
func (l *lab) resent() (shortest func() time.Duration) {
	last := map[uint32]time.Time{}
	least := time.Hour
	l.net.SetFilter(func(p []byte, from, _ netip.AddrPort) simnet.Verdict {
		if from == addrA && isData(p) {
			n := wire.ParseData(p).Number
			if at, ok := last[n]; ok {
				least = min(least, time.Since(at))
			}
			last[n] = time.Now()
		}
		return simnet.Pass
	})
	return func() time.Duration {
		l.net.SetFilter(nil)
		return least
	}
}

// A14: NAKs that name the whole window, again and again, make the sender send
// nothing faster than its pace, and no packet sooner than it can have been missed.
func TestA14NakBomb(t *testing.T) {
	for _, single := range []bool{true, false} {
		both(t, simnet.Link{Delay: 10 * time.Millisecond, Rate: 50e6, Queue: 200}, func(l *lab, config udt.Config) {
			a, b, ids := hostileLab(l, config)
			shortest := l.resent()
			var bombs int
			began := time.Now()
			stop := l.every(time.Millisecond, func() {
				if time.Since(began) > time.Second {
					return
				}
				first := 1000 + uint32(a.Stats().PacketsSent-a.Stats().PacketsRetransmitted)
				first -= min(uint32(a.Stats().InFlight), first-1000)
				var body []byte
				for i := range uint32(182) {
					if single {
						body = wire.AppendRange(nil, int64(first), int64(first)+int64(max(a.Stats().InFlight-1, 0)))
						break
					}
					body = wire.AppendRange(body, int64(first+2*i), int64(first+2*i))
				}
				for range 10 {
					l.net.Inject(controlPacket(wire.TypeNak, 0, ids[0], body), addrB, addrA)
					bombs++
				}
			})
			start := time.Now()
			exchange(l, a, b, 4<<20)
			took := time.Since(start)
			stop()
			least := shortest()
			s := a.Stats()
			require.GreaterOrEqual(l, least, 2*time.Millisecond, "single %v, %+v", single, s)
			require.Less(l, s.PacketsRetransmitted, uint64(took/(10*time.Millisecond))*200)
			require.Less(l, took, 20*time.Second)
			if single {
				row(t, "A14", fmt.Sprintf("%d NAKs of the whole window in 1 s, our peer %v", bombs, s.ExtendedPeer), "%d retransmissions of %d packets in %v, none within %v of the last; %d NAKs over budget", s.PacketsRetransmitted, s.PacketsSent, took.Round(time.Millisecond), least.Round(time.Millisecond), s.OverBudget)
			}
		})
	}
}

// A15: malformed NAKs are dropped without a retransmission.
func TestA15MalformedNaks(t *testing.T) {
	both(t, fastLink, func(l *lab, config udt.Config) {
		a, b, ids := hostileLab(l, config)
		l.requireAlive(a, b)
		before := a.Stats()
		r := rand.New(rand.NewPCG(15, 15))
		n := packets(100_000)
		words := func(w ...uint32) (b []byte) {
			for _, v := range w {
				b = binary.BigEndian.AppendUint32(b, v)
			}
			return b
		}
		makers := []func() []byte{
			func() []byte { return randomBytes(r, 1+r.IntN(3)) },                         // odd
			func() []byte { return words(1<<31 | 1001) },                                 // no end
			func() []byte { return words(1<<31|1005, 1001) },                             // reversed
			func() []byte { return words(1<<31|1005, 1<<31|1010) },                       // two beginnings
			func() []byte { return words(1<<31|(1<<31-5), 5) },                           // around the end
			func() []byte { return words(1<<31|1, 1<<31-1) },                             // everything
			func() []byte { return words(r.Uint32(), r.Uint32(), r.Uint32()) },           // anything
			func() []byte { return slices.Repeat(words(0x7FFF_0000), 360) },              // much
			func() []byte { return slices.Repeat(words(1<<31|0x4000_0000, 1<<29), 180) }, // much reversed
		}
		l.flood(n, 100, time.Millisecond, func(i int) {
			l.net.Inject(controlPacket(wire.TypeNak, 0, ids[0], makers[i%len(makers)]()), addrB, addrA)
		})
		s := a.Stats()
		require.Equal(l, before.PacketsRetransmitted, s.PacketsRetransmitted)
		require.Equal(l, before.PacketsLostSend, s.PacketsLostSend)
		l.requireAlive(a, b)
		if config.DisableExtensions {
			row(t, "A15", fmt.Sprintf("%d malformed NAKs", n), "0 retransmissions, no panic")
		}
	})
}

// A16: handshakes to a live connection are answered four times a second at most,
// but for a first few.
func TestA16HandshakeToLiveConnection(t *testing.T) {
	both(t, fastLink, func(l *lab, config udt.Config) {
		a, b, ids := hostileLab(l, config)
		var replies int
		l.net.SetFilter(func(p []byte, _, _ netip.AddrPort) simnet.Verdict {
			if wire.IsControl(p) && wire.ParseControl(p).Type == wire.TypeHandshake && wire.Dest(p) != 0 && wire.Dest(p) != 12345 {
				replies++
			}
			return simnet.Pass
		})
		injected := 0
		start := time.Now()
		n := packets(100_000)
		l.flood(n, 1, time.Millisecond, func(i int) {
			to, from, id := addrA, addrB, ids[0]
			if i%2 == 0 {
				to, from, id = addrB, addrA, ids[1]
			}
			h := hello(12345)
			h.Request = []wire.Request{1, 0, -1}[i%3]
			p := handshakePacket(&h)
			binary.BigEndian.PutUint32(p[12:], id)
			l.net.Inject(p, from, to)
			injected++
		})
		seconds := time.Since(start).Seconds()
		answers := replies - injected
		require.LessOrEqual(l, float64(answers), 2*(4*seconds+2), "of two connections")
		l.net.SetFilter(nil)
		l.requireAlive(a, b)
		if config.DisableExtensions {
			row(t, "A16", fmt.Sprintf("%d handshakes to two live connections in %.1f s", n, seconds), "%d replies", answers)
		}
	})
}

// transferOver sends 4 MiB each way over a link with a controller, with what comes back
// handled by meddle, and returns how long it took and the loss events.
func transferOver(t *testing.T, queue int, config udt.Config, meddle func(l *lab, p []byte, ids [2]uint32)) (took time.Duration, s udt.Stats) {
	inLab(t, simnet.Link{Delay: 20 * time.Millisecond, Rate: 50e6, Queue: queue}, func(l *lab) {
		a, b, ids := hostileLab(l, config)
		var mu sync.Mutex
		l.net.SetFilter(func(p []byte, from, _ netip.AddrPort) simnet.Verdict {
			if from == addrB && meddle != nil && wire.IsControl(p) && p[9] != 0xEE {
				p = slices.Clone(p)
				time.AfterFunc(0, func() {
					mu.Lock()
					defer mu.Unlock()
					meddle(l, p, ids)
				})
			}
			return simnet.Pass
		})
		start := time.Now()
		exchange(l, a, b, 4<<20)
		took, s = time.Since(start), a.Stats()
		l.net.SetFilter(nil)
	})
	return took, s
}

// A17: a receiver that divides its ACKs, or sends each many times, gains nothing,
// whatever the controller.
func TestA17AckDivision(t *testing.T) {
	again := func(l *lab, p []byte, _ [2]uint32) {
		if wire.ParseControl(p).Type == wire.TypeAck {
			p[9] = 0xEE // marks it in the unused time stamp: not to be repeated again
			for range 20 {
				l.net.Inject(p, addrB, addrA)
			}
		}
	}
	var before uint32
	divide := func(l *lab, p []byte, ids [2]uint32) {
		if wire.ParseControl(p).Type != wire.TypeAck {
			return
		}
		ack, err := wire.ParseAck(p[wire.HeaderLen:])
		if err != nil || ack.Form == wire.AckLight {
			return
		}
		for n := max(before, ack.Next-min(100, ack.Next)); n < ack.Next; n++ {
			q := controlPacket(wire.TypeAck, 0, ids[0], binary.BigEndian.AppendUint32(nil, n))
			q[9] = 0xEE
			l.net.Inject(q, addrB, addrA)
		}
		before = ack.Next
	}
	most, controllers := 0.0, 0
	for name, controller := range map[string]func() udt.CongestionControl{
		"Fathom": udt.NewFathom, "BBR": udt.NewBBR, "CUBIC": udt.NewCubic, "CTCP": udt.NewCTCP, "LEDBAT": udt.NewLEDBAT, "native": udt.NewNative,
	} {
		if !*attacksLong && name != "Fathom" && name != "CTCP" {
			continue
		}
		controllers++
		for _, extended := range []bool{true, false} {
			config := udt.Config{CongestionControl: controller, DisableExtensions: !extended}
			calm, _ := transferOver(t, 4000, config, nil)
			attacks := []func(*lab, []byte, [2]uint32){again}
			if !extended {
				attacks = append(attacks, divide)
			}
			for i, attack := range attacks {
				before = 0
				took, s := transferOver(t, 4000, config, attack)
				gain := float64(calm)/float64(took) - 1
				require.Less(t, gain, 0.05, "%s, extended %v, attack %d: %v instead of %v", name, extended, i, took, calm)
				require.Zero(t, s.OptimisticAcks)
				most = max(most, gain)
			}
		}
	}
	row(t, "A17", fmt.Sprintf("each ACK 20 times; 100 light ACKs for one; %d controllers, both kinds of peers, a path that does not lose", controllers), "rate gained: %.1f %% at most", 100*max(most, 0))
}

// A18: three loss reports in a row, each round trip for a second, do not keep a
// sender down.
func TestA18LossEvents(t *testing.T) {
	for name, controller := range map[string]func() udt.CongestionControl{"Fathom": udt.NewFathom, "CTCP": udt.NewCTCP} {
		for _, extended := range []bool{true, false} {
			config := udt.Config{CongestionControl: controller, DisableExtensions: !extended}
			calm, _ := transferOver(t, 170, config, nil)
			var began time.Time
			var last time.Time
			forged := 0
			took, _ := transferOver(t, 170, config, func(l *lab, p []byte, ids [2]uint32) {
				if began.IsZero() {
					began = time.Now()
				}
				ack, err := wire.ParseAck(p[wire.HeaderLen:])
				if wire.ParseControl(p).Type != wire.TypeAck || err != nil || time.Since(began) > time.Second || time.Since(last) < 40*time.Millisecond {
					return
				}
				last = time.Now()
				for i := range int64(3) {
					l.net.Inject(controlPacket(wire.TypeNak, 0, ids[0], wire.AppendRange(nil, int64(ack.Next)+i, int64(ack.Next)+i)), addrB, addrA)
					forged++
				}
			})
			require.NotZero(t, forged)
			// Towards the reference a window that loses half of itself each round trip
			// has to grow again.
			require.Less(t, took, calm+5*time.Second, "%s, extended %v", name, extended)
			row(t, "A18", fmt.Sprintf("%d forged NAKs in 1 s, 3 in a row, %s, our peer %v", forged, name, extended), "transfer of 8 MiB takes %v, without %v", took.Round(time.Millisecond), calm.Round(time.Millisecond))
		}
	}
}

// relay stands between a client and a listener and may change what the listener
// sends.
func (l *lab) relay(at, to netip.AddrPort, change func(p []byte) []byte) {
	pc := l.socket(at)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var client netip.AddrPort
		b := make([]byte, 64<<10)
		for {
			n, from, err := pc.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			p := b[:n]
			if from != to {
				client = from
				pc.WriteToUDPAddrPort(p, to)
				continue
			}
			if p = change(p); p != nil {
				pc.WriteToUDPAddrPort(p, client)
			}
		}
	}()
	l.Cleanup(func() {
		pc.Close()
		<-done
	})
}

// changeAcks changes the ACKs among what a listener sends.
func changeAcks(change func(a *wire.Ack)) func(p []byte) []byte {
	return func(p []byte) []byte {
		if !wire.IsControl(p) || wire.ParseControl(p).Type != wire.TypeAck {
			return p
		}
		a, err := wire.ParseAck(p[wire.HeaderLen:])
		if err != nil {
			return p
		}
		change(&a)
		return a.Append(slices.Clone(p[:wire.HeaderLen]))
	}
}

// A19: a receiver that acknowledges what has not arrived yet is found out by its
// counters, and an honest one is never taken for one.
func TestA19OptimisticReceiver(t *testing.T) {
	ahead := func(k uint32) func(a *wire.Ack) {
		return func(a *wire.Ack) {
			a.Next, a.HighNext, a.LargestTx, a.Received = a.Next+k, a.HighNext+k, a.LargestTx+k, a.Received+k
			a.Missing = nil
		}
	}
	slowest := time.Duration(0)
	trials := 0
	for name, lie := range map[string]func(a *wire.Ack){
		"10 packets ahead":           ahead(10),
		"a window ahead":             ahead(500),
		"ahead, with true counters":  func(a *wire.Ack) { a.Next += 10 },
		"counts what was not sent":   func(a *wire.Ack) { a.LargestTx += 1 << 20; a.Received += 1 << 20 },
		"counts more than it counts": func(a *wire.Ack) { a.Received = a.LargestTx + 1 },
	} {
		for seed := range max(packets(500), 1) {
			inLab(t, simnet.Link{Delay: 10 * time.Millisecond, Rate: 50e6, Queue: 200}, func(l *lab) {
				listener := l.listen(addrB, nil)
				l.relay(addrC, addrB, changeAcks(lie))
				a, err := l.endpoint(addrA).DialContext(context.Background(), "udt", addrC.String(), nil)
				require.NoError(l, err)
				b, err := listener.AcceptUDT()
				require.NoError(l, err)
				go io.Copy(io.Discard, b)
				time.Sleep(time.Duration(seed) * 7 * time.Millisecond)
				start := time.Now()
				require.NoError(l, a.SetDeadline(start.Add(5*time.Second)))
				for err == nil {
					_, err = a.Write(make([]byte, 64<<10))
				}
				require.ErrorIs(l, err, udt.ErrOptimisticACK, "%s: %+v", name, a.Stats())
				require.ErrorIs(l, err, udt.ErrProtocol)
				slowest = max(slowest, time.Since(start))
				trials++
				b.Abort()
			})
		}
	}
	honest := 0
	for seed := range max(packets(2500), 4) {
		link := simnet.Link{Delay: 10 * time.Millisecond, Rate: 50e6, Queue: 200, Loss: 0.01 * float64(seed%4), Reorder: 0.02 * float64(seed%3), ReorderDelay: 5 * time.Millisecond, Duplicate: 0.02 * float64(seed%2)}
		both(t, link, func(l *lab, config udt.Config) {
			a, b := l.pair(&config, &config)
			exchange(l, a, b, 1<<20)
			for _, c := range []*udt.Conn{a, b} {
				require.Zero(l, c.Stats().OptimisticAcks, "%+v", c.Stats())
				require.Zero(l, c.Stats().OverBudget)
				honest++
			}
		})
	}
	row(t, "A19", "receivers that acknowledge what has not arrived, in 5 ways", "%d of %d found out, the slowest after %v; of %d honest ones 0", trials, trials, slowest.Round(time.Millisecond), honest)
}

// A20: what a peer says of round trips and rates is bounded, and its lies do not
// stop a transfer.
func TestA20Lies(t *testing.T) {
	for _, v := range []uint32{1<<31 - 1, 1 << 31, 1<<32 - 1} {
		both(t, simnet.Link{Delay: 10 * time.Millisecond, Rate: 50e6, Queue: 200}, func(l *lab, config udt.Config) {
			config.CongestionControl = udt.NewNative
			listener := l.listen(addrB, &config)
			l.relay(addrC, addrB, changeAcks(func(a *wire.Ack) {
				a.RTT, a.RTTVar, a.RecvRate, a.Capacity, a.Delay, a.Clock = v, v, v, v, v, v
			}))
			a, err := l.endpoint(addrA).DialContext(context.Background(), "udt", addrC.String(), &config)
			require.NoError(l, err)
			b, err := listener.AcceptUDT()
			require.NoError(l, err)
			exchange(l, a, b, 1<<20)
			s := a.Stats()
			require.LessOrEqual(l, s.LinkCapacity, int64(1<<24*1500))
			require.LessOrEqual(l, s.RecvRate, int64(1<<24*1500))
			require.GreaterOrEqual(l, s.RecvRate, int64(0))
			require.Less(l, s.RTT, time.Second, "our own samples")
			require.GreaterOrEqual(l, s.MinRTT, time.Duration(0))
			b.Abort()
			a.Abort()
		})
	}
	row(t, "A20", "round trips, rates, delays of 2^31-1, -2^31 and -1 in every ACK", "bounded; transfers complete")
}

// A31: user-defined control packets of any size reach only a controller that wants
// them, and take nothing.
func TestA31UserControl(t *testing.T) {
	both(t, fastLink, func(l *lab, config udt.Config) {
		a, b, ids := hostileLab(l, config)
		r := rand.New(rand.NewPCG(31, 31))
		n := packets(100_000)
		before := l.heap()
		l.flood(n, 100, time.Millisecond, func(int) {
			p := controlPacket(wire.TypeUser, r.Uint32(), ids[1], make([]byte, r.IntN(2000)))
			binary.BigEndian.PutUint16(p[2:], uint16(r.Uint32()))
			l.net.Inject(p, addrA, addrB)
		})
		require.Less(l, int64(l.heap())-int64(before), int64(8<<20), "but for pools")
		l.requireAlive(a, b)
		if config.DisableExtensions {
			row(t, "A31", fmt.Sprintf("%d user-defined control packets of up to 2 kB", n), "no effect, %d over budget", b.Stats().OverBudget)
		}
	})
}

// A46: drop requests for any range cost no work in proportion to it, and drop
// nothing that is not in the window.
func TestA46DropRequests(t *testing.T) {
	for _, config := range []*udt.Config{messages, legacyMessages} {
		inLab(t, fastLink, func(l *lab) {
			a, b, ids := hostileLab(l, *config)
			r := rand.New(rand.NewPCG(46, 46))
			n := packets(100_000)
			before := b.Stats().Malformed
			l.flood(n, 100, time.Millisecond, func(i int) {
				first, last := farAway(r), farAway(r)
				switch i % 4 {
				case 0:
					first, last = 1000, 1<<30+r.Uint32N(1<<30)
				case 1:
					first, last = 0, 1<<31-1
				}
				body := binary.BigEndian.AppendUint32(nil, first)
				l.net.Inject(controlPacket(wire.TypeDropRequest, r.Uint32(), ids[1], binary.BigEndian.AppendUint32(body, last)), addrA, addrB)
			})
			s := b.Stats()
			require.EqualValues(l, n, s.Malformed-before)
			require.Zero(l, s.PacketsGivenUp)
			require.NoError(l, a.WriteMessage([]byte("x"), udt.MessageOptions{}))
			k, err := b.ReadMessage(make([]byte, 10))
			require.NoError(l, err)
			require.Equal(l, 1, k)
			if config == messages {
				row(t, "A46", fmt.Sprintf("%d drop requests of up to 2^31 packets", n), "0 obeyed, %d dropped as malformed", n)
			}
		})
	}
}

// A48: that one connection's questions are used up says nothing about another's,
// and changes nothing there.
func TestA48ChallengeBudgets(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		config := *legacy
		config.Limits.ChallengeShutdown = true
		var ids []uint32
		l.net.SetFilter(func(p []byte, from, _ netip.AddrPort) simnet.Verdict {
			if h, err := wire.ParseHandshake(p[min(len(p), wire.HeaderLen):]); err == nil && from == addrB && h.Request == wire.RequestConclusion {
				ids = append(ids, h.SocketID)
			}
			return simnet.Pass
		})
		listener, client := l.listen(addrB, &config), l.endpoint(addrA)
		_, b1 := l.dial(client, &config, listener)
		a2, b2 := l.dial(client, &config, listener)
		time.Sleep(time.Second)
		l.net.SetFilter(nil)
		require.Len(l, ids, 2)
		forge := func(id uint32) {
			l.net.Inject(controlPacket(wire.TypeShutdown, 0, id, make([]byte, 4)), addrA, addrB)
		}
		for range 50 {
			forge(ids[0])
			time.Sleep(time.Millisecond)
		}
		require.EqualValues(l, 1, b1.Stats().ShutdownsQuestioned)
		require.Zero(l, b2.Stats().ShutdownsQuestioned)
		forge(ids[1])
		time.Sleep(300 * time.Millisecond)
		require.EqualValues(l, 1, b2.Stats().ShutdownsQuestioned, "at once")
		require.EqualValues(l, 1, b2.Stats().ShutdownsForged)
		l.requireAlive(a2, b2)
		row(t, "A48", "50 forged Shutdowns to one connection, then one to another", "each is questioned at once, by its own budget")
	})
}
