package udt_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// The attack suite: one test per attack, in a simulated network with forged
// sources. Each asserts its counters. With
//
//	go test ./udt -run '^TestA[0-9]' -v
//
// it prints the table in SECURITY.md; -attacks.long sends as many packets as that
// says.
var attacksLong = flag.Bool("attacks.long", false, "send full numbers of hostile packets")

// packets returns how many packets an attack of n sends.
func packets(n int) int {
	if *attacksLong {
		return n
	}
	return n / 100
}

// row prints a row of the table.
func row(t *testing.T, id, attack, outcome string, args ...any) {
	t.Helper()
	if testing.Verbose() && !t.Failed() {
		fmt.Printf("%s | %s | %s\n", id, attack, fmt.Sprintf(outcome, args...))
	}
}

// flood calls f n times, perTick of them every tick.
func (l *lab) flood(n, perTick int, tick time.Duration, f func(i int)) {
	for i := range n {
		f(i)
		if i%perTick == perTick-1 {
			synctest.Wait()
			time.Sleep(tick)
		}
	}
	synctest.Wait()
	time.Sleep(50 * time.Millisecond)
	synctest.Wait()
}

// fastLink is a path on which floods do not compete with what is measured.
var fastLink = simnet.Link{Delay: 5 * time.Millisecond}

// both runs f towards a peer of our own and one of the reference's kind.
func both(t *testing.T, link simnet.Link, f func(l *lab, config udt.Config)) {
	t.Helper()
	for _, config := range []udt.Config{{}, *legacy} {
		inLab(t, link, func(l *lab) { f(l, config) })
	}
}

// requireAlive requires that both directions still work, with their data intact.
func (l *lab) requireAlive(a, b *udt.Conn) {
	l.Helper()
	exchange(l, a, b, 100_000)
}

// A01: packets with the right socket IDs from wrong addresses reach nothing and
// are not answered.
func TestA01WrongSource(t *testing.T) {
	both(t, fastLink, func(l *lab, config udt.Config) {
		a, b, ids := hostileLab(l, config)
		r := rand.New(rand.NewPCG(1, 1))
		before, n := b.Stats(), packets(1_000_000)
		kinds := sortedAttacks()
		sent := 0
		l.flood(n, 200, time.Millisecond, func(i int) {
			p := kinds[i%len(kinds)](r, ids[1])
			if len(p) < wire.HeaderLen {
				return
			}
			from := addrC
			if i%2 == 0 {
				from = netip.AddrPortFrom(addrA.Addr(), addrA.Port()+1+uint16(i%1000))
			}
			l.net.Inject(p, from, addrB)
			sent++
		})
		s := b.Endpoint().Stats()
		require.EqualValues(l, sent, s.WrongSource)
		require.Equal(l, before.Malformed, b.Stats().Malformed)
		require.Equal(l, before.PacketsReceived, b.Stats().PacketsReceived)
		replies := l.net.LinkStats(addrB.Addr(), addrC.Addr()).Sent
		require.Zero(l, replies)
		l.requireAlive(a, b)
		if config.DisableExtensions {
			row(t, "A01", fmt.Sprintf("%d packets, right IDs, wrong source", sent), "0 accepted, %d replies", replies)
		}
	})
}

// A02: packets from the right address to random IDs reach nothing, are not
// answered, and take no throughput.
func TestA02RandomID(t *testing.T) {
	const size = 32 << 20 // a loss more or less is a round trip or two
	random := func(r *rand.Rand, kinds []attack) []byte {
		for {
			if p := kinds[r.IntN(len(kinds))](r, r.Uint32()>>1); len(p) >= wire.HeaderLen && len(p) < 100 {
				return p
			}
		}
	}
	// The same packets to a closed port take as much of the link.
	took := func(to netip.AddrPort) (d time.Duration, unknown uint64, n int) {
		inLab(t, simnet.Link{Delay: 5 * time.Millisecond, Rate: 100e6, Queue: 200}, func(l *lab) {
			a, b, _ := hostileLab(l, udt.Config{})
			r := rand.New(rand.NewPCG(1, 1))
			kinds := sortedAttacks()
			stop := l.every(time.Millisecond, func() {
				for range 10 {
					l.net.Inject(random(r, kinds), addrA, to)
					n++
				}
			})
			start := time.Now()
			exchange(l, a, b, size)
			d = time.Since(start)
			stop()
			time.Sleep(50 * time.Millisecond)
			unknown = b.Endpoint().Stats().UnknownIDs
		})
		return d, unknown, n
	}
	var calms, attackeds [3]time.Duration
	for i := range calms {
		var n int
		var unknown uint64
		calms[i], unknown, _ = took(netip.AddrPortFrom(addrB.Addr(), addrB.Port()+1))
		require.Zero(t, unknown)
		attackeds[i], unknown, n = took(addrB)
		require.InEpsilon(t, n, unknown, 0.1, "but for those that the queue of the link dropped")
	}
	calm, attacked := median(calms[:]), median(attackeds[:])
	require.Less(t, attacked, calm*105/100)
	n := packets(1_000_000)
	inLab(t, fastLink, func(l *lab) {
		a, b, _ := hostileLab(l, udt.Config{})
		r := rand.New(rand.NewPCG(2, 2))
		kinds := sortedAttacks()
		before := b.Stats()
		replies, known := l.sentTo(addrB, addrA), b.Endpoint().Stats()
		l.flood(n, 200, time.Millisecond, func(int) { l.net.Inject(random(r, kinds), addrA, addrB) })
		require.EqualValues(l, n, b.Endpoint().Stats().UnknownIDs-known.UnknownIDs)
		require.Equal(l, replies, l.sentTo(addrB, addrA))
		require.Equal(l, before.PacketsReceived, b.Stats().PacketsReceived)
		require.Equal(l, before.Malformed, b.Stats().Malformed)
		l.requireAlive(a, b)
	})
	row(t, "A02", fmt.Sprintf("%d packets to random IDs", n), "0 accepted, 0 replies; at 10000/s a transfer of %d MiB takes %v, with the same to a closed port %v", 2*size>>20, attacked.Round(time.Millisecond), calm.Round(time.Millisecond))
}

// sortedAttacks returns the makers of hostile packets in a fixed order.
func sortedAttacks() (kinds []attack) {
	for _, name := range []string{
		"random bytes", "control packets of all types", "NAKs of everything", "ACKs of what was never sent",
		"extended ACKs of what was never sent", "confirmations of ACKs", "drop requests", "handshakes", "data",
	} {
		kinds = append(kinds, attacks[name])
	}
	return kinds
}

// drawn returns n socket IDs and initial numbers as an endpoint draws them.
func drawn(t *testing.T, n int) (ids, numbers []uint32) {
	inLab(t, fastLink, func(l *lab) { ids, numbers = udt.DrawNumbers(l.endpoint(addrA), n) })
	return ids, numbers
}

// A05: socket IDs and initial numbers are distributed evenly, are as seldom the
// same as chance has it, and the obvious predictors never hit.
func TestA05NumbersAreUnpredictable(t *testing.T) {
	n := packets(10_000_000)
	ids, numbers := drawn(t, n)
	for name, values := range map[string][]uint32{"IDs": ids, "numbers": numbers} {
		seen := make(map[uint32]bool, n)
		same, hits := 0, 0
		var bins [256]int
		for i, v := range values {
			require.Zero(t, v>>31)
			if seen[v] {
				same++
			}
			seen[v] = true
			bins[v>>23]++
			if i > 1 {
				last, step := values[i-1], values[i-1]-values[i-2]
				if v == last+1 || v == last-1 || v == (last+step)&wire.NumberMask {
					hits++
				}
			}
		}
		expect := float64(n) / 256
		chi := 0.0
		for _, k := range bins {
			chi += (float64(k) - expect) * (float64(k) - expect) / expect
		}
		require.Less(t, chi, 420.0, "chi-square of %s with 255 degrees of freedom", name)
		require.Less(t, float64(same), 2*float64(n)*float64(n)/(2<<31)+20, name)
		require.LessOrEqual(t, hits, 1, name)
	}
	row(t, "A05", fmt.Sprintf("%d socket IDs and initial numbers", n), "evenly distributed, as many equal ones as chance has it, 0 predicted")
}

// A06: from the IDs of two connections the third's does not follow.
func TestA06HarvestedIDs(t *testing.T) {
	ids, numbers := drawn(t, 30_000)
	hits := 0
	for _, v := range [][]uint32{ids, numbers} {
		for i := 0; i+2 < len(v); i += 3 {
			for _, guess := range []uint32{v[i+1] + 1, v[i+1] - 1, 2*v[i+1] - v[i], v[i] ^ v[i+1]} {
				if v[i+2] == guess&wire.NumberMask {
					hits++
				}
			}
		}
	}
	require.Zero(t, hits)
	row(t, "A06", "third ID and number predicted from two, 20 000 times", "%d hits", hits)
}

// A07: data with the right address and ID but random numbers get in as seldom as
// the window is small; among our peers the transmission number must fit too.
func TestA07BlindData(t *testing.T) {
	n := packets(1_000_000)
	var got [2]uint64
	both(t, fastLink, func(l *lab, config udt.Config) {
		a, b, ids := hostileLab(l, config)
		r := rand.New(rand.NewPCG(7, 7))
		before := b.Stats()
		l.flood(n, 200, time.Millisecond, func(int) {
			p := make([]byte, wire.HeaderLen+1)
			(&wire.Data{Number: r.Uint32() >> 1, Boundary: wire.Solo, Message: 1, Time: r.Uint32(), Dest: ids[1]}).Put(p)
			l.net.Inject(p, addrA, addrB)
		})
		s := b.Stats()
		accepted := s.BytesReceived - before.BytesReceived
		require.EqualValues(l, n, s.PacketsReceived-before.PacketsReceived)
		if config.DisableExtensions {
			require.LessOrEqual(l, accepted, uint64(15))
			got[1] = accepted
		} else {
			require.Zero(l, accepted)
			l.requireAlive(a, b)
		}
	})
	row(t, "A07", fmt.Sprintf("%d data packets, right address and ID, random number", n), "%d accepted from our peers, %d from the reference's (limit: window/2^31 each)", got[0], got[1])
}
