package cc

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	_ Controller      = (*CTCP)(nil)
	_ Controller      = (*Cubic)(nil)
	_ Controller      = (*LEDBAT)(nil)
	_ RestartObserver = (*CTCP)(nil)
	_ RestartObserver = (*Cubic)(nil)
	_ RestartObserver = (*LEDBAT)(nil)
)

const (
	windowRTT = 100 * time.Millisecond
	windowMSS = 1500
)

// A windowRig drives a controller as a sender does that always has data, and
// whose packets arrive in the order in which they were sent.
type windowRig struct {
	c   Controller
	w   *ackedWindow
	s   State
	now time.Time
	una int64
}

func newWindowRig(c Controller) *windowRig {
	r := &windowRig{c: c, now: time.Unix(1_000_000, 0), una: 1}
	r.s = State{MSS: windowMSS, NextPacket: 1, MaxWindow: 25600}
	switch c := c.(type) {
	case *CTCP:
		r.w = &c.win
	case *Cubic:
		r.w = &c.win
	case *LEDBAT:
		r.w = &c.win
	}
	c.Init(r.now, &r.s)
	r.s.RTT, r.s.MinRTT = windowRTT, windowRTT
	r.send()
	return r
}

// avoiding is a rig past slow start, without a history, at cwnd packets.
func avoiding(c Controller, cwnd float64) *windowRig {
	r := newWindowRig(c)
	r.w.cwnd, r.w.ssthresh = cwnd, cwnd
	r.w.publish(&r.s)
	r.send()
	return r
}

// send fills the window.
func (r *windowRig) send() {
	r.s.NextPacket = max(r.s.NextPacket, r.una+int64(r.s.Window))
	r.s.InFlight = int(r.s.NextPacket - r.una)
	r.s.WindowLimited = true
}

func (r *windowRig) wait(d time.Duration) { r.now = r.now.Add(d) }

// ackOnly acknowledges n packets and sends nothing.
func (r *windowRig) ackOnly(n int, rtt time.Duration) {
	r.una += int64(n)
	r.s.Delivered += int64(n)
	r.s.InFlight = max(r.s.InFlight-n, 0)
	r.c.OnAck(r.now, &r.s, &AckSample{UpTo: r.una, Packets: n, RTT: rtt})
}

func (r *windowRig) ack(n int) {
	r.ackOnly(n, r.s.RTT)
	r.send()
}

// round passes a round trip in which all is acknowledged that was on its way,
// in tenths.
func (r *windowRig) round() {
	left := r.s.InFlight
	for i := range 10 {
		r.wait(r.s.RTT / 10)
		n := left / (10 - i)
		left -= n
		if n > 0 {
			r.ack(n)
		}
	}
}

// lose reports that the first n packets on their way are lost.
func (r *windowRig) lose(n int) {
	r.s.Lost += int64(n)
	r.c.OnLoss(r.now, &r.s, &LossSample{Packets: n, Ranges: []PacketRange{{r.una, r.una + int64(n)}}})
}

func (r *windowRig) takeBack(n int) { r.c.OnLoss(r.now, &r.s, &LossSample{Spurious: n}) }

func (r *windowRig) timeout() { r.c.OnTimeout(r.now, &r.s) }

// drop forgets what is on its way.
func (r *windowRig) drop() {
	r.una = r.s.NextPacket
	r.send()
}

func (r *windowRig) restart() { r.c.(RestartObserver).OnRestart(r.now, &r.s) }

// windowed are the controllers with an ackedWindow, and what a loss leaves.
var windowed = []struct {
	name  string
	make  func() Controller
	share float64
}{
	{"CTCP", func() Controller { return NewCTCP() }, 0.5},
	{"Cubic", func() Controller { return NewCubic() }, 0.7},
	{"LEDBAT", func() Controller { return NewLEDBAT() }, 0.5},
}

func eachWindowed(t *testing.T, f func(t *testing.T, make func() Controller, share float64)) {
	for _, c := range windowed {
		t.Run(c.name, func(t *testing.T) { f(t, c.make, c.share) })
	}
}

// steady is an avoiding rig whose LEDBAT is past slow start as well.
func steady(c Controller, cwnd float64) *windowRig {
	r := avoiding(c, cwnd)
	if l, ok := c.(*LEDBAT); ok {
		l.phase = ledbatAvoidance
		l.next = r.now.Add(time.Hour)
		l.delay.sample(r.now, windowRTT)
	}
	return r
}

func TestInitialWindowIsTen(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, _ float64) {
		r := newWindowRig(make())
		require.Equal(t, 10, r.s.Window, "RFC 6928")
		require.Zero(t, r.s.PacingRate, "no round trip is known yet")
		require.Zero(t, r.s.SendPeriod)
		r.ack(2)
		require.InDelta(t, 2*r.w.cwnd*windowMSS/0.1, r.s.PacingRate, 1, "slow start is paced at twice cwnd/RTT")
	})
}

func TestInitForgetsAnEarlierConnection(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, _ float64) {
		r := newWindowRig(make())
		r.round()
		r.lose(1)
		r.c.Init(r.now, &r.s)
		require.Equal(t, 10, r.s.Window)
		require.True(t, r.w.initial())
		require.False(t, r.w.recovering())
	})
}

func TestAvoidanceIsPacedAboveTheWindow(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, _ float64) {
		r := steady(make(), 100)
		require.Equal(t, int64(1.2*100*windowMSS*10), r.s.PacingRate)
	})
}

func TestLossesOfOneRoundTripAreOneEvent(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, share float64) {
		r := steady(make(), 100)
		r.lose(1)
		require.Equal(t, int(100*share), r.s.Window)
		for range 5 {
			r.wait(20 * time.Millisecond)
			r.lose(3)
			require.Equal(t, int(100*share), r.s.Window, "all of it was sent before")
		}
		first := r.s.NextPacket
		r.ack(int(first - r.una)) // all that was sent before has arrived
		require.Equal(t, int(100*share), r.s.Window, "the ACK that ends recovery does not grow the window")
		before := r.w.cwnd
		r.lose(1)
		require.InDelta(t, before*share, r.w.cwnd, 1e-9, "a new round trip is a new event")
	})
}

func TestLossOfWhatWasSentInRecoveryIsANewEvent(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, share float64) {
		r := steady(make(), 100)
		r.lose(1)
		sentLater := PacketRange{r.s.NextPacket, r.s.NextPacket + 1}
		r.s.NextPacket += 20
		l := &LossSample{Packets: 1, Ranges: []PacketRange{sentLater}}
		r.wait(10 * time.Millisecond)
		r.c.OnLoss(r.now, &r.s, l)
		require.Equal(t, int(100*share), r.s.Window, "nobody can know so soon")
		r.wait(windowRTT)
		r.c.OnLoss(r.now, &r.s, l)
		require.Equal(t, int(100*share*share), r.s.Window)
	})
}

func TestRecoveryEndsAfterARoundTripThoughARepairIsLost(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, share float64) {
		r := steady(make(), 100)
		r.s.Delivered = 1000
		r.lose(1)
		a := &AckSample{UpTo: r.una, Packets: 1, RTT: windowRTT, PriorDelivered: 1000}
		r.s.Delivered++
		r.c.OnAck(r.now, &r.s, a)
		require.True(t, r.w.recovering(), "this packet may have been sent before the event")
		a.PriorDelivered = 1001
		r.c.OnAck(r.now, &r.s, a)
		require.False(t, r.w.recovering())
		before := r.w.cwnd
		r.lose(1)
		require.Equal(t, before, r.w.cwnd, "it was sent before the event, whenever that is told")
		r.c.OnLoss(r.now, &r.s, &LossSample{Packets: 1})
		require.InDelta(t, before*share, r.w.cwnd, 1e-9, "what is not told apart is of this round trip")
	})
}

func TestNoGrowthInRecovery(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, share float64) {
		r := steady(make(), 100)
		r.lose(1)
		for range 10 {
			r.wait(time.Millisecond)
			r.ack(5)
			require.Equal(t, int(100*share), r.s.Window)
		}
	})
}

func TestSpuriousLossIsUndone(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, share float64) {
		r := steady(make(), 100)
		r.lose(2)
		r.lose(3)
		r.takeBack(4)
		require.Equal(t, int(100*share), r.s.Window, "one of five remains lost")
		r.takeBack(1)
		require.Equal(t, 100, r.s.Window)
		r.takeBack(1)
		require.Equal(t, 100, r.s.Window, "an event is undone once")
		require.False(t, r.w.recovering())
	})
}

func TestSpuriousLossInSlowStartResumesIt(t *testing.T) {
	for _, c := range windowed[:2] {
		t.Run(c.name, func(t *testing.T) {
			r := newWindowRig(c.make())
			r.round()
			r.lose(1)
			require.False(t, r.w.initial())
			r.takeBack(1)
			require.True(t, r.w.initial())
			require.Equal(t, 20, r.s.Window)
		})
	}
}

func TestATimeoutIsNotUndone(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, share float64) {
		r := steady(make(), 100)
		r.lose(1)
		r.timeout()
		r.takeBack(1)
		require.Equal(t, 2, r.s.Window)
	})
}

func TestTimeoutSlowStartsUpToAShareOfTheWindow(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, share float64) {
		r := steady(make(), 100)
		r.timeout()
		require.Equal(t, 2, r.s.Window)
		require.InDelta(t, 100*share, r.w.ssthresh, 1e-9)
		r.lose(10)
		require.Equal(t, 2, r.s.Window, "what comes to light now belongs to the timeout")
		r.drop()
		for range 30 {
			r.round()
			if !r.w.inSlowStart() {
				break
			}
		}
		require.InDelta(t, 100*share, r.w.cwnd, 1, "slow start ends at ssthresh")
	})
}

func TestWindowHasAFloorOfTwo(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, _ float64) {
		r := steady(make(), 3)
		for range 5 {
			r.lose(1)
			r.ack(int(r.s.NextPacket - r.una))
			r.timeout()
			require.GreaterOrEqual(t, r.s.Window, 2)
			require.GreaterOrEqual(t, r.w.ssthresh, 2.0)
		}
	})
}

func TestWindowIsBoundedByThePeers(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, _ float64) {
		r := newWindowRig(make())
		r.s.MaxWindow = 64
		for range 20 {
			r.round()
			require.LessOrEqual(t, r.s.Window, 64)
		}
		require.Equal(t, 64, r.s.Window)
	})
}

func TestAnUnusedWindowDoesNotGrow(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, _ float64) {
		for name, r := range map[string]*windowRig{"slow start": newWindowRig(make()), "avoidance": steady(make(), 10)} {
			before := r.w.cwnd
			for range 100 {
				r.wait(windowRTT)
				r.s.NextPacket = r.una + 2
				r.s.InFlight, r.s.WindowLimited = 2, false
				r.ackOnly(2, windowRTT)
			}
			require.Equal(t, before, r.w.cwnd, "%s: RFC 7661, RFC 9438 section 5.8", name)
		}
	})
}

func TestIdleConnectionsRestart(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, _ float64) {
		r := steady(make(), 100)
		r.ack(1)
		before := r.s.Window
		r.wait(900 * time.Millisecond)
		r.restart()
		require.Equal(t, before, r.s.Window, "shorter than a retransmission timeout")
		r.wait(200 * time.Millisecond)
		r.restart()
		require.Equal(t, 10, r.s.Window, "RFC 5681, section 4.1")
		require.GreaterOrEqual(t, r.w.ssthresh, 74.0, "slow start leads back")
		r.wait(time.Hour)
		r.restart()
		require.Equal(t, 10, r.s.Window)
	})
}

func TestDividedAcksGainNothing(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, _ float64) {
		whole, divided := newWindowRig(make()), newWindowRig(make())
		whole.ack(10)
		for range 10 {
			divided.ackOnly(1, windowRTT)
			for range 100 { // what is divided further acknowledges no packet
				divided.ackOnly(0, windowRTT)
			}
		}
		require.InDelta(t, whole.w.cwnd, divided.w.cwnd, 0.01*whole.w.cwnd)
	})
}

func TestRepeatedAcksGainNothing(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, _ float64) {
		once, often := newWindowRig(make()), newWindowRig(make())
		once.ackOnly(10, windowRTT)
		often.ackOnly(10, windowRTT)
		for range 1000 {
			often.c.OnAck(often.now, &often.s, &AckSample{UpTo: often.una, Packets: 10, RTT: windowRTT})
		}
		require.Equal(t, once.w.cwnd, often.w.cwnd)
	})
}

func TestAcksOfWhatWasNotSentGainNothing(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, _ float64) {
		honest, lying := newWindowRig(make()), newWindowRig(make())
		honest.ackOnly(10, windowRTT)
		lying.s.WindowLimited = true
		lying.c.OnAck(lying.now, &lying.s, &AckSample{UpTo: 1 << 60, Packets: math.MaxInt, RTT: windowRTT})
		require.Equal(t, honest.w.cwnd, lying.w.cwnd, "ten were sent")
	})
}

// TestAbsurdValues feeds what no peer and no machine should ever say.
func TestAbsurdValues(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, _ float64) {
		rng := rand.New(rand.NewPCG(1, 2))
		ints := []int{0, 1, 2, 100, -1, math.MinInt, math.MaxInt, math.MaxInt32}
		times := []time.Duration{0, 1, windowRTT, time.Hour, -1, math.MinInt64, math.MaxInt64}
		anInt := func() int { return ints[rng.IntN(len(ints))] }
		number := func() int64 { return int64(anInt()) }
		duration := func() time.Duration { return times[rng.IntN(len(times))] }
		for range 200 {
			r := newWindowRig(make())
			for range 100 {
				if rng.IntN(2) == 0 {
					r.round()
				}
				r.s.NextPacket, r.s.InFlight, r.s.Delivered = number(), anInt(), number()
				r.s.RTT, r.s.RTTVar, r.s.MinRTT = duration(), duration(), duration()
				r.s.MSS, r.s.MaxWindow, r.s.WindowLimited = anInt(), anInt(), rng.IntN(2) == 0
				now := r.now
				if rng.IntN(4) == 0 {
					now = now.Add(duration())
				}
				switch rng.IntN(5) {
				case 0, 1:
					r.c.OnAck(now, &r.s, &AckSample{UpTo: number(), Packets: anInt(), RTT: duration(), PriorDelivered: number()})
				case 2:
					r.c.OnLoss(now, &r.s, &LossSample{Packets: anInt(), Spurious: anInt(), Ranges: []PacketRange{{number(), number()}}})
				case 3:
					r.timeout()
				case 4:
					r.restart()
				}
				require.False(t, math.IsNaN(r.w.cwnd) || math.IsNaN(r.w.ssthresh))
				require.GreaterOrEqual(t, r.s.Window, 2)
				require.LessOrEqual(t, r.s.Window, max(r.s.MaxWindow, 2))
				require.GreaterOrEqual(t, r.s.PacingRate, int64(0))
				r.s.RTT, r.s.MaxWindow = min(max(r.s.RTT, time.Millisecond), time.Second), 1000
				r.una = r.w.sent
				if r.una < 0 || r.una > 1<<60 {
					r = newWindowRig(make())
				}
			}
		}
	})
}

func TestAcksDoNotAllocate(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, _ float64) {
		r := steady(make(), 100)
		a := &AckSample{Packets: 1, RTT: windowRTT}
		l := &LossSample{Packets: 1}
		require.Zero(t, testing.AllocsPerRun(100, func() {
			r.s.NextPacket++
			a.UpTo++
			r.c.OnAck(r.now, &r.s, a)
			r.c.OnLoss(r.now, &r.s, l)
		}))
	})
}
