package cc

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	_ Controller      = (*BBR)(nil)
	_ RestartObserver = (*BBR)(nil)
)

// A bbrRig is a controller on a path of 100 ms, which it sees a round trip at a
// time. Each round trip is a little shorter than the one before, so that nothing
// makes ProbeRTT necessary.
type bbrRig struct {
	*bbr
	s      State
	t      time.Duration
	rounds int
}

const bbrPathRTT = 100 * time.Millisecond

func newBBRRig(b *bbr) *bbrRig {
	r := &bbrRig{bbr: b}
	r.s = State{MSS: 1500, RTT: bbrPathRTT, MinRTT: bbrPathRTT, MaxWindow: 1 << 20}
	b.Init(simStart, &r.s)
	return r
}

func draftRig() *bbrRig { return newBBRRig(&NewBBR(halfDraw).bbr) }

func halfDraw() float64 { return 0.5 }

func (r *bbrRig) at() time.Time { return simStart.Add(r.t) }

// round is a round trip in which n packets arrived at rate, told by one ACK.
func (r *bbrRig) round(n int, rate float64, change ...func(*AckSample)) {
	r.t += bbrPathRTT
	r.rounds++
	a := AckSample{
		Packets: n, RTT: bbrPathRTT - time.Duration(r.rounds), PriorDelivered: r.s.Delivered, TxInFlight: max(n, 1),
		Delivered: int64(n), Interval: time.Duration(float64(n) / rate * 1e9),
	}
	r.s.Delivered += int64(n)
	r.s.InFlight = n
	for _, f := range change {
		f(&a)
	}
	r.OnAck(r.at(), &r.s, &a)
}

func appLimited(a *AckSample)     { a.AppLimited = true }
func noRTT(a *AckSample)          { a.RTT = 0 }
func slower(a *AckSample)         { a.RTT = bbrPathRTT * 11 / 10 }
func lost(n int) func(*AckSample) { return func(a *AckSample) { a.LostSince = n } }

// lose reports n packets lost in as many ranges, of inFlight when they were
// sent.
func (r *bbrRig) lose(n, inFlight int) {
	l := LossSample{Packets: n, TxInFlight: inFlight, LostSince: n, RTT: bbrPathRTT}
	for i := range n {
		l.Ranges = append(l.Ranges, PacketRange{First: int64(2 * i), End: int64(2*i + 1)})
	}
	r.s.Lost += int64(n)
	r.OnLoss(r.at(), &r.s, &l)
}

func (r *bbrRig) takeBack(n int) {
	r.s.Lost -= int64(n)
	r.OnLoss(r.at(), &r.s, &LossSample{Spurious: n})
}

// until is rounds of n packets until the state is reached.
func (r *bbrRig) until(t *testing.T, state bbrState, n int, rate float64, change ...func(*AckSample)) {
	for i := 0; r.state != state; i++ {
		require.Less(t, i, 200, "in state %d", r.state)
		r.round(n, rate, change...)
	}
}

// cruising is past Startup and Drain: 1000 packets per second, 100 in flight.
func (r *bbrRig) cruising(t *testing.T) *bbrRig {
	for range 4 {
		r.round(150, 1000)
	}
	require.Equal(t, bbrDrain, r.state)
	r.round(99, 1000)
	require.Equal(t, bbrProbeBWCruise, r.state, "DOWN has nothing left to do")
	return r
}

// probing is in ProbeBW_UP.
func (r *bbrRig) probing(t *testing.T) *bbrRig {
	r.cruising(t)
	r.until(t, bbrProbeBWUp, 100, 1000)
	return r
}

// pace is State.PacingRate in packets per second.
func (r *bbrRig) pace() float64 { return float64(r.s.PacingRate) / 1472 }

func TestBBRBeginsWithTenPacketsAtTwiceTheirPace(t *testing.T) {
	r := draftRig()
	require.Equal(t, 10, r.s.Window)
	require.InDelta(t, 2.77*10/0.1, r.pace(), 1)
	require.Zero(t, r.s.MaxBurst, "the pacer chooses")
	require.Zero(t, r.s.RTO)
}

func TestBBRLearnsTheFirstPaceFromASampleIfTheHandshakeToldNone(t *testing.T) {
	r := &bbrRig{bbr: &NewBBR(halfDraw).bbr, s: State{MSS: 1500}}
	r.Init(simStart, &r.s)
	require.InDelta(t, 2.77*10/0.001, r.pace(), 1)
	r.round(2, 20)
	require.InDelta(t, 2.77*10/0.1, r.pace(), 1)
}

func TestBBRStartupDoublesUntilThePlateau(t *testing.T) {
	r := draftRig()
	rate := 100.0
	for range 4 {
		r.round(int(rate/10), rate)
		require.Equal(t, bbrStartup, r.state)
		require.InDelta(t, max(2.77*0.99*rate, 277), r.pace(), 1)
		rate *= 1.25
	}
	rate /= 1.25
	for i := 1; i < bbrFullBwRounds; i++ {
		r.round(int(rate/5), rate*1.24)
		require.Equal(t, i, r.fullBwCount)
		require.Equal(t, bbrStartup, r.state)
	}
	r.round(int(rate/5), rate*1.24)
	require.True(t, r.fullBwReached)
	require.InDelta(t, 0.5*0.99*rate*1.24, r.pace(), 1, "Drain")
}

func TestBBRStaysInStartupWhileTheApplicationLimits(t *testing.T) {
	r := draftRig()
	for range 20 {
		r.round(10, 100, appLimited)
	}
	require.Equal(t, bbrStartup, r.state)
	require.InDelta(t, 277, r.pace(), 1, "nor does it slow down")
}

func TestBBRLeavesStartupOnHighLoss(t *testing.T) {
	for _, c := range []struct {
		name  string
		lost  int // ranges
		of    int
		leave bool
	}{
		{"six ranges and 3 %", 6, 200, true},
		{"five ranges", 5, 100, false},
		{"six ranges but 1.5 %", 6, 400, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := draftRig()
			r.round(c.of, 1000)
			r.lose(1, c.of)
			for range c.lost - 1 {
				r.lose(1, c.of)
			}
			r.round(c.of, 2000, lost(c.lost), appLimited)
			require.Equal(t, c.leave, r.fullBwReached)
			if c.leave {
				require.InDelta(t, 200.0, r.inflightLongterm, 1e-3, "the product of 2000/s and 100 ms")
				require.Equal(t, bbrDrain, r.state)
			}
		})
	}
}

func TestBBRDrainEnds(t *testing.T) {
	drain := func() *bbrRig {
		r := draftRig()
		for range 4 {
			r.round(200, 1000)
		}
		require.Equal(t, bbrDrain, r.state)
		return r
	}
	t.Run("when the queue has drained", func(t *testing.T) {
		r := drain()
		r.round(102, 1000)
		require.Equal(t, bbrDrain, r.state)
		r.round(99, 1000)
		require.Equal(t, bbrProbeBWCruise, r.state)
	})
	t.Run("after three rounds", func(t *testing.T) {
		r := drain()
		for range bbrDrainRounds {
			r.round(200, 1000)
			require.Equal(t, bbrDrain, r.state)
		}
		r.round(200, 1000)
		require.Equal(t, bbrProbeBWDown, r.state)
		require.InDelta(t, 0.9*0.99*1000, r.pace(), 1)
	})
}

func TestBBRWindowIsTwiceTheProduct(t *testing.T) {
	r := draftRig().cruising(t)
	for range 12 {
		r.round(100, 1000)
	}
	require.Equal(t, bbrProbeBWCruise, r.state)
	require.InDelta(t, 200+r.extraAcked, r.s.Window, 1)
	require.InDelta(t, 990, r.pace(), 1)
}

func TestBBRWindowGrowsWithACKsThatComeTogether(t *testing.T) {
	r := draftRig().cruising(t)
	r.round(100, 1000)
	before := r.extraAcked
	// A round's packets are acknowledged in the instant of the last ACK's.
	a := AckSample{Packets: 60, RTT: bbrPathRTT, TxInFlight: 100, PriorDelivered: r.s.Delivered - 50, Delivered: 100, Interval: bbrPathRTT}
	r.s.Delivered += 60
	r.OnAck(r.at(), &r.s, &a)
	require.InDelta(t, before+60, r.extraAcked, 1)
	for range bbrExtraAckedFilterLen - 1 {
		r.round(99, 1000)
		require.InDelta(t, before+60, r.extraAcked, 1)
	}
	for range 2 {
		r.round(99, 1000)
	}
	require.Less(t, r.extraAcked, before+60, "ten rounds later")
}

func TestBBRWindowIsNeverBelowFourPackets(t *testing.T) {
	r := draftRig()
	for range 10 {
		r.round(1, 5)
	}
	require.GreaterOrEqual(t, r.s.Window, bbrMinPipeCwnd)
}

func TestBBRTimeoutLeavesRoomForOnePacketAndRecovers(t *testing.T) {
	r := draftRig().cruising(t)
	r.round(100, 1000)
	window := r.s.Window
	r.s.InFlight = 7
	r.OnTimeout(r.at(), &r.s)
	require.Equal(t, 8, r.s.Window)
	r.round(7, 1000)
	require.Less(t, r.s.Window, window)
	r.round(100, 1000)
	r.round(100, 1000)
	require.GreaterOrEqual(t, r.s.Window, 100, "as much as arrived")
}

func TestBBRRestartPacesAtTheBandwidth(t *testing.T) {
	r := draftRig().cruising(t)
	r.startProbeBWDown()
	r.round(200, 1000)
	require.InDelta(t, 0.9*990, r.pace(), 1)
	r.s.InFlight = 0
	r.t += time.Minute
	r.OnRestart(r.at(), &r.s)
	require.InDelta(t, 990, r.pace(), 1)
	r.round(100, 1000, slower)
	require.NotEqual(t, bbrProbeRTT, r.state, "idleness has drained the queue")
}

func TestBBRRestartsDoNotAddUpToAggregation(t *testing.T) {
	r := draftRig().cruising(t)
	for range 12 {
		r.round(99, 1000)
	}
	before := r.extraAcked
	for range 1000 {
		r.s.InFlight = 0
		r.t += 10 * time.Microsecond
		r.OnRestart(r.at(), &r.s)
		r.s.Delivered++
		r.t += 100 * time.Microsecond
		r.OnAck(r.at(), &r.s, &AckSample{Packets: 1, RTT: 100 * time.Microsecond})
	}
	require.LessOrEqual(t, r.extraAcked, before)
}

func TestBBRTakesAnything(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		odd := func(n int64) int64 {
			switch rng.IntN(8) {
			case 0:
				return 0
			case 1:
				return -rng.Int64N(n)
			case 2:
				return math.MaxInt32
			}
			return rng.Int64N(n)
		}
		for _, b := range []*bbr{&NewBBR(rng.Float64).bbr, &NewFathom(rng.Float64).bbr} {
			s := State{MSS: int(odd(1500)), RTT: time.Duration(max(odd(1e9), 0))}
			now := simStart
			b.Init(now, &s)
			for range 300 {
				now = now.Add(time.Duration(rng.Int64N(1e9)))
				s.Delivered, s.InFlight, s.WindowLimited = odd(1e6), int(odd(1e4)), rng.IntN(2) == 0
				switch rng.IntN(8) {
				case 0:
					b.OnLoss(now, &s, &LossSample{
						Packets: int(odd(100)), Spurious: int(odd(100)), TxInFlight: int(odd(1e4)),
						LostSince: int(odd(1e3)), RTT: time.Duration(odd(1e9)),
					})
				case 1:
					b.OnTimeout(now, &s)
				case 2:
					b.OnRestart(now, &s)
				default:
					b.OnAck(now, &s, &AckSample{
						Packets: int(odd(100)), RTT: time.Duration(odd(1e9)), Delivered: odd(1e5), Interval: time.Duration(odd(1e9)),
						PriorDelivered: odd(1e6), TxInFlight: int(odd(1e4)), LostSince: int(odd(1e3)), AppLimited: rng.IntN(2) == 0,
					})
				}
				require.Positive(t, s.Window)
				require.GreaterOrEqual(t, s.PacingRate, int64(0))
				require.True(t, s.PacingRate > 0 || b.tol != nil && b.withinHost())
				require.False(t, math.IsNaN(b.cwnd) || math.IsNaN(b.pacingRate) || math.IsNaN(b.bw))
			}
		}
	}
}

func TestBBRAllocatesNothing(t *testing.T) {
	for _, b := range []*bbr{&NewBBR(halfDraw).bbr, &NewFathom(halfDraw).bbr} {
		r := newBBRRig(b)
		a := AckSample{Packets: 100, RTT: bbrPathRTT, TxInFlight: 100, Delivered: 100, Interval: bbrPathRTT}
		l := LossSample{Packets: 1, TxInFlight: 100, LostSince: 1, RTT: bbrPathRTT}
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			r.t += bbrPathRTT
			a.PriorDelivered = r.s.Delivered
			r.s.Delivered += 100
			r.OnLoss(r.at(), &r.s, &l)
			r.OnAck(r.at(), &r.s, &a)
		}))
	}
}
