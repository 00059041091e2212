package link

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const ms = int64(time.Millisecond)

// offer puts a packet of n bytes with a number in it on the lane.
func offer(l *lane, now int64, number, n int) {
	binary.BigEndian.PutUint64(l.buffer(), uint64(number))
	l.accept(now, n)
}

// out is a packet that came out.
type out struct {
	number, size int
	at           int64
}

// takeOut lets all packets arrive that are due by then.
func takeOut(l *lane, by int64) []out {
	var all []out
	for {
		packet, arrives := l.next()
		if packet == nil || arrives > by {
			l.advance(by)
			return all
		}
		l.arrived(arrives)
		all = append(all, out{int(binary.BigEndian.Uint64(packet)), len(packet), arrives})
	}
}

// A packet of 1500 bytes takes 12 ms at 1 Mbit/s; the delay comes on top.
func TestRateAndDelay(t *testing.T) {
	l := laneOf(Path{Rate: 1e6, Delay: 50 * time.Millisecond})
	offer(l, 0, 1, 1500)
	offer(l, 0, 2, 750)
	offer(l, 100*ms, 3, 1500)
	require.Equal(t, []out{{1, 1500, 62 * ms}, {2, 750, 68 * ms}, {3, 1500, 162 * ms}}, takeOut(l, 1000*ms))
}

func TestPerfectPath(t *testing.T) {
	l := laneOf(Path{})
	offer(l, 5*ms, 1, 1500)
	require.Equal(t, []out{{1, 1500, 5 * ms}}, takeOut(l, 5*ms))
	require.Zero(t, l.meter.stats(l.path).MaxQueue)
}

// The packet that is being sent counts; what it leaves free can be taken at once.
func TestTailDrop(t *testing.T) {
	l := laneOf(Path{Rate: 1e6, Queue: 2})
	for i := range 4 {
		offer(l, 0, i, 1500)
	}
	offer(l, 12*ms, 4, 1500)
	offer(l, 12*ms, 5, 1500)
	require.Equal(t, []out{{0, 1500, 12 * ms}, {1, 1500, 24 * ms}, {4, 1500, 36 * ms}}, takeOut(l, 100*ms))
	s := l.meter.stats(l.path)
	require.EqualValues(t, 6, s.Offered)
	require.EqualValues(t, 3, s.Dropped)
	require.EqualValues(t, 3, s.Delivered)
	require.EqualValues(t, 4500, s.Bytes)
	require.Equal(t, 2, s.MaxQueue)
	require.Equal(t, 24*time.Millisecond, s.MaxWait)
}

// Two packets at once: two wait for 12 ms, one for 12 ms more, none after that.
func TestMeanQueue(t *testing.T) {
	l := laneOf(Path{Rate: 1e6, Queue: 10})
	offer(l, 0, 1, 1500)
	offer(l, 0, 2, 1500)
	takeOut(l, 48*ms)
	s := l.meter.stats(l.path)
	require.Equal(t, 48*time.Millisecond, s.Span)
	require.InDelta(t, (2*12+1*12)/48., s.MeanQueue, 1e-9)
	require.InDelta(t, 24*24/2./48, s.MeanWait.Seconds()*1000, 1e-3)
	require.InDelta(t, 0.075, s.QueueShare(), 1e-9)
}

// Which packets are lost depends on the seed and their number only.
func TestRandomLoss(t *testing.T) {
	lost := func(seed uint64, step int64) []out {
		l := laneOf(Path{Rate: 1e9, Loss: 0.1, Seed: seed})
		var all []out
		for i := range 10_000 {
			offer(l, int64(i)*step, i, 100)
			all = append(all, takeOut(l, int64(i)*step)...)
		}
		all = append(all, takeOut(l, 1e18)...)
		require.InDelta(t, 1000, l.meter.lost, 150) // five standard deviations
		require.EqualValues(t, 10_000-len(all), l.meter.lost)
		for i := range all {
			all[i].at = 0
		}
		return all
	}
	require.Equal(t, lost(1, 1000), lost(1, ms))
	require.NotEqual(t, lost(1, ms), lost(2, ms))
}

// Whatever the pattern, the store gives back what was put in, in order.
func TestStoreKeepsPackets(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	l := laneOf(Path{Rate: 1e8, Delay: 10 * time.Millisecond})
	next, now := 0, int64(0)
	sizes := map[int]int{}
	check := func(all []out) {
		for _, o := range all {
			require.Equal(t, next, o.number)
			require.Equal(t, sizes[next], o.size)
			delete(sizes, next)
			next++
		}
	}
	for i := range 50_000 {
		sizes[i] = 8 + r.IntN(MTU-7)
		offer(l, now, i, sizes[i])
		now += r.Int64N(2 * int64(time.Duration(sizes[i])*80)) // as fast as the rate, on average
		if r.IntN(100) == 0 {
			now += r.Int64N(20 * ms)
		}
		check(takeOut(l, now))
	}
	check(takeOut(l, 1e18))
	require.Equal(t, 50_000, next)
	require.Less(t, len(l.store.data), 64<<20)
}

func TestBDP(t *testing.T) {
	require.Equal(t, 833, BDP(100e6, 100*time.Millisecond))
	require.Equal(t, 83, BDP(50e6, 20*time.Millisecond))
}

func laneOf(p Path) *lane {
	l := newLane(p)
	return &l
}
