package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// wanFlags are the flags of the long-path part. It runs less often and for
// longer than the loopback part, so the common flags count only where it is
// alone.
var wanFlags struct {
	set       *flag.FlagSet
	scenarios string
	runs      int
	seconds   float64
}

func registerWAN(set *flag.FlagSet) {
	f := &wanFlags
	f.set = set
	set.StringVar(&f.scenarios, "scenarios", "", "`names` of long-path scenarios, separated by commas (default all)")
	set.IntVar(&f.runs, "wan-runs", 3, "long-path runs of each contender, which take turns; also -runs of the command wan")
	set.Float64Var(&f.seconds, "wan-seconds", 0, "`length` of a long-path run instead of the scenario's own; also -seconds of the command wan")
}

// A wanReport is all of the long-path part.
type wanReport struct {
	Scenarios []wanNote
	Skipped   map[string]string `json:",omitempty"` // why a contender did not run
	Warning   string            `json:",omitempty"` // about this machine
	Results   []wanResult
}

// wanNote says what a scenario is.
type wanNote struct{ Name, Text string }

// runWAN measures the scenarios over emulated links.
func runWAN(ctx context.Context, f *Common, r *Report) error {
	runs, duration := wanFlags.runs, wanFlags.seconds
	if wanFlags.set.Name() == "wan" {
		wanFlags.set.Visit(func(g *flag.Flag) {
			switch g.Name {
			case "runs":
				runs = f.Runs
			case "seconds":
				duration = f.Seconds
			}
		})
	}
	chosen, err := pick(wanFlags.scenarios, wanScenarios, findWANScenario, func(*wanScenario) bool { return true })
	if err != nil {
		return err
	}
	if why := wanMissing(); why != "" {
		fmt.Printf("\nlong paths: skipped: %s\n", why)
		r.WAN = &wanReport{Skipped: map[string]string{"*": why}}
		return nil
	}
	w := &wanReport{Skipped: map[string]string{}, Warning: wanWarning()}
	if w.Warning != "" {
		fmt.Printf("\nlong paths: %s\n", w.Warning)
	}
	r.WAN = w
	entries := w.entries(cmp.Or(f.Contenders, wanDefaults))
	fmt.Fprintf(os.Stderr, "long paths: %d runs of %d scenarios with %d contenders: about %v\n",
		runs, len(chosen), len(entries), wanTime(chosen, len(entries), runs, duration).Round(time.Second))
	for _, s := range chosen {
		w.Scenarios = append(w.Scenarios, wanNote{s.name, s.String()})
		w.measure(ctx, s, entries, runs, cmp.Or(duration, s.seconds))
		w.print(os.Stdout, s, entries)
	}
	r.Targets = append(r.Targets, w.verdicts()...)
	return context.Cause(ctx)
}

// entries returns those of the list that can run here.
func (w *wanReport) entries(list string) []wanEntry {
	var entries []wanEntry
	for name := range strings.SplitSeq(list, ",") {
		e := parseWANEntry(strings.TrimSpace(name))
		if why := e.missing(); why != "" {
			fmt.Printf("long paths: %s skipped: %s\n", e, why)
			w.Skipped[e.String()] = why
			continue
		}
		entries = append(entries, e)
	}
	return entries
}

// measure makes the runs of one scenario: in each, every contender in turn.
func (w *wanReport) measure(ctx context.Context, s *wanScenario, entries []wanEntry, runs int, duration float64) {
	for run := range runs {
		for _, e := range entries {
			if ctx.Err() != nil {
				return
			}
			if e.sender != e.receiver && s.kind != wanAlone {
				continue
			}
			r := s.run(ctx, e, run, duration)
			if r.Error != "" && ctx.Err() != nil {
				return
			}
			w.Results = append(w.Results, r)
			fmt.Fprintf(os.Stderr, "%s %d %s: %s\n", s.name, run+1, e, r.line())
		}
	}
}

// wanTime estimates how long all takes.
func wanTime(chosen []*wanScenario, entries, runs int, duration float64) time.Duration {
	sum := 0.
	for _, s := range chosen {
		each := 1.
		if s.kind != wanStart {
			each += cmp.Or(duration, s.seconds)
		}
		sum += each * float64(entries*runs)
	}
	return seconds(sum)
}

func findWANScenario(name string) (*wanScenario, error) {
	var names []string
	for _, s := range wanScenarios {
		if s.name == name {
			return s, nil
		}
		names = append(names, s.name)
	}
	return nil, fmt.Errorf("no scenario %q; there are %s", name, strings.Join(names, ", "))
}
