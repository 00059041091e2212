package main

import "fmt"

// A wanTarget is something that a row must reach in a scenario.
type wanTarget struct {
	scenario, contender string
	column              wanColumn
	against             string // a ratio to this row's figure, unless ""
	atLeast             bool
	want, reach         float64
}

// wanTargets are those of the long paths.
func wanTargets() []wanTarget {
	goodput := func(contender, scenario string, want, reach float64) wanTarget {
		return wanTarget{scenario, contender, wanGoodput, "", true, want, reach}
	}
	start := wanColumns(wanShort)
	return []wanTarget{
		goodput("udt", "A", 0.93, 0),
		{"A", "udt", wanLink[0], "", false, 30, 0},
		goodput("udt", "B", 0.90, 0),
		goodput("udt", "C", 0.86, 0.90),
		goodput("udt", "C'", 0.75, 0),
		goodput("udt", "D", 0.88, 0.92),
		goodput("udt/libudt", "A", 0.88, 0),
		goodput("udt/libudt", "B", 0.82, 0),
		goodput("udt/libudt", "C", 0.78, 0),
		goodput("udt/libudt", "D", 0.68, 0),
		{"E1", "udt", wanJain, "", true, 0.95, 0},
		{"E2", "udt", wanShare("its share", 0), "", true, 0.25, 0},
		{"E2", "udt", wanShare("cubic's share", 1), "", true, 0.25, 0},
		{"start", "udt", start[0], wanStartReference, false, 0.9, 0},
		{"start", "udt", start[1], wanStartReference, false, 1, 0},
	}
}

// verdicts compares what was measured with the targets, medians in each case.
func (w *wanReport) verdicts() []Verdict {
	var all []Verdict
	for _, t := range wanTargets() {
		s, err := findWANScenario(t.scenario)
		if err != nil {
			continue
		}
		values, _ := w.values(s, t.contender, t.column)
		if len(values) == 0 {
			continue
		}
		v := Verdict{
			Target: Target{Work: "wan " + t.scenario, Metric: t.column.head, Contender: t.contender, Against: t.against, AtLeast: t.atLeast, Want: t.want, Reach: t.reach},
			Text:   fmt.Sprintf("long path %s: %s of %s", t.scenario, t.column.head, t.contender), Value: median(values), Known: true,
		}
		if t.against != "" {
			v.Text += " to " + t.against
			base, _ := w.values(s, t.against, t.column)
			if v.Known = len(base) > 0; v.Known {
				v.Value /= median(base)
			}
		}
		v.Met = v.Known && v.holds(v.Value, t.want)
		v.Reached = v.Known && t.reach > 0 && v.holds(v.Value, t.reach)
		all = append(all, v)
	}
	return all
}
