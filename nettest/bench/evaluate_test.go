package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// gbits is a run of that rate.
func gbits(rate float64) PairResult {
	return PairResult{Server: &Result{Bytes: int64(rate * 1e9 / 8), Seconds: 1, CPU: 1}, Client: &Result{CPU: 1, Mallocs: -1}}
}

// A ratio is the median of the ratios of the runs made next to each other, not the
// ratio of medians; runs whose partner failed do not count.
func TestRatiosPairRuns(t *testing.T) {
	fast := &Row{Contender: "fast", Runs: []PairResult{gbits(10), gbits(2), gbits(30)}, Indexes: []int{0, 1, 2}}
	slow := &Row{Contender: "slow", Runs: []PairResult{gbits(1), gbits(10)}, Indexes: []int{1, 2}}
	table := &Table{Rows: []*Row{fast, slow}, work: bulk}
	table.evaluate()
	require.InDelta(t, 2.5, fast.Ratios["rate"]["slow"], 1e-6)
	require.Equal(t, Figure{10, 2, 30}, roundFigure(fast.Figures["rate"]))
	require.NotContains(t, fast.Figures, "allocs", "unknown counts give no figure")
}

func roundFigure(f Figure) Figure {
	round := func(v float64) float64 { return float64(int(v + 0.5)) }
	return Figure{round(f.Median), round(f.Min), round(f.Max)}
}

// A target is met at its bound and on its good side; what was not measured is
// not met, and works that did not run are not judged.
func TestTargetsAreJudged(t *testing.T) {
	row := &Row{Contender: "udt", Figures: map[string]Figure{"peak_send": {Median: 64}, "peak_recv": {Median: 65}},
		Ratios: map[string]map[string]float64{"rate": {"libudt": 5.5, "quic": 6.4}}}
	r := &Report{Tables: []*Table{{Work: "bulk", Rows: []*Row{row}}}}
	r.judge()
	require.NotEmpty(t, r.Targets)
	got := map[string]Verdict{}
	for _, v := range r.Targets {
		require.Equal(t, "bulk", v.Work)
		got[v.Contender+v.Metric+v.Against] = v
	}
	require.True(t, got["udtratelibudt"].Met)
	require.False(t, got["udtratequic"].Met)
	require.True(t, got["udtpeak_send"].Met)
	require.False(t, got["udtpeak_recv"].Met)
	require.False(t, got["udtratekcp"].Known)
	require.False(t, got["udtratekcp"].Met)
}

// A target that there be none is missed by a single run that has one.
func TestNoneMeansNone(t *testing.T) {
	row := &Row{Contender: "udt-protected", Figures: map[string]Figure{"goodput": {Median: 0.96}}}
	for _, most := range []float64{0, 1} {
		row.Figures["accepted"] = Figure{Max: most}
		r := &Report{Tables: []*Table{{Work: "blind", Rows: []*Row{row}}}}
		r.judge()
		require.Len(t, r.Targets, 2)
		require.True(t, r.Targets[0].Met)
		require.Equal(t, most == 0, r.Targets[1].Met)
		require.Equal(t, "none", r.Targets[1].bound(0, r.Targets[1].None))
	}
}

// Every target speaks of works, figures and contenders that exist.
func TestTargetsNameWhatExists(t *testing.T) {
	for _, target := range slices.Concat(targets, muxTargets) {
		w, err := work(target.Work)
		require.NoError(t, err)
		names := map[string]bool{}
		for _, m := range w.Metrics {
			names[m.Name] = true
		}
		require.True(t, names[target.Metric], "%s %s", target.Work, target.Metric)
		if target.Against != "" {
			_, err := contender(target.Against)
			require.NoError(t, err)
		}
		if target.AgainstWork != "" {
			_, err := work(target.AgainstWork)
			require.NoError(t, err)
		}
	}
}
