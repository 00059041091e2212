package simnet

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimelineIsStableByTime(t *testing.T) {
	type event struct {
		at  time.Duration
		seq int
	}
	var line Timeline[event]
	var want, got []event
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 1000 {
		e := event{time.Duration(rng.IntN(50)), i}
		want = append(want, e)
		line.Push(e.at, e)
	}
	slices.SortStableFunc(want, func(a, b event) int { return int(a.at - b.at) })
	for now := range time.Duration(50) {
		at, ok := line.Next()
		require.True(t, ok)
		require.GreaterOrEqual(t, at, now)
		for {
			e, ok := line.Pop(now)
			if !ok {
				break
			}
			require.Equal(t, now, e.at)
			got = append(got, e)
		}
	}
	require.Equal(t, want, got)
	require.Zero(t, line.Len())
	_, ok := line.Next()
	require.False(t, ok)
}

func TestFIFOGrowsAndWraps(t *testing.T) {
	var q fifo[int]
	in, out := 0, 0
	for range 100 {
		for range 7 {
			q.push(in)
			in++
		}
		for range 5 {
			require.Equal(t, out, *q.front())
			require.Equal(t, out, q.pop())
			out++
		}
	}
	require.Equal(t, in-out, q.len())
}
