package cc

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A pathModel is a bottleneck with a queue that drops at its tail, a fixed
// delay, and senders that always have data. Acknowledgements come in a grid of
// time; what is missing between packets that have arrived is lost. Nothing is
// sent again: only the rates count here.
type pathModel struct {
	rate  float64 // packets per second
	rtt   time.Duration
	queue int // packets
	ack   time.Duration
	every int64 // every so many packets one is lost; zero means none

	free   time.Duration // when the bottleneck has sent all it holds
	passed int64
	turn   uint64 // for the order of the flows
}

type pathPacket struct {
	number int64
	sent   time.Duration
	back   time.Duration // when it has been acknowledged; negative if lost
	rtt    time.Duration
	prior  int64
}

type pathFlow struct {
	c         Controller
	s         State
	delivered int64 // since the last reset
	inFlight  []pathPacket
	next      time.Duration // when pacing lets the next packet go
	area      float64       // of the window over time, in packets times seconds
}

var pathStart = time.Unix(1_000_000, 0)

func newPathFlow(c Controller) *pathFlow {
	f := &pathFlow{c: c, s: State{MSS: 1500, NextPacket: 1, MaxWindow: 1 << 20}}
	c.Init(pathStart, &f.s)
	return f
}

// run lets time pass from one moment to another, in steps of a tenth of the ACK
// grid. Who comes first in a step changes without a pattern: a full queue would
// favour the first, and any pattern one of them.
func (m *pathModel) run(from, to time.Duration, flows ...*pathFlow) {
	step := m.ack / 10
	for now := from; now < to; now += step {
		m.turn = m.turn*6364136223846793005 + 1442695040888963407
		for i := range flows {
			f := flows[(uint64(i)+m.turn>>40)%uint64(len(flows))]
			if now%m.ack == 0 {
				m.acknowledge(now, f)
			}
			m.send(now, f)
			f.area += float64(f.s.Window) * step.Seconds()
		}
	}
}

func (m *pathModel) send(now time.Duration, f *pathFlow) {
	f.next = max(f.next, now-m.ack/10)
	for f.next <= now {
		if len(f.inFlight) >= f.s.Window {
			f.s.WindowLimited = true
			return
		}
		f.s.WindowLimited = false
		p := pathPacket{number: f.s.NextPacket, sent: now, back: -1, prior: f.s.Delivered}
		f.s.NextPacket++
		m.passed++
		wait := max(m.free-now, 0)
		if wait.Seconds()*m.rate < float64(m.queue) && (m.every == 0 || m.passed%m.every != 0) {
			m.free = now + wait + time.Duration(float64(time.Second)/m.rate)
			p.rtt = m.free - now + m.rtt
			p.back = (now + p.rtt + m.ack - 1) / m.ack * m.ack
		}
		f.inFlight = append(f.inFlight, p)
		if f.s.PacingRate > 0 {
			f.next += time.Duration(float64(f.s.MSS) / float64(f.s.PacingRate) * float64(time.Second))
		}
	}
}

func (m *pathModel) acknowledge(now time.Duration, f *pathFlow) {
	last := -1
	for i, p := range f.inFlight {
		if p.back > now {
			break
		}
		if p.back >= 0 {
			last = i
		}
	}
	if last < 0 {
		return
	}
	newest := f.inFlight[last]
	lost := 0
	for _, p := range f.inFlight[:last] {
		if p.back < 0 {
			lost++
		}
	}
	got := last + 1 - lost
	f.inFlight = f.inFlight[last+1:]
	f.delivered += int64(got)
	s := &f.s
	s.Delivered += int64(got)
	s.Lost += int64(lost)
	s.InFlight = len(f.inFlight)
	if s.RTT == 0 {
		s.RTT, s.MinRTT = newest.rtt, newest.rtt
	}
	s.RTT += (newest.rtt - s.RTT) / 8
	s.MinRTT = min(s.MinRTT, newest.rtt)
	at := pathStart.Add(now)
	if lost > 0 {
		f.c.OnLoss(at, s, &LossSample{Packets: lost, RTT: newest.rtt})
	}
	f.c.OnAck(at, s, &AckSample{UpTo: newest.number + 1, Packets: got, RTT: newest.rtt, PriorDelivered: newest.prior})
}

// share is the part of the link that a flow has used since it was reset.
func (m *pathModel) share(f *pathFlow, over time.Duration) float64 {
	return float64(f.delivered) / m.rate / over.Seconds()
}

func (f *pathFlow) reset() { f.delivered, f.area = 0, 0 }

func mbitPath(mbit float64, rtt time.Duration, bdps float64) *pathModel {
	rate := mbit * 1e6 / 12000
	return &pathModel{rate: rate, rtt: rtt, queue: int(rate * rtt.Seconds() * bdps), ack: 5 * time.Millisecond}
}

func TestPathAlone(t *testing.T) {
	for _, p := range []struct {
		name string
		make func() Controller
		mbit float64
		rtt  time.Duration
		bdps float64
		want float64
	}{
		{"CTCP", func() Controller { return NewCTCP() }, 50, 20 * ms, 1, 0.95},
		{"CTCP, long", func() Controller { return NewCTCP() }, 100, 100 * ms, 1, 0.95},
		{"Cubic", func() Controller { return NewCubic() }, 50, 20 * ms, 1, 0.95},
		{"Cubic, long", func() Controller { return NewCubic() }, 100, 100 * ms, 1, 0.95},
		{"LEDBAT", func() Controller { return NewLEDBAT() }, 50, 20 * ms, 4, 0.85},
		{"LEDBAT, short queue", func() Controller { return NewLEDBAT() }, 50, 20 * ms, 1, 0.85},
		{"LEDBAT, long", func() Controller { return NewLEDBAT() }, 50, 100 * ms, 1, 0.85},
	} {
		t.Run(p.name, func(t *testing.T) {
			m, f := mbitPath(p.mbit, p.rtt, p.bdps), newPathFlow(p.make())
			m.run(0, 5*time.Second, f)
			f.reset()
			m.run(5*time.Second, 45*time.Second, f)
			got := m.share(f, 40*time.Second)
			t.Logf("share %.3f", got)
			require.GreaterOrEqual(t, got, p.want)
			require.LessOrEqual(t, got, 1.001, "the model is sound")
		})
	}
}

// LEDBAT holds the queue at its target where nobody else fills it.
func TestPathLEDBATHoldsItsTarget(t *testing.T) {
	m, c := mbitPath(50, 50*ms, 4), NewLEDBAT()
	f := newPathFlow(c)
	most, slowdowns, phase := time.Duration(0), 0, ledbatSlowStart
	for now := time.Duration(0); now < 60*time.Second; now += m.ack {
		m.run(now, now+m.ack, f)
		if now > 5*time.Second {
			most = max(most, m.free-now)
		}
		if phase != ledbatFreeze && c.phase == ledbatFreeze {
			slowdowns++
		}
		phase = c.phase
	}
	t.Logf("longest queue %v, %d slowdowns", most, slowdowns)
	require.Less(t, most, 80*ms)
	require.GreaterOrEqual(t, slowdowns, 3)
}

func TestPathLEDBATYieldsToCubic(t *testing.T) {
	for _, p := range []struct {
		name string
		rtt  time.Duration
		bdps float64
		most float64
	}{
		{"a queue of twice the target", 60 * ms, 2, 0.10},
		{"a long path", 100 * ms, 1, 0.10},
		{"a queue shorter than the target", 20 * ms, 1, 0.20},
	} {
		t.Run(p.name, func(t *testing.T) {
			m := mbitPath(50, p.rtt, p.bdps)
			low, cubic := newPathFlow(NewLEDBAT()), newPathFlow(NewCubic())
			m.run(0, 10*time.Second, low)
			m.run(10*time.Second, 20*time.Second, low, cubic)
			low.reset()
			cubic.reset()
			m.run(20*time.Second, 50*time.Second, low, cubic)
			got := m.share(low, 30*time.Second)
			t.Logf("LEDBAT %.3f, Cubic %.3f", got, m.share(cubic, 30*time.Second))
			require.Less(t, got, p.most)
			require.Greater(t, got, 0.001, "it goes on")
			require.Greater(t, m.share(cubic, 30*time.Second), 0.75)
		})
	}
}

func TestPathEqualsShare(t *testing.T) {
	eachWindowed(t, func(t *testing.T, make func() Controller, _ float64) {
		m := mbitPath(50, 20*ms, 1)
		early, late := newPathFlow(make()), newPathFlow(make())
		m.run(0, 10*time.Second, early)
		m.run(10*time.Second, 30*time.Second, early, late)
		early.reset()
		late.reset()
		m.run(30*time.Second, 90*time.Second, early, late)
		a, b := m.share(early, 60*time.Second), m.share(late, 60*time.Second)
		t.Logf("early %.3f, late %.3f", a, b)
		require.Greater(t, (a+b)*(a+b)/(2*(a*a+b*b)), 0.9, "Jain's index")
	})
}

// On a path that loses every n-th packet, the mean window is what the RFCs
// compute: RFC 9438, section 5.1, for CUBIC in its own region, and the
// square-root law for Reno.
func TestPathMeanWindowUnderPeriodicLoss(t *testing.T) {
	for _, p := range []struct {
		name string
		c    Controller
		rtt  time.Duration
		loss float64
		want float64 // packets
	}{
		{"Cubic at 1e-4", NewCubic(), 100 * ms, 1e-4, 1.054 * math.Pow(0.1/1e-4, 0.75)},
		{"Cubic at 1e-3 and 200 ms", NewCubic(), 200 * ms, 1e-3, 1.054 * math.Pow(0.2/1e-3, 0.75)},
		{"Reno at 1e-3", NewCTCP(), 100 * ms, 1e-3, math.Sqrt(1.5 / 1e-3)},
		{"Reno at 1e-4", NewCTCP(), 50 * ms, 1e-4, math.Sqrt(1.5 / 1e-4)},
	} {
		t.Run(p.name, func(t *testing.T) {
			m := mbitPath(1000, p.rtt, 1)
			m.every = int64(1 / p.loss)
			f := newPathFlow(p.c)
			m.run(0, 60*time.Second, f)
			f.reset()
			m.run(60*time.Second, 260*time.Second, f)
			got := f.area / 200
			t.Logf("mean window %.1f packets, by the formula %.1f", got, p.want)
			require.InEpsilon(t, p.want, got, 0.15)
		})
	}
}
