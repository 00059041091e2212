package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A receiver's series begins with its first connection; the sender's time is
// what counts, and cuts through intervals.
func TestBytesBetween(t *testing.T) {
	const second = 1_000_000_000
	r := Result{Start: 100 * second, Series: []int64{10, 20, 30, 40}}
	for _, c := range []struct {
		name     string
		from, to int64
		want     float64
	}{
		{"all", 100 * second, 104 * second, 100},
		{"before the first connection and after the last byte", 90 * second, 200 * second, 100},
		{"whole intervals", 101 * second, 103 * second, 50},
		{"parts of intervals", 100*second + second/2, 101*second + second/4, 10},
		{"inside one", 103*second + second/4, 103*second + second/2, 10},
		{"nothing", 200 * second, 300 * second, 0},
	} {
		t.Run(c.name, func(t *testing.T) { require.InDelta(t, c.want, r.bytesBetween(c.from, c.to, 1), 1e-6) })
	}
}

func TestJain(t *testing.T) {
	require.InDelta(t, 1, jain([]float64{0.4, 0.4}), 1e-9)
	require.InDelta(t, 0.5, jain([]float64{0, 0.9}), 1e-9)
	require.InDelta(t, 0.9, jain([]float64{0.2, 0.4}), 1e-9)
	require.Zero(t, jain([]float64{0, 0}))
}

func TestWANEntry(t *testing.T) {
	require.Equal(t, wanEntry{"udt", "udt"}, parseWANEntry("udt"))
	require.Equal(t, wanEntry{"udt", "libudt"}, parseWANEntry("udt/libudt"))
	require.Equal(t, "udt/libudt", wanEntry{"udt", "libudt"}.String())
	require.Equal(t, "udt", wanEntry{"udt", "udt"}.String())
	require.Empty(t, wanEntry{"tcp", "tcp"}.missing())
	require.Contains(t, wanEntry{"tcp", "nobody"}.missing(), "nobody")
}

// Every target is about a scenario and a figure that is in its table.
func TestWANTargetsAreInTheTables(t *testing.T) {
	for _, target := range wanTargets() {
		s, err := findWANScenario(target.scenario)
		require.NoError(t, err)
		var heads []string
		for _, c := range wanColumns(s) {
			heads = append(heads, c.head)
		}
		require.Contains(t, heads, target.column.head)
	}
}

// Medians of the runs that succeeded are judged, and ratios are of medians.
func TestWANVerdicts(t *testing.T) {
	w := wanReport{Results: []wanResult{
		{Scenario: "B", Contender: "udt", Goodput: 0.5},
		{Scenario: "B", Contender: "udt", Goodput: 0.91},
		{Scenario: "B", Contender: "udt", Goodput: 0.92},
		{Scenario: "B", Contender: "udt", Error: "it broke"},
		{Scenario: "start", Contender: "udt", Start: []wanTransfer{{100_000, 0.3}, {1_000_000, 0.6}}},
		{Scenario: "start", Contender: "tcp-cubic", Start: []wanTransfer{{100_000, 0.25}, {1_000_000, 0.75}}},
	}}
	got := map[string]Verdict{}
	for _, v := range w.verdicts() {
		got[v.Work+" "+v.Metric] = v
	}
	require.Len(t, got, 3)
	require.InDelta(t, 0.91, got["wan B goodput"].Value, 1e-9)
	require.True(t, got["wan B goodput"].Met)
	require.InDelta(t, 1.2, got["wan start 100 KB, ms"].Value, 1e-9)
	require.False(t, got["wan start 100 KB, ms"].Met)
	require.InDelta(t, 0.8, got["wan start 1000 KB, ms"].Value, 1e-9)
	require.True(t, got["wan start 1000 KB, ms"].Met)
}
