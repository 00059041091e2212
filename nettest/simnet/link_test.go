package simnet

import (
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestZeroLinkDeliversAtOnceInOrder(t *testing.T) {
	run(t, Config{}, func(t *testing.T, b *bed) {
		all := b.burst(5, 100)
		require.Equal(t, []int{0, 1, 2, 3, 4}, numbers(all))
		for _, a := range all {
			require.Zero(t, a.at)
			require.Len(t, a.data, 100)
		}
		require.Equal(t, uint64(5), b.settled().Delivered)
	})
}

func TestDelayIsExact(t *testing.T) {
	run(t, Config{Default: Link{Delay: 70*time.Millisecond + 1}}, func(t *testing.T, b *bed) {
		all := b.burst(3, 10)
		require.Len(t, all, 3)
		for _, a := range all {
			require.Equal(t, 70*time.Millisecond+1, a.at)
		}
	})
}

func TestRateGivesTheSerialisationTime(t *testing.T) {
	// 1472+28 bytes are 12000 bits: 12 ms at 1 Mbit/s.
	run(t, Config{Default: Link{Rate: 1e6, Delay: time.Second}}, func(t *testing.T, b *bed) {
		for i, a := range b.burst(4, 1472) {
			require.Equal(t, time.Second+time.Duration(i+1)*12*time.Millisecond, a.at)
		}
		// The link was idle, so the next one does not wait.
		require.Equal(t, time.Second+12*time.Millisecond, b.burst(1, 1472)[0].at)
	})
}

func TestRateDoesNotDrift(t *testing.T) {
	// 800 bits at 3 bit/s take a third of a nanosecond more than a whole
	// number: three take exactly 800 s.
	run(t, Config{Default: Link{Rate: 3}}, func(t *testing.T, b *bed) {
		all := b.burst(3, 100-Overhead)
		require.Equal(t, 800*time.Second, all[2].at)
	})
}

func TestAlternateRateIsThatOfTheMoment(t *testing.T) {
	// 12000 bits take 12 ms at 1 Mbit/s and 120 ms at 0.1 Mbit/s. The link is
	// fast until 30 ms, slow until 50 ms, fast again until 70 ms and so on: the
	// third one sends 6000 bits in 6 ms, 2000 in 20 ms and the rest in 4 ms.
	l := Link{Rate: 1e6, Alternate: Alternate{Rate: 1e5, Every: 20 * time.Millisecond, Start: 10 * time.Millisecond}}
	run(t, Config{Default: l}, func(t *testing.T, b *bed) {
		var at []time.Duration
		for _, a := range b.burst(4, 1472) {
			at = append(at, a.at)
		}
		require.Equal(t, []time.Duration{12 * time.Millisecond, 24 * time.Millisecond, 54 * time.Millisecond, 66 * time.Millisecond}, at)
	})
}

func TestCoalescePutsArrivalsTogether(t *testing.T) {
	l := Link{Rate: 1e6, Delay: time.Second, Coalesce: 30 * time.Millisecond}
	run(t, Config{Default: l}, func(t *testing.T, b *bed) {
		var at []time.Duration
		for _, a := range b.burst(4, 1472) {
			at = append(at, a.at)
		}
		// From 1.012 s on, 12 ms apart, in steps of 30 ms.
		require.Equal(t, []time.Duration{1020 * time.Millisecond, 1050 * time.Millisecond, 1050 * time.Millisecond, 1050 * time.Millisecond}, at)
	})
}

func TestJitterIsBoundedAndKeepsOrder(t *testing.T) {
	const delay, jitter = 50 * time.Millisecond, 20 * time.Millisecond
	run(t, Config{Seed: 1, Default: Link{Delay: delay, Jitter: jitter}}, func(t *testing.T, b *bed) {
		var sent []time.Duration
		start := time.Now()
		for i := range 1000 {
			sent = append(sent, time.Since(start))
			b.send(i, 10)
			time.Sleep(time.Millisecond)
		}
		passed := time.Since(start)
		all := b.drain()
		require.Len(t, all, 1000)
		distinct := map[time.Duration]bool{}
		for i, a := range all {
			require.Equal(t, i, a.number)
			if a.at == 0 {
				continue // was waiting in the buffer: its time is not known
			}
			d := a.at + passed - sent[i]
			require.GreaterOrEqual(t, d, delay)
			require.LessOrEqual(t, d, delay+jitter)
			distinct[d] = true
		}
		require.Greater(t, len(distinct), 5)
	})
}

func TestJitterIsEvenlyDistributed(t *testing.T) {
	s := NewShaper(Link{Jitter: 100}, 1, 1)
	var sum time.Duration
	const count = 10000
	for i := range time.Duration(count) {
		// Offered so far apart that order plays no part.
		sum += s.Offer(i*1000, 1).Copies[0].At - i*1000
	}
	require.InDelta(t, 50, float64(sum)/count, 1)
}

func TestLossHasItsProbability(t *testing.T) {
	run(t, Config{Seed: 2, Default: Link{Loss: 0.1}}, func(t *testing.T, b *bed) {
		require.InDelta(t, 9000, len(b.burst(10000, 10)), 120) // 4 sigma
		st := b.settled()
		require.Equal(t, st.Sent, st.Lost+st.Delivered)
	})
}

func TestLossTakesNoTimeOnTheLink(t *testing.T) {
	run(t, Config{Seed: 2, Default: Link{Loss: 0.5, Rate: 8000, Queue: 1000}}, func(t *testing.T, b *bed) {
		for i, a := range b.burst(50, 1000-Overhead) {
			require.Equal(t, time.Duration(i+1)*time.Second, a.at)
		}
	})
}

func TestBurstLossComesInRuns(t *testing.T) {
	run(t, Config{Seed: 3, Default: Link{Burst: Burst{Enter: 0.01, Leave: 0.1}}}, func(t *testing.T, b *bed) {
		const count = 50000
		got := make([]bool, count)
		for _, a := range b.burst(count, 2) {
			got[a.number] = true
		}
		runs, lost := 0, 0
		for i, ok := range got {
			if !ok {
				lost++
				if i == 0 || got[i-1] {
					runs++
				}
			}
		}
		require.InDelta(t, 0.01/0.11, float64(lost)/count, 0.015)
		require.InDelta(t, 10, float64(lost)/float64(runs), 1.5)
		require.EqualValues(t, lost, b.settled().BurstLost)
	})
}

func TestReorderLetsLaterOnesPass(t *testing.T) {
	l := Link{Delay: 10 * time.Millisecond, Reorder: 0.1, ReorderDelay: 5 * time.Millisecond}
	run(t, Config{Seed: 4, Default: l}, func(t *testing.T, b *bed) {
		all := b.burst(1000, 10)
		late := 0
		for _, a := range all {
			if a.at != 10*time.Millisecond {
				require.Equal(t, 15*time.Millisecond, a.at)
				late++
			}
		}
		require.InDelta(t, 100, late, 40)
		require.EqualValues(t, late, b.settled().Reordered)
		require.False(t, slices.IsSorted(numbers(all)))
		require.True(t, slices.IsSorted(numbers(all[:1000-late])), "the others keep their order")
	})
}

func TestDuplicatesArriveTwice(t *testing.T) {
	run(t, Config{Seed: 5, Default: Link{Duplicate: 0.2}}, func(t *testing.T, b *bed) {
		all := b.burst(1000, 10)
		copies := map[int]int{}
		for _, a := range all {
			copies[a.number]++
		}
		twice := 0
		for _, n := range copies {
			require.LessOrEqual(t, n, 2)
			twice += n - 1
		}
		require.Len(t, copies, 1000)
		require.InDelta(t, 200, twice, 50)
		require.EqualValues(t, twice, b.settled().Duplicated)
	})
}

func TestCorruptFlipsOneBitOfACopy(t *testing.T) {
	run(t, Config{Seed: 6, Default: Link{Corrupt: 0.3}}, func(t *testing.T, b *bed) {
		sent := make([]byte, 100)
		for range 1000 {
			_, err := b.a.WriteToUDPAddrPort(sent, b.b.LocalAddrPort())
			require.NoError(t, err)
		}
		require.Equal(t, make([]byte, 100), sent, "the sender's bytes are not touched")
		bad := 0
		places := map[int]bool{}
		for _, a := range b.drain() {
			ones := 0
			for i, x := range a.data {
				if x != 0 {
					ones += bits.OnesCount8(x)
					places[i] = true
				}
			}
			require.LessOrEqual(t, ones, 1)
			bad += ones
		}
		require.InDelta(t, 300, bad, 60)
		require.Greater(t, len(places), 50)
		require.EqualValues(t, bad, b.settled().Corrupted)
	})
}

func TestEmptyDatagramsCannotBeCorrupted(t *testing.T) {
	s := NewShaper(Link{Corrupt: 1}, 1, 1)
	require.Equal(t, -1, s.Offer(0, 0).Copies[0].Flip)
	require.NotEqual(t, -1, s.Offer(0, 1).Copies[0].Flip)
}

func TestMTUDropsLargerPackets(t *testing.T) {
	run(t, Config{Default: Link{MTU: 1500}}, func(t *testing.T, b *bed) {
		b.send(0, 1473)
		b.send(1, 1472)
		require.Equal(t, []int{1}, numbers(b.drain()))
		require.Equal(t, uint64(1), b.settled().MTUDrops)
	})
}

func TestQueueDropsTheTail(t *testing.T) {
	run(t, Config{Default: Link{Rate: 8000, Queue: 3}}, func(t *testing.T, b *bed) {
		for i := range 5 {
			b.send(i, 1000-Overhead) // one second each
		}
		time.Sleep(time.Second) // room for one
		b.send(5, 1000-Overhead)
		b.send(6, 1000-Overhead)
		require.Equal(t, 3, b.net.LinkStats(hostA, hostB).Queue)
		require.Equal(t, []int{0, 1, 2, 5}, numbers(b.drain()))
		st := b.settled()
		require.Equal(t, uint64(3), st.QueueDrops)
		require.Equal(t, 3, st.MaxQueue)
	})
}

func TestMeanQueueIsOverTime(t *testing.T) {
	run(t, Config{Default: Link{Rate: 8000}}, func(t *testing.T, b *bed) {
		for i := range 3 {
			b.send(i, 1000-Overhead)
		}
		time.Sleep(6 * time.Second)
		// 3, 2 and 1 for a second each, then 0 for three.
		require.Equal(t, 1.0, b.net.LinkStats(hostA, hostB).MeanQueue)
	})
}

func TestDownDropsWhatIsSentMeanwhile(t *testing.T) {
	run(t, Config{Default: Link{Delay: time.Second}}, func(t *testing.T, b *bed) {
		b.send(0, 10)
		b.net.SetLink(hostA, hostB, Link{Delay: time.Second, Down: true})
		b.send(1, 10)
		b.net.SetLink(hostA, hostB, Link{Delay: time.Second})
		b.send(2, 10)
		require.Equal(t, []int{0, 2}, numbers(b.drain()))
		require.Equal(t, uint64(1), b.settled().Down)
	})
}

func TestShorterDelayDoesNotReorder(t *testing.T) {
	run(t, Config{Default: Link{Delay: time.Second}}, func(t *testing.T, b *bed) {
		b.send(0, 10)
		b.net.SetDefault(Link{})
		b.send(1, 10)
		all := b.drain()
		require.Equal(t, []int{0, 1}, numbers(all))
		require.Equal(t, time.Second, all[1].at)
	})
}

func TestDirectionsHaveTheirOwnLinks(t *testing.T) {
	run(t, Config{}, func(t *testing.T, b *bed) {
		b.net.SetLink(hostB, hostA, Link{Down: true})
		b.net.SetDefault(Link{Delay: time.Minute})
		_, err := b.b.WriteTo([]byte("back"), b.a.LocalAddr())
		require.NoError(t, err)
		require.Equal(t, time.Minute, b.burst(1, 10)[0].at)
		require.Equal(t, uint64(1), b.net.LinkStats(hostB, hostA).Down)
		require.Equal(t, uint64(1), b.net.LinkStats(hostA, hostB).Delivered)
	})
}

func TestValuesOutOfRangeAreClamped(t *testing.T) {
	s := NewShaper(Link{Rate: -1, Delay: -1, Jitter: -1, Loss: -1, Queue: -1, MTU: -1, ReorderDelay: -1}, 1, 1)
	require.Equal(t, Fate{N: 1, Copies: [2]Copy{{At: 7, Flip: -1}}}, s.Offer(7, 1))
	s.SetLink(Link{Loss: 2})
	require.Equal(t, Fate{Verdict: DropLoss}, s.Offer(7, 1))
}
