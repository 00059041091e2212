package wan_test

import (
	"cmp"
	"flag"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/wan"
	"github.com/udtgo/udtgo/udt"
)

var (
	seeds      = flag.Int("wan.seeds", 3, "seeds to run each scenario with")
	firstSeed  = flag.Uint64("wan.seed", 1, "first seed")
	long       = flag.Bool("wan.long", false, "run the scenarios that take long, with all seeds")
	verbose    = flag.Bool("wan.v", false, "print the figures of every run")
	trace      = flag.Duration("wan.trace", 0, "print the state of every flow so often")
	controller = flag.String("wan.controller", "", "use this controller, and demand nothing of it")
)

// raceEnabled reports whether the race detector is on.
var raceEnabled bool

// demand is what the default controller must reach: medians over the seeds.
type demand struct {
	scenario wan.Scenario
	legacy   bool
	share    float64 // of the link, over the whole run
	settled  float64 // likewise, after the settling time
	each     float64 // share of every seed
	queue    float64 // at most, mean part of the buffer
	flow     float64 // settled share of each flow
	fair     float64 // Jain's index after the settling time
	steady   bool    // no timeouts
	rival    string  // controller of the second flow
	slow     bool    // only the first seed unless -wan.long is given
	huge     bool    // takes memory and time: only if -wan.long is given
}

// demands are the table of long paths.
var demands = []demand{
	{scenario: wan.A, share: 0.93, queue: 0.30},
	{scenario: wan.B, share: 0.90},
	{scenario: wan.C, share: 0.86},
	{scenario: wan.C5, share: 0.75},
	{scenario: wan.D, share: 0.88},
	{scenario: wan.A, legacy: true, share: 0.88},
	{scenario: wan.B, legacy: true, share: 0.82},
	{scenario: wan.C, legacy: true, share: 0.78},
	{scenario: wan.C5, legacy: true},
	{scenario: wan.D, legacy: true, share: 0.68},
	{scenario: wan.E1, fair: 0.95},
	{scenario: wan.E2, flow: 0.25, rival: "cubic"},
	{scenario: wan.F, share: 0.70, slow: true},
	{scenario: wan.G, settled: 0.90, huge: true},
	{scenario: wan.H, share: 0.70, each: 0.65, steady: true},
}

func (d *demand) name() string {
	if d.legacy {
		return d.scenario.Name + " legacy"
	}
	return d.scenario.Name
}

// TestWAN transfers over long paths and demands the shares of the link that the
// default controller is there for.
func TestWAN(t *testing.T) {
	for _, d := range demands {
		t.Run(d.name(), func(t *testing.T) {
			switch {
			case !d.huge:
				t.Parallel()
			case !*long:
				t.Skip("takes half a minute and 2 GB for each seed: use -wan.long")
			}
			results := d.run(t)
			d.report(t, results)
			if *controller == "" && !raceEnabled {
				d.check(t, results)
			}
		})
	}
}

// run runs the scenario with each seed.
func (d *demand) run(t *testing.T) []*wan.Result {
	own, known := constructor(*controller, d.scenario)
	require.True(t, known, "no controller %q", *controller)
	o := wan.Options{Legacy: d.legacy, Controllers: []func() udt.CongestionControl{own}}
	if d.rival != "" {
		rival, known := constructor(d.rival, d.scenario)
		if !known {
			t.Skipf("no controller %q", d.rival)
		}
		o.Controllers = append(o.Controllers, rival)
	}
	if d.huge {
		// All that anybody has to set for such a path.
		o.Config = &udt.Config{SendBuffer: 500e6, RecvBuffer: 500e6}
	}
	if *trace > 0 {
		o.Interval = *trace
		o.Trace = func(p wan.Point) { fmt.Println(p) }
	}
	var results []*wan.Result
	n := max(*seeds, 1)
	if d.slow && !*long {
		n = 1
	}
	if raceEnabled {
		// Long enough for a race, too short for the figures.
		n, d.scenario.Duration, d.scenario.Settle = 1, 3*time.Second, 2*time.Second
	}
	for i := range uint64(n) {
		o.Seed = *firstSeed + i
		begin := time.Now()
		synctest.Test(t, func(t *testing.T) {
			r, err := wan.Run(d.scenario, o)
			require.NoError(t, err)
			require.NoError(t, r.Err)
			results = append(results, r)
		})
		if *verbose {
			fmt.Printf("%-9s %v, %v\n", d.name(), results[i], time.Since(begin).Round(time.Millisecond))
		}
	}
	return results
}

// report prints the medians.
func (d *demand) report(t *testing.T, results []*wan.Result) {
	line := fmt.Sprintf("%s: share %.3f (%.3f to %.3f) settled %.3f queue %.0f%% drops %.2f%% lost %.2f%% again %.2f%% timeouts %.0f",
		d.name(), median(results, (*wan.Result).Share), slices.Min(each(results, (*wan.Result).Share)), slices.Max(each(results, (*wan.Result).Share)),
		median(results, settled), 100*median(results, queue), 100*median(results, (*wan.Result).DropRate),
		100*median(results, (*wan.Result).LossRate), 100*median(results, (*wan.Result).AgainRate),
		slices.Max(each(results, func(r *wan.Result) float64 { return float64(r.Timeouts()) })))
	for i, size := range wan.FirstSizes {
		line += fmt.Sprintf(" %d KB after %.0f ms", size/1000, 1000*median(results, first(i)))
	}
	if d.scenario.Flows > 1 {
		line += fmt.Sprintf(" Jain %.3f flows %.3f %.3f", median(results, jain), median(results, flowShare(0)), median(results, flowShare(1)))
	}
	t.Log(line)
}

// check demands what the table says.
func (d *demand) check(t *testing.T, results []*wan.Result) {
	for _, r := range results {
		require.GreaterOrEqual(t, r.Share(), d.each, "%v", r)
		if d.steady {
			require.Zero(t, r.Timeouts(), "%v", r)
		}
	}
	require.GreaterOrEqual(t, median(results, (*wan.Result).Share), d.share)
	require.GreaterOrEqual(t, median(results, settled), d.settled)
	require.LessOrEqual(t, median(results, queue), cmp.Or(d.queue, 1))
	require.GreaterOrEqual(t, median(results, jain), d.fair)
	for i := range d.scenario.Flows {
		require.GreaterOrEqual(t, median(results, flowShare(i)), d.flow, "flow %d", i)
	}
}

func settled(r *wan.Result) float64 { return r.ShareBetween(r.Scenario.Settle, r.Scenario.Duration) }
func queue(r *wan.Result) float64   { return r.Queue }
func jain(r *wan.Result) float64    { return wan.Jain(r.Settled()) }

func flowShare(i int) func(*wan.Result) float64 {
	return func(r *wan.Result) float64 { return r.Settled()[i] }
}

func first(i int) func(*wan.Result) float64 {
	return func(r *wan.Result) float64 { return r.Flows[0].First[i].Seconds() }
}

func each(results []*wan.Result, f func(*wan.Result) float64) []float64 {
	var values []float64
	for _, r := range results {
		values = append(values, f(r))
	}
	return values
}

func median(results []*wan.Result, f func(*wan.Result) float64) float64 {
	values := slices.Sorted(slices.Values(each(results, f)))
	return values[len(values)/2]
}
