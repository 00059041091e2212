package cc

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var _ Controller = (*Native)(nil)

// A nativeRig is a Native with its State and a clock that starts at Init.
type nativeRig struct {
	n     *Native
	s     State
	start time.Time
	now   time.Duration
}

func (r *nativeRig) init(draw func() float64) {
	r.start = time.Unix(1_000_000, 0)
	r.n = NewNative(draw)
	r.n.Init(r.start, &r.s)
}

func (r *nativeRig) at() time.Time { return r.start.Add(r.now) }

func (r *nativeRig) ackAt(at time.Duration, upTo int64) {
	r.now = at
	r.n.OnAck(r.at(), &r.s, &AckSample{UpTo: upTo, Packets: 1})
}

// ack is an ACK one control interval after the last event.
func (r *nativeRig) ack(upTo int64) { r.ackAt(r.now+10*time.Millisecond, upTo) }

func (r *nativeRig) lose(next int64, first ...int64) {
	l := LossSample{Packets: 1}
	for _, f := range first {
		l.Ranges = append(l.Ranges, PacketRange{First: f, End: f + 1})
	}
	r.s.NextPacket = next
	r.n.OnLoss(r.at(), &r.s, &l)
}

func (r *nativeRig) timeout() { r.n.OnTimeout(r.at(), &r.s) }

func one() float64 { return 1 }

// newRig has packet numbers from 1, an RTT of 90 ms, so that RTT + C is 100 ms,
// and a peer that has not reported rates.
func newRig() *nativeRig {
	r := &nativeRig{s: State{MSS: 1500, NextPacket: 1, PeerRTT: 90 * time.Millisecond, MaxWindow: 1000}}
	r.init(one)
	return r
}

// ratedRig is past slow start, at 100 microseconds, 10000 packets/s.
func ratedRig(capacity int) *nativeRig {
	r := newRig()
	r.s.RecvRate, r.s.LinkCapacity = 10000, capacity
	r.timeout()
	return r
}

func TestNativeInit(t *testing.T) {
	r := newRig()
	require.Equal(t, time.Microsecond, r.s.SendPeriod)
	require.Equal(t, 16, r.s.Window)
	require.Zero(t, r.s.AckPeriod, "the default is the reference's 10 ms")
	require.Zero(t, r.s.PacingRate, "it would override the period")
}

func TestNativeInitForgetsAnEarlierConnection(t *testing.T) {
	r := ratedRig(100000)
	r.lose(50, 10)
	r.s.NextPacket, r.s.RecvRate = 1, 0
	r.n.Init(r.at(), &r.s)
	fresh := newRig()
	for _, upTo := range []int64{20, 40, 60} {
		r.ack(upTo)
		fresh.ack(upTo)
		require.Equal(t, fresh.s.Window, r.s.Window)
		require.Equal(t, fresh.s.SendPeriod, r.s.SendPeriod)
	}
}

func TestNativeSlowStartGrowsByWhatIsAcknowledged(t *testing.T) {
	r := newRig()
	r.ack(17) // packets 1 to 16; the reference counts two more the first time
	require.Equal(t, 16+18, r.s.Window)
	r.ack(51) // 34 packets, and one more
	require.Equal(t, 34+35, r.s.Window)
	require.Equal(t, time.Microsecond, r.s.SendPeriod, "no pacing in slow start")
}

func TestNativeSlowStartIgnoresAcksThatDoNotAdvance(t *testing.T) {
	r := newRig()
	r.ack(17)
	r.ack(17)
	r.ack(5)
	require.Equal(t, 34, r.s.Window)
	r.ack(18)
	require.Equal(t, 36, r.s.Window)
}

func TestNativeUsesOneAckPerControlInterval(t *testing.T) {
	const ms = time.Millisecond
	r := newRig()
	r.ackAt(10*ms-1, 10)
	require.Equal(t, 16, r.s.Window, "too early after Init")
	r.ackAt(10*ms, 10)
	require.Equal(t, 27, r.s.Window)
	r.ackAt(20*ms-1, 20)
	require.Equal(t, 27, r.s.Window, "too early after the last one used")
	r.ackAt(20*ms+1, 20)
	require.Equal(t, 38, r.s.Window, "an unused ACK is made up for, and does not delay the next")
}

func TestNativeSlowStartEndsAboveTheMaximumWindow(t *testing.T) {
	// The exit sets the period, and the same ACK raises the rate by a step of some
	// packets per interval: P = P*C / (P*packets + C). While no capacity is
	// reported, as much as the rate counts as free.
	step := func(p, packets float64) time.Duration { return time.Duration(p * 1e4 / (p*packets + 1e4) * 1e3) }

	r := newRig()
	r.ack(983) // 16 + 984 = 1000
	require.Equal(t, 1000, r.s.Window)
	require.Equal(t, time.Microsecond, r.s.SendPeriod, "not above")

	r.ack(984)
	require.Equal(t, 1002, r.s.Window)
	require.InDelta(t, step(100_000.0/1002, 1), r.s.SendPeriod, 1, "(RTT+C)/W while the peer reports no rate")

	r = newRig()
	r.s.RecvRate = 5000
	r.ack(985)
	require.Equal(t, 1002, r.s.Window, "the window formula waits for the next ACK")
	require.InDelta(t, step(200, 0.1), r.s.SendPeriod, 1, "the rate that arrives")
	r.ack(986)
	require.Equal(t, 516, r.s.Window)
}

func TestNativeLossEndsSlowStartAtTheReceiveRate(t *testing.T) {
	r := newRig()
	r.s.RecvRate = 5000
	r.lose(50, 10)
	require.Equal(t, 200*time.Microsecond, r.s.SendPeriod, "no decrease on top")
	require.Equal(t, 16, r.s.Window)

	before := r.s.SendPeriod
	r.ack(20)
	require.Less(t, r.s.SendPeriod, before, "nor an ACK without increase")

	r.lose(60, 1)
	require.Equal(t, 225*time.Microsecond, r.s.SendPeriod, "nor an epoch: any packet begins one")
}

// The reference would fall to 16 packets/s, a period of 62.5 ms.
func TestNativeLossBeforeAnyRateIsAnOrdinaryDecrease(t *testing.T) {
	r := newRig()
	r.lose(50, 10)
	require.Equal(t, 7032*time.Microsecond, r.s.SendPeriod, "ceil(1.125 * 100 ms/16)")
	require.Equal(t, 16, r.s.Window)

	r.ack(20)
	require.Equal(t, 7032*time.Microsecond, r.s.SendPeriod, "one ACK without increase")
	r.ack(21)
	require.Less(t, r.s.SendPeriod, 7032*time.Microsecond)
}

func TestNativeKeepsTheWindowWhileTheRateIsUnknown(t *testing.T) {
	r := newRig()
	r.ack(101)
	require.Equal(t, 118, r.s.Window)
	r.lose(300, 150)
	r.ack(150)
	require.Equal(t, 118, r.s.Window)
	r.s.RecvRate = 3000
	r.ack(160)
	require.Equal(t, 316, r.s.Window)
}

func TestNativeWindowHoldsTheReceiveRate(t *testing.T) {
	r := ratedRig(0)
	r.ack(10)
	require.Equal(t, 1016, r.s.Window, "10000 packets/s over RTT + C = 100 ms, and 16")
}

func TestNativeTimeoutOnlyEndsSlowStart(t *testing.T) {
	r := newRig()
	r.timeout()
	require.Equal(t, 6250*time.Microsecond, r.s.SendPeriod, "(RTT+C)/W")

	r = newRig()
	r.s.RecvRate = 5000
	r.timeout()
	require.Equal(t, 200*time.Microsecond, r.s.SendPeriod, "the rate that arrives")
	require.Equal(t, 16, r.s.Window)

	r.s.RecvRate = 100
	r.timeout()
	require.Equal(t, 200*time.Microsecond, r.s.SendPeriod, "no effect after it")
	require.Equal(t, 16, r.s.Window)

	r.ack(20)
	require.Less(t, r.s.SendPeriod, 200*time.Microsecond, "the next ACK raises the rate: nothing was lost")
}

func TestNativeRoundTripTimeIsThePeersThenOurs(t *testing.T) {
	for _, c := range []struct {
		name          string
		peer, own     time.Duration
		wantPlusC     float64
		windowAt10000 int
	}{
		{"the peer's", 40 * time.Millisecond, 70 * time.Millisecond, 50_000, 516},
		{"our own before the peer's", 0, 70 * time.Millisecond, 80_000, 816},
		{"100 ms before either", 0, 0, 110_000, 1116},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig()
			r.s.PeerRTT, r.s.RTT = c.peer, c.own
			r.timeout()
			require.Equal(t, time.Duration(c.wantPlusC/16*1e3), r.s.SendPeriod)
			r.s.RecvRate = 10000
			r.ack(10)
			require.Equal(t, c.windowAt10000, r.s.Window)
		})
	}
}

// At 10000 packets/s of 1500 bytes. The step is a number of packets per control
// interval: a ten-thousandth of the decade above the free bits, in MSS.
func TestNativeIncreaseFollowsTheFreeCapacity(t *testing.T) {
	for _, c := range []struct {
		name     string
		capacity int
		packets  float64
	}{
		{"capacity unknown: as much again", 0, 1},
		{"capacity below the rate", 5000, 0.01},
		{"nothing free", 10000, 0.01},
		{"12 kbit/s free", 10001, 0.01},
		{"1.2 Mbit/s free", 10100, 0.01},
		{"9.6 Mbit/s free", 10800, 0.01},
		{"12 Mbit/s free", 11000, 0.1},
		{"96 Mbit/s free", 18000, 0.1},
		{"108 Mbit/s free", 19000, 1},
		{"1.2 Gbit/s free", 110000, 10},
		{"12 Gbit/s free", 1010000, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := ratedRig(c.capacity)
			// Above the rate of the last decrease, so that all of it counts.
			r.n.lastDecPeriod = 1e6
			r.ack(10)
			want := 100 * 1e4 / (100*c.packets + 1e4) * 1e3
			require.InDelta(t, want, r.s.SendPeriod, 1)
		})
	}
}

func TestNativeIncreaseBelowTheLastDecreaseCountsANinthOfTheLink(t *testing.T) {
	r := ratedRig(100000) // 90000 packets/s free, 1.08 Gbit/s; a ninth is 133 Mbit/s
	r.n.lastDecPeriod = 99
	r.ack(10)
	require.InDelta(t, 99_009, r.s.SendPeriod, 2, "1 packet per interval")

	r = ratedRig(100000)
	r.n.lastDecPeriod = 100
	r.ack(10)
	require.InDelta(t, 90_909, r.s.SendPeriod, 2, "10 packets per interval: the rate is not below")

	r = ratedRig(75000) // a ninth is just below 100 Mbit/s
	r.n.lastDecPeriod = 99
	r.ack(10)
	require.InDelta(t, 99_900, r.s.SendPeriod, 2, "0.1 packets per interval")

	r = ratedRig(10800) // 800 packets/s free, less than a ninth of the link
	r.n.lastDecPeriod = 99
	r.ack(10)
	require.InDelta(t, 99_990, r.s.SendPeriod, 2, "the smaller of the two")
}

// A logarithm in floating point may miss the powers of ten themselves.
func TestNextDecadeIsExact(t *testing.T) {
	check := func(x int64) {
		// The least n with 10^n >= x is the number of digits of x-1.
		digits := 0
		if x > 1 {
			digits = len(strconv.FormatInt(x-1, 10))
		}
		want, err := strconv.ParseFloat("1e"+strconv.Itoa(digits), 64)
		require.NoError(t, err)
		require.Equal(t, want, nextDecade(float64(x)), "%d", x)
	}
	for p := int64(1); p <= 1e15; p *= 10 {
		for _, d := range []int64{-1, 0, 1} {
			if p+d >= 1 {
				check(p + d)
			}
		}
	}
}

func TestNativeOneAckWithoutIncreaseAfterALoss(t *testing.T) {
	r := ratedRig(100000)
	r.lose(50, 10)
	require.Equal(t, 113*time.Microsecond, r.s.SendPeriod, "ceil(112.5)")
	r.ackAt(r.now+time.Millisecond, 15)
	r.ack(20)
	require.Equal(t, 113*time.Microsecond, r.s.SendPeriod, "the first ACK that is used")
	r.ack(30)
	require.Less(t, r.s.SendPeriod, 113*time.Microsecond)
}

// In the first epoch nothing thins the reports out: each decreases, up to the bound.
func TestNativeAtMostFourFurtherDecreasesInAnEpoch(t *testing.T) {
	r := ratedRig(0)
	var periods []time.Duration
	for range 8 {
		r.lose(101, 100)
		periods = append(periods, r.s.SendPeriod/time.Microsecond)
	}
	require.Equal(t, []time.Duration{113, 128, 144, 162, 183, 183, 183, 183}, periods)
}

func TestNativeLossAboveTheLastDecreaseBeginsAnEpoch(t *testing.T) {
	r := ratedRig(0)
	r.n.draw = func() float64 { return 0 }
	for range 6 {
		r.lose(101, 50)
	}
	require.Equal(t, 183*time.Microsecond, r.s.SendPeriod)

	r.lose(201, 100)
	require.Equal(t, 183*time.Microsecond, r.s.SendPeriod, "100 was the highest sent at the last decrease")
	r.lose(201, 101)
	require.Equal(t, 206*time.Microsecond, r.s.SendPeriod)
	r.lose(301, 200)
	require.Equal(t, 232*time.Microsecond, r.s.SendPeriod, "of the second epoch")
	r.lose(401, 300)
	require.Equal(t, 261*time.Microsecond, r.s.SendPeriod, "that decrease moved the mark to 300")
	r.lose(401, 401)
	require.Equal(t, 294*time.Microsecond, r.s.SendPeriod)
}

// Only the first range is looked at, as only the first word of a loss list is in
// the reference.
func TestNativeEpochGoesByTheFirstRange(t *testing.T) {
	r := ratedRig(0)
	for range 6 {
		r.lose(101, 50)
	}
	r.lose(201, 60, 150)
	require.Equal(t, 183*time.Microsecond, r.s.SendPeriod)
	r.lose(201, 150, 60)
	require.Equal(t, 206*time.Microsecond, r.s.SendPeriod)
}

func TestNativeLossOfUnknownPacketsBeginsAnEpochOnceMoreWasSent(t *testing.T) {
	r := ratedRig(0)
	for range 6 {
		r.lose(101)
	}
	require.Equal(t, 183*time.Microsecond, r.s.SendPeriod)
	r.lose(102)
	require.Equal(t, 206*time.Microsecond, r.s.SendPeriod)
}

// avgNak after an epoch of n reports is ceil(7/8 avgNak + n/8), and the draw
// chooses which reports of the next epoch count.
func TestNativeDrawThinsOutDecreases(t *testing.T) {
	for _, c := range []struct {
		draw float64
		want []time.Duration
	}{
		// In steps of 9/8, rounded up, from 100: 113 128 144 162 183 206 232 ...
		{0, []time.Duration{113, 128, 144, 162, 183}},   // every report
		{0.5, []time.Duration{113, 113, 113, 128, 128}}, // ceil(3.5) = 4: the fourth
		{1, []time.Duration{113, 113, 113, 113, 113}},   // 7: never reached
	} {
		r := ratedRig(0)
		r.n.draw = func() float64 { return c.draw }
		r.n.avgNak, r.n.nakCount = 7, 7
		var got []time.Duration
		for range 5 {
			r.lose(101, 50)
			got = append(got, r.s.SendPeriod/time.Microsecond)
		}
		require.Equal(t, c.want, got, "draw %v", c.draw)
	}
}

func TestNativeAveragesReportsPerEpoch(t *testing.T) {
	r := ratedRig(0)
	next := int64(101)
	for i, want := range []int{0, 1, 2, 3} { // ceil(7/8 avg + 5/8), decRandom staying 1 at draw 0
		r.n.draw = func() float64 { return 0 }
		for range 7 {
			r.lose(next, next-1)
		}
		require.Equal(t, want, r.n.avgNak, "epoch %d", i)
		require.Equal(t, 5, r.n.nakCount, "reports beyond the bound do not count")
		next += 100
	}
}

func TestNativeAverageForgetsAnEighthPerEpoch(t *testing.T) {
	r := ratedRig(0)
	r.n.avgNak, r.n.nakCount = 100, 4
	r.lose(101, 50)
	require.Equal(t, 88, r.n.avgNak, "87.5 and 0.5")
}

func TestNativeDrawsOncePerEpoch(t *testing.T) {
	draws := 0
	r := ratedRig(0)
	r.n.draw = func() float64 { draws++; return 0.5 }
	for range 9 {
		r.lose(101, 50)
	}
	require.Equal(t, 1, draws)
	r.lose(201, 101)
	require.Equal(t, 2, draws)
}

func TestNativeIgnoresLossesTakenBack(t *testing.T) {
	for _, r := range []*nativeRig{newRig(), ratedRig(100000)} {
		before := *r.n
		s := r.s
		r.n.OnLoss(r.at(), &r.s, &LossSample{Spurious: 3, Ranges: []PacketRange{{First: 5, End: 8}}})
		require.Equal(t, s.SendPeriod, r.s.SendPeriod)
		require.Equal(t, s.Window, r.s.Window)
		require.Equal(t, before.slowStart, r.n.slowStart)
		require.Equal(t, before.lossSeen, r.n.lossSeen)
	}
}

func TestNativeDecreaseIsOneNinthOfTheRate(t *testing.T) {
	r := newRig()
	r.s.RecvRate = 125 // 8 ms, a period without rounding
	r.timeout()
	r.lose(50, 10)
	require.Equal(t, 9*time.Millisecond, r.s.SendPeriod)
}

// Whatever is reported, the sender keeps a positive period and a window that
// can hold the first flight.
func TestNativeStaysInRange(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	extremes := []int{0, 1, 2, 16, 1000, 1 << 20, math.MaxInt32}
	for range 50 {
		r := newRig()
		r.n.draw = rnd.Float64
		next := int64(1)
		for range 400 {
			next += rnd.Int64N(100)
			r.s.NextPacket = next
			r.s.RecvRate = extremes[rnd.IntN(len(extremes))]
			r.s.LinkCapacity = extremes[rnd.IntN(len(extremes))]
			switch rnd.IntN(4) {
			case 0, 1:
				r.ack(rnd.Int64N(next))
			case 2:
				r.lose(next, rnd.Int64N(next))
			case 3:
				r.timeout()
			}
			require.GreaterOrEqual(t, r.s.SendPeriod, time.Nanosecond)
			require.GreaterOrEqual(t, r.s.Window, 16)
			require.False(t, math.IsNaN(r.n.period) || math.IsInf(r.n.period, 0))
		}
	}
}

func TestNativeAllocatesNothing(t *testing.T) {
	r := ratedRig(100000)
	l := LossSample{Packets: 1, Ranges: []PacketRange{{First: 5, End: 8}}}
	a := AckSample{UpTo: 10, Packets: 1}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		r.now += 10 * time.Millisecond
		r.n.OnAck(r.at(), &r.s, &a)
		r.n.OnLoss(r.at(), &r.s, &l)
	}))
}
