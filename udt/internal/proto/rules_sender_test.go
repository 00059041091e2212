package proto

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Towards an extended peer word 2 counts transmissions, and a retransmission
// gets a number of its own; towards the reference it is a clock
// (../wire/SPEC.md#transmission-number).
func TestTransmissionNumber(t *testing.T) {
	l := newLone(t, true)
	l.write(5)
	for i, p := range l.poll() {
		require.EqualValues(t, i+1, wire.ParseData(p).Time)
	}
	l.now = l.now.Add(100 * time.Millisecond)
	l.ack(0, 5, 4, span{0, 1})
	out := l.poll()
	require.Equal(t, []int64{0}, numbers(out))
	require.EqualValues(t, 6, wire.ParseData(out[0]).Time)

	l = newLone(t, false)
	l.now = epoch.Add(5 * time.Second)
	l.write(1)
	for _, p := range l.poll() {
		require.True(t, wire.IsControl(p) || wire.ParseData(p).Time == 5_000_000)
	}
	require.EqualValues(t, 1, l.c.stats.PacketsSent)
}

// An ACK is asked for when the window becomes full, and when Close starts
// with data unacknowledged (SPEC.md#requested-acknowledgement).
func TestAckRequest(t *testing.T) {
	requests := func(out [][]byte) (n int) {
		for _, p := range ofType(out, wire.TypeKeepAlive) {
			if wire.ParseControl(p).Info == wire.KeepAliveAckRequest {
				n++
			}
		}
		return n
	}
	l := newLone(t, true)
	l.write(90)
	require.Zero(t, requests(l.poll()))
	l.write(20)
	require.Equal(t, 1, requests(l.poll()))
	l.now = l.now.Add(100 * time.Millisecond)
	l.ack(110, 100, 100)
	l.poll()
	l.c.Close(l.now)
	require.Equal(t, 1, requests(l.poll()))
}

// Samples are exact; a retransmission is no ambiguity, as each transmission
// has its number (SPEC.md#samples-from-an-extended-peer).
func TestExtendedSamples(t *testing.T) {
	l := newLone(t, true)
	l.write(10)
	require.Len(t, l.poll(), 10)
	require.Equal(t, 10, l.c.inFlight())
	l.now = l.now.Add(80 * time.Millisecond)
	l.ack(3, 10, 9, span{3, 4})
	require.Equal(t, 80*time.Millisecond, l.c.rtt.latest)
	require.Zero(t, l.c.inFlight())
	require.EqualValues(t, 9, l.c.send.delivered)
	require.EqualValues(t, 1, l.c.send.lost)
	require.Equal(t, 1, l.ctl.losses)
	require.Equal(t, []int64{3}, numbers(l.poll()))
	require.Equal(t, 1, l.c.inFlight())
	l.now = l.now.Add(60 * time.Millisecond)
	l.ack(10, 11, 10)
	require.Equal(t, 60*time.Millisecond, l.c.rtt.latest)
	require.EqualValues(t, 10, l.c.send.delivered)
	require.Zero(t, l.ctl.spurious)

	// Cumulative counters: a lost ACK costs nothing, an overtaken one is ignored.
	l.write(4)
	l.poll()
	l.now = l.now.Add(50 * time.Millisecond)
	l.ack(14, 15, 14)
	l.ack(12, 13, 12)
	require.EqualValues(t, 14, l.c.send.delivered)
	require.Equal(t, 50*time.Millisecond, l.c.rtt.latest)
}

// A loss taken back teaches how late packets come, and is reported as
// spurious (SPEC.md#repair).
func TestReorderingIsLearned(t *testing.T) {
	l := newLone(t, true)
	l.write(50)
	l.poll()
	l.now = l.now.Add(100 * time.Millisecond)
	l.ack(10, 20, 19, span{10, 11})
	require.Equal(t, 1, l.ctl.losses)
	l.now = l.now.Add(8 * time.Millisecond)
	l.ack(20, 20, 20)
	require.Equal(t, 1, l.ctl.spurious)
	require.Equal(t, 10*time.Millisecond, l.c.send.extended.reoWindow)
	l.poll()
	l.ack(30, 40, 39, span{30, 31})
	require.Equal(t, 1, l.ctl.losses, "has not lasted yet")
	require.Empty(t, numbers(l.poll()))
}

// An ACK of what was never sent is not believed in any part.
func TestImpossibleAcksAreIgnored(t *testing.T) {
	for _, extended := range []bool{true, false} {
		l := newLone(t, extended)
		l.write(10)
		l.poll()
		l.legacyAck(11, 1, 5000)
		require.EqualValues(t, loneFirst, l.c.send.buf.una)
		if extended {
			l.ack(5, 11, 5)
			require.Zero(t, l.c.send.delivered)
			l.ack(5, 5, 6)
			require.Zero(t, l.c.send.delivered)
		}
		l.nak(span{5, 11})
		l.nak(span{20, 30})
		require.Empty(t, numbers(l.poll()))
		require.GreaterOrEqual(t, l.c.stats.Malformed, uint64(3))
	}
}

// A NAK is clipped to what is outstanding; what was sent again a moment ago
// is not sent once more; lowest numbers go first, before new data
// (SPEC.md#repair).
func TestNakIsClippedAndOrdered(t *testing.T) {
	l := newLone(t, false)
	l.setWindow(30)
	l.write(40)
	require.Len(t, numbers(l.poll()), 30)
	l.now = l.now.Add(100 * time.Millisecond)
	l.legacyAck(5, 1, 5000)
	l.nak(span{20, 22}, span{3, 8})
	got := numbers(l.poll())
	require.Equal(t, []int64{5, 6, 7, 20, 21}, got[:5])
	l.now = l.now.Add(10 * time.Millisecond)
	l.nak(span{5, 8})
	require.Empty(t, numbers(l.poll()), "under way")
	l.now = l.now.Add(60 * time.Millisecond)
	l.nak(span{5, 8})
	require.Equal(t, []int64{5, 6, 7}, numbers(l.poll())[:3])
}

// A list of losses that names the same packets over and over costs no more
// than one that names them once.
func TestRepeatedRangesAreCheap(t *testing.T) {
	for _, extended := range []bool{true, false} {
		l := newLone(t, extended)
		l.setWindow(4000)
		for range 3 {
			l.write(100)
			l.poll()
		}
		l.now = l.now.Add(100 * time.Millisecond)
		var all []span
		for range 90 {
			all = append(all, span{0, 290})
		}
		if extended {
			l.ack(0, 300, 10, all...)
			require.EqualValues(t, 1, l.c.stats.Malformed)
		} else {
			l.nak(all...)
			require.EqualValues(t, 290, l.ctl.losses)
		}
		require.EqualValues(t, 290, l.c.send.losses.count)
	}
}

// The probe timer is rtt + max(4 rttvar, 2 ms) + ack delay; it sends the
// first unacknowledged packet and the highest one, and asks for an ACK; it
// doubles up to a second, and nothing but progress restarts it
// (SPEC.md#probes).
func TestProbeTimer(t *testing.T) {
	l := newLone(t, true)
	l.write(10)
	l.poll()
	base := l.c.rtt.rtt() + max(4*l.c.rtt.rttvar(), minProbeVariance) + maxAckDelay
	var times []time.Duration
	start := l.now
	for l.now.Sub(start) < 6*time.Second {
		out, at := l.run(50 * time.Millisecond)
		if n := numbers(out); len(n) > 0 {
			require.Equal(t, []int64{0, 9}, n)
			times = append(times, l.now.Sub(start)-50*time.Millisecond+at[0])
		}
		// Not put off by what says nothing of our data.
		l.handle(wire.TypeKeepAlive, 0, nil)
	}
	require.Equal(t, base, times[0])
	require.Equal(t, 2*base, times[1]-times[0])
	for i := 2; i < len(times); i++ {
		require.Equal(t, min(base<<i, time.Second), times[i]-times[i-1])
	}
	require.Equal(t, 1, l.ctl.timeouts, "after the third")
	require.Equal(t, stallWindow, l.c.congestionWindow())
	require.Zero(t, l.ctl.losses, "a probe marks nothing as lost")

	largest := uint32(l.c.send.txNext - 1)
	l.ack(5, largest, largest-12)
	require.Greater(t, l.c.congestionWindow(), stallWindow)
	l.poll()
	require.Zero(t, l.c.send.probe.count)
}

// Towards the reference the ACK of a full packet may take 100 ms
// (SPEC.md#probes).
func TestProbeTimerTowardsTheReference(t *testing.T) {
	for _, test := range []struct {
		irregular bool
		delay     time.Duration
	}{{false, legacyAckDelay}, {true, syncPeriod}} {
		l := newLone(t, false)
		l.c.rtt = rttEstimator{}
		l.c.rtt.sample(l.c.now, 10*time.Millisecond)
		l.write(2)
		if test.irregular {
			r := l.c.Reserve(10)
			l.c.Commit(l.now, &r, 10)
		}
		l.poll()
		out, at := l.run(200 * time.Millisecond)
		require.NotEmpty(t, numbers(out))
		require.Equal(t, l.c.rtt.rtt()+max(4*l.c.rtt.rttvar(), minProbeVariance)+test.delay, at[0])
	}
}

// Probes into a closed window go out every max(rtt, 50 ms), doubling to 500
// ms; they carry the first packet only and the controller is not told
// (SPEC.md#probes).
func TestProbesIntoAClosedWindow(t *testing.T) {
	l := newLone(t, true)
	l.write(20)
	l.poll()
	l.now = l.now.Add(100 * time.Millisecond)
	a := wire.Ack{Form: wire.AckExtended, Next: loneFirst + 18, Window: minWindow, LargestTx: 20, Received: 20, HighNext: loneFirst + 20}
	l.handle(wire.TypeAck, 0, a.Append(nil))
	l.write(5)
	require.True(t, l.c.closedWindow())
	out, at := l.run(3 * time.Second)
	var times []time.Duration
	for i := range out {
		if isData(out[i]) {
			require.EqualValues(t, 18, numbers(out[i : i+1])[0])
			times = append(times, at[i])
		}
	}
	require.Greater(t, len(times), 4)
	for i := 2; i < len(times); i++ {
		require.Equal(t, min(100*time.Millisecond<<i, maxClosedInterval), times[i]-times[i-1])
	}
	require.Zero(t, l.ctl.timeouts)
	require.Zero(t, l.ctl.losses)
}

// A sender that overran the window its peer turned out to have sends again what
// was refused, as soon as it is let in and without waiting for probes.
func TestRefusedPacketsAreSentAgain(t *testing.T) {
	s := newSim(t, 1, kind{})
	s.a.ctl.window = 200
	s.b.cfg.RecvBuffer = 40 * 1456
	s.inTime(400*1456, 400*time.Millisecond)
}

// A NAK says that all before the gap arrived, and that the packet behind it
// just did (SPEC.md#samples-from-a-legacy-peer).
func TestLegacyNakIsAnAck(t *testing.T) {
	l := newLone(t, false)
	l.write(20)
	l.poll()
	require.Equal(t, 20, l.c.inFlight())
	l.now = l.now.Add(30 * time.Millisecond)
	l.nak(span{8, 10})
	require.Equal(t, 30*time.Millisecond, l.c.rtt.latest)
	require.EqualValues(t, 9, l.c.send.delivered)
	require.Equal(t, 9, l.c.inFlight(), "11 to 19")
	require.Equal(t, 2, l.ctl.losses)
}

// An ACK point that stands where no NAK ever pointed means that the NAK was
// lost (SPEC.md#samples-from-a-legacy-peer).
func TestLostNakIsInferred(t *testing.T) {
	l := newLone(t, false)
	l.write(20)
	l.poll()
	l.now = l.now.Add(100 * time.Millisecond)
	l.nak(span{10, 11}) // the one for 4 was lost
	l.poll()
	l.now = l.now.Add(10 * time.Millisecond)
	l.legacyAck(4, 1, 5000)
	require.Equal(t, []int64{4}, numbers(l.poll()))
}

// A sender with ever new data notices a hole that its peer is silent about.
func TestSilentHoleUnderSteadyTraffic(t *testing.T) {
	s, u := withLibudt(t)
	s.b.out.drop = isType(wire.TypeNak)
	s.a.out.drop = firsts(1, func(p []byte) bool { return isData(p) && u.curr > u.first+20 })
	s.a.stream().total, s.a.stream().every, s.a.stream().chunk = 1e6, 20*time.Millisecond, 1000
	stalled, before := time.Duration(0), 0
	since := s.now
	for s.now < 10*time.Second {
		s.pass(10 * time.Millisecond)
		if len(u.got) > before {
			before, since = len(u.got), s.now
		}
		stalled = max(stalled, s.now-since)
	}
	require.Less(t, stalled, 700*time.Millisecond)
}

// A hole whose repair was lost too is repaired by a timer, ever more slowly,
// so that a lost ACK costs little (SPEC.md#hole-timer).
func TestHoleTimer(t *testing.T) {
	l := newLone(t, false)
	l.write(20)
	l.poll()
	l.now = l.now.Add(100 * time.Millisecond)
	l.nak(span{5, 6}, span{9, 10})
	l.legacyAck(5, 1, 5000)
	require.Equal(t, []int64{5, 9}, numbers(l.poll()))
	interval := l.c.spread() + holeMargin
	out, at := l.run(interval)
	require.Equal(t, []int64{5, 9}, numbers(out))
	require.Equal(t, interval, at[0])
	out, _ = l.run(4 * time.Second)
	require.NotContains(t, numbers(out), int64(9), "it is the first one, or its ACK")
	require.Less(t, len(numbers(out)), 16)
}

// What should have been reported by now is presumed delivered, and makes
// room, without the help of a packet (SPEC.md#samples-from-a-legacy-peer).
func TestPresumedDelivery(t *testing.T) {
	l := newLone(t, false)
	l.setWindow(20)
	l.write(30)
	require.Len(t, numbers(l.poll()), 20)
	spread := l.c.spread()
	out, at := l.run(spread + presumeMargin)
	require.Len(t, numbers(out), 10)
	require.Equal(t, spread+presumeMargin, at[0])
}

// What the network refused is as if it had never been sent (SPEC.md#sending).
func TestRefusedDatagramsAreForgotten(t *testing.T) {
	for _, extended := range []bool{true, false} {
		l := newLone(t, extended)
		l.write(20)
		var b Batch
		require.True(t, poll(l.c, l.now, &b))
		n := b.Packets()
		l.c.Sent(l.now, &b, 5)
		require.Greater(t, n, 5)
		require.Equal(t, 5, l.c.inFlight())
		require.EqualValues(t, loneFirst+5, l.c.send.buf.next)
		require.EqualValues(t, 5, l.c.stats.PacketsSent)
		require.Equal(t, StopSocket, l.c.Info().Stopped)
		require.NoError(t, invariants(l.c))
		require.Equal(t, span64(5, 20), numbers(l.poll()))
		require.EqualValues(t, 20, l.c.stats.PacketsSent)
	}
}

// The same for a retransmission: it stays due.
func TestRefusedRetransmissionStaysDue(t *testing.T) {
	l := newLone(t, true)
	l.write(10)
	l.poll()
	l.now = l.now.Add(100 * time.Millisecond)
	l.ack(2, 10, 9, span{2, 3})
	var b Batch
	for range 3 {
		require.True(t, poll(l.c, l.now, &b))
		l.c.Sent(l.now, &b, 0)
	}
	require.Equal(t, []int64{2}, numbers(l.poll()))
}

// A sender that wakes late makes up for it, one that was stopped by something
// else than pacing earns no more than a burst. Bursts leave whole
// (SPEC.md#pacing).
func TestPacingCredit(t *testing.T) {
	var p pacer
	const period = 100 * time.Microsecond
	now := time.Second
	require.Equal(t, 1, p.credit(now, period, 4, 1)-int((minLateness+4*period)/period), "bounded however late")
	p.next = now
	p.sent(4, period)
	require.Zero(t, p.credit(now, period, 4, 1))
	require.Equal(t, now+4*period+3*period, p.due(period, 4))
	p.wake = 0
	require.Equal(t, 1, p.credit(now+4*period, period, 4, 1), "there is no more to send")
	require.Zero(t, p.credit(now+6*period, period, 4, 4), "an early wake does not break a burst up")
	require.Equal(t, 4, p.credit(now+7*period, period, 4, 4))
	p.paused = true
	require.Equal(t, 4, p.credit(now+20*period, period, 4, 4), "an ACK that opens the window releases one burst")
	p.sent(4, period)
	p.paused = true
	require.Zero(t, p.credit(now+22*period, period, 4, 4), "and the next one when it is due")
	require.Equal(t, fastBurst, p.credit(now, 0, 4, 4))
}

// A burst is a millisecond's worth, from 2 to 16 packets; up to 44 where
// nothing else would do (SPEC.md#pacing).
func TestBurst(t *testing.T) {
	const rtt = 100 * time.Millisecond
	require.Equal(t, 2, burstSize(time.Millisecond, 1472, rtt))
	require.Equal(t, 10, burstSize(100*time.Microsecond, 1472, rtt))
	require.Equal(t, 16, burstSize(10*time.Microsecond, 1472, rtt))
	require.Equal(t, 44, burstSize(5*time.Microsecond, 1472, rtt))
	require.Equal(t, 44, burstSize(100*time.Microsecond, 1472, 500*time.Microsecond))
}

// The rate is kept, and never exceeded by more than a burst (SPEC.md#pacing).
func TestPacedRate(t *testing.T) {
	for _, k := range streams() {
		s := newSim(t, 1, k)
		s.a.ctl.window, s.a.ctl.pacing = 1000, 1_000_000
		var at []time.Duration
		s.a.out.tap = func(p []byte) {
			if isData(p) {
				at = append(at, s.now)
			}
		}
		s.b.app = &streamApp{}
		s.transfer(1_000_000, 0, 20*time.Second)
		took := (at[len(at)-1] - at[0]).Seconds()
		require.InDelta(t, 1.01, took, 0.03, "%v", k)
		for i := range at {
			for _, n := range []int{20, 100} {
				if i+n < len(at) {
					least := time.Duration(float64(n-maxBurst-2) * 1472 / 1e6 * 1e9)
					require.GreaterOrEqual(t, at[i+n]-at[i], least, "%v: packets %d to %d", k, i, i+n)
				}
			}
		}
	}
}

// MaxBandwidth holds whatever the controller wants.
func TestMaxBandwidth(t *testing.T) {
	s := newSim(t, 1, kind{})
	s.a.ctl.window = 1000
	s.a.cfg.MaxBandwidth = 500_000
	b := &streamApp{}
	s.b.app = b
	s.transfer(500_000, 0, 20*time.Second)
	require.InDelta(t, 1.0, (b.doneAt - s.b.born).Seconds(), 0.1)
}

// Towards the reference a packet pair starts at each number that is a
// multiple of 16 (SPEC.md#sending).
func TestPacketPair(t *testing.T) {
	l := newLone(t, false)
	l.c.send.pacer.next = l.c.now
	l.ctl.pacing = 100_000
	l.c.cc.PacingRate = 100_000
	l.write(64)
	for range 100 {
		got := numbers(l.poll())
		for i, n := range got {
			if (n+loneFirst)%16 == 0 {
				require.Less(t, i+1, len(got), "%d goes alone", n)
				require.Equal(t, n+1, got[i+1])
			}
		}
		if next := nextOf(l.c, l.now); !next.IsZero() {
			l.now = next
		}
		l.legacyAck(l.c.send.buf.next-loneFirst, 1, 5000)
	}
	require.Zero(t, l.c.Unsent())
}

// User-defined packets of a controller are sent, with a body even if it has
// none, and whatever their number never overflow a batch.
func TestUserControl(t *testing.T) {
	l := newLone(t, true)
	sizes := []int{0, 1000, 1000, 1000, 1000 - 80, 0, 0, 0}
	for i, n := range sizes {
		l.c.queueControl(9, uint32(i), make([]byte, n))
	}
	out := ofType(l.poll(), wire.TypeUser)
	require.Len(t, out, len(sizes))
	for i, p := range out {
		require.EqualValues(t, i, wire.ParseControl(p).Info)
		require.Len(t, p, wire.HeaderLen+max(sizes[i], wire.PadLen))
	}
}

// A NAK or an ACK never exceeds the negotiated MSS.
func TestControlPacketsFitTheMSS(t *testing.T) {
	for _, extended := range []bool{true, false} {
		l := newLone(t, extended, func(c *Config) { c.MSS = MinMSS })
		var numbers []int64
		for n := int64(1); n < 200; n += 2 {
			numbers = append(numbers, n)
		}
		l.data(50, numbers...)
		out, _ := l.run(2 * time.Second)
		require.NotEmpty(t, ofType(out, wire.TypeNak))
		for _, p := range out {
			require.LessOrEqual(t, len(p)+wire.UDPOverhead, MinMSS+wire.HandshakeLen)
			if isType(wire.TypeNak)(p) || isType(wire.TypeAck)(p) {
				require.LessOrEqual(t, len(p)+wire.UDPOverhead, MinMSS)
			}
		}
	}
}

// Whatever is due at the very first instant is done then.
func TestNothingIsForgottenAtTimeZero(t *testing.T) {
	l := newLone(t, false)
	require.True(t, l.now.Equal(epoch))
	l.data(100, 0)
	require.Len(t, ofType(l.poll(), wire.TypeAck), 1)
}
