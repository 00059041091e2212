package wan_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/wan"
	"github.com/udtgo/udtgo/udt"
)

// A queue of one BDP and what most scenarios share are filled in.
func TestScenariosAreComplete(t *testing.T) {
	names := map[string]bool{}
	for _, s := range wan.Scenarios() {
		require.False(t, names[s.Name], "%s is there twice", s.Name)
		names[s.Name] = true
		require.Positive(t, s.Queue)
		require.Positive(t, s.Flows)
		require.Greater(t, s.Duration, s.Settle)
	}
	require.Equal(t, 833, wan.A.Queue)
	require.Equal(t, 3333, wan.D.Queue)
	require.Equal(t, 83333, wan.G.Queue)
	require.Equal(t, 32, wan.F.Queue)
}

// Where the rate switches, the capacity is that of the moment.
func TestCapacity(t *testing.T) {
	require.InDelta(t, 25*100e6/8, wan.A.Capacity(0, 25*time.Second), 1)
	require.InDelta(t, 2*50e6/8, wan.H.Capacity(0, 2*time.Second), 1)
	require.InDelta(t, 2*5e6/8, wan.H.Capacity(2*time.Second, 4*time.Second), 1)
	require.InDelta(t, (1*50e6+1*5e6)/8, wan.H.Capacity(5*time.Second, 7*time.Second), 1)
	require.InDelta(t, 12*(50e6+5e6)/8, wan.H.Capacity(0, wan.H.Duration), 1)
}

func TestJain(t *testing.T) {
	require.InDelta(t, 1, wan.Jain([]float64{0.3, 0.3}), 1e-9)
	require.InDelta(t, 0.5, wan.Jain([]float64{0.7, 0}), 1e-9)
	require.Zero(t, wan.Jain([]float64{0, 0}))
}

// A sender that knows the rate gets what it sends, through the queue of the
// moment where the rate switches: the figures are those of the path, to
// a receiver of either kind.
func TestSharesAreThoseOfThePath(t *testing.T) {
	s := wan.H
	s.Jitter, s.Burst.Enter, s.Queue, s.Duration = 0, 0, 10000, 8*time.Second
	for _, legacy := range []bool{false, true} {
		half := s
		half.Rate, half.Low = 20e6, 40e6 // told to send 19.4 Mbit/s of datagrams
		synctest.Test(t, func(t *testing.T) {
			make, _ := constructor("told", half)
			r, err := wan.Run(half, wan.Options{Legacy: legacy, Controllers: []func() udt.CongestionControl{make}})
			require.NoError(t, err)
			require.NoError(t, r.Err)
			require.InDelta(t, 0.97*1456/1472, r.ShareBetween(2*time.Second, 8*time.Second)*half.Capacity(2*time.Second, 8*time.Second)*8/6/20e6, 0.01)
			require.Zero(t, r.QueueDrops)
			require.Zero(t, r.Lost)
			require.Equal(t, !legacy, r.Flows[0].Stats.ExtendedPeer)
			require.Less(t, r.Flows[0].First[0], 2*time.Second)
			require.Less(t, r.Flows[0].First[0], r.Flows[0].First[1])
		})
	}
}
