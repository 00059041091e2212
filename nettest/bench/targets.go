package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// A Target is something that this library must reach: a figure of
// Contender in Work, or its ratio to that of Against.
type Target struct {
	Work, Metric, Contender string
	Against                 string // "" for the figure itself
	AgainstWork             string // "" for the same: otherwise the medians of two works are compared
	AtLeast                 bool   // otherwise at most
	None                    bool   // of the figure, in any run: Want and Reach are zero
	Want, Reach             float64
}

// A Verdict is a target with what was reached.
type Verdict struct {
	Target
	Text    string
	Value   float64
	Known   bool // whether it was measured
	Met     bool
	Reached bool // the further aim too
}

// targets of the main contender. A ratio of rates wants much, one of costs or
// of times little.
var targets = []Target{
	{Work: "bulk", Metric: "rate", Against: "raw", AtLeast: true, Want: 0.75},
	{Work: "bulk", Metric: "rate", Against: "raw-nopoll", AtLeast: true, Reach: 0.95},
	{Work: "bulk", Metric: "rate", Against: "libudt", AtLeast: true, Want: 5.5},
	{Work: "bulk", Metric: "rate", Against: "quic", AtLeast: true, Want: 6.5},
	{Work: "bulk", Metric: "rate", Against: "kcp", AtLeast: true, Want: 8},
	{Work: "bulk", Metric: "rate", Against: "tcp", AtLeast: true, Reach: 0.75},
	{Work: "bulk", Metric: "cpu", Against: "raw", Want: 1.3},
	{Work: "bulk", Metric: "cpu", Against: "quic", Want: 1. / 6},
	{Work: "bulk", Metric: "cpu", Against: "yamux", Reach: 1},
	{Work: "pingpong", Metric: "p50", Against: "tcp", Want: 1.6, Reach: 1.2},
	{Work: "pingpong", Metric: "p99", Against: "tcp", Want: 2, Reach: 1.2},
	{Work: "setup1", Metric: "rate", Against: "tcp", AtLeast: true, Want: 0.6, Reach: 1},
	{Work: "setup64", Metric: "rate", Against: "tcp", AtLeast: true, Want: 0.6, Reach: 1},
	{Work: "setup1", Metric: "rate", Against: "libudt", AtLeast: true, Want: 20},
	{Work: "setup64", Metric: "rate", Against: "libudt", AtLeast: true, Want: 20},
	{Work: "write4k", Metric: "rate", AgainstWork: "bulk", AtLeast: true, Want: 0.8},
	{Work: "bulk8", Metric: "rate", AgainstWork: "bulk", AtLeast: true, Want: 0.95},
	{Work: "bulk8", Metric: "share_min", AtLeast: true, Want: 0.8},
	{Work: "bulk8", Metric: "share_max", Want: 1.2},
	{Work: "bulk", Metric: "allocs", Want: 0.005},
	{Work: "write4k", Metric: "allocs", Want: 0.005},
	{Work: "bulk8", Metric: "allocs", Want: 0.005},
	{Work: "idle", Metric: "heap_dial", Want: 8192, Reach: 4096},
	{Work: "idle", Metric: "heap_accept", Want: 8192, Reach: 4096},
	{Work: "idle", Metric: "goroutines_per_conn", Want: 1, Reach: 0.01},
	{Work: "idle", Metric: "cpu", Want: 2},
	{Work: "bulk", Metric: "peak_send", Want: 64},
	{Work: "bulk", Metric: "peak_recv", Want: 64},
	{Work: "bulk", Metric: "lost", Want: 0.01},
	{Work: "bulk", Metric: "rate", Contender: "udt-nooffload", Against: "libudt", AtLeast: true, Want: 1},
	{Work: "bulk", Metric: "cpu", Contender: "udt-nooffload", Against: "libudt", Want: 1},
	{Work: "bulk", Metric: "rate", Contender: "udt-portable", Against: "libudt", AtLeast: true, Want: 1},
	{Work: "bulk", Metric: "cpu", Contender: "udt-portable", Against: "libudt", Want: 1},
	{Work: "bulk", Metric: "rate", Contender: "udt-protected", Against: "raw-aes", AtLeast: true, Want: 0.7, Reach: 0.9},
	{Work: "bulk", Metric: "rate", Contender: "udt-protected", Against: "tls", AtLeast: true, Want: 0.9, Reach: 1.1},
	{Work: "bulk", Metric: "rate", Contender: "udt-protected", Against: "quic", AtLeast: true, Want: 3.8, Reach: 5},
	{Work: "bulk", Metric: "cpu", Contender: "udt-protected", Against: "tls", Want: 1},
	{Work: "bulk", Metric: "cpu", Contender: "udt-protected", Against: "quic", Want: 0.25},
	{Work: "setup1", Metric: "rate", Contender: "udt-protected", Against: "tls", AtLeast: true, Want: 0.85, Reach: 1},
	{Work: "setup64", Metric: "rate", Contender: "udt-protected", Against: "tls", AtLeast: true, Want: 0.85, Reach: 1},
	{Work: "idle", Metric: "heap_dial", Contender: "udt-protected", Want: 16 << 10, Reach: 12 << 10},
	{Work: "idle", Metric: "heap_accept", Contender: "udt-protected", Want: 16 << 10, Reach: 12 << 10},
	{Work: "blind", Metric: "goodput", Contender: "udt-protected", AtLeast: true, Want: 0.95},
	{Work: "blind", Metric: "accepted", Contender: "udt-protected", None: true},
	{Work: "blind-sender", Metric: "goodput", Contender: "udt-protected", AtLeast: true, Want: 0.95},
	{Work: "blind-sender", Metric: "accepted", Contender: "udt-protected", None: true},
}

// muxTargets are those of package mux: against the bare connection under it, and
// against yamux over the same kind of connection.
var muxTargets = []Target{
	{Work: "stream1", Metric: "rate", Contender: "mux", Against: "udt-packets", AtLeast: true, Want: 0.8},
	{Work: "stream1", Metric: "rate", Contender: "mux-stream", Against: "udt", AtLeast: true, Want: 0.8},
	{Work: "stream1", Metric: "rate", Contender: "mux-tcp", Against: "tcp", AtLeast: true, Want: 0.8},
	{Work: "stream1", Metric: "rate", Contender: "mux", Against: "yamux-udt", AtLeast: true, Want: 1},
	{Work: "stream1", Metric: "rate", Contender: "mux-stream", Against: "yamux-udt", AtLeast: true, Want: 1},
	{Work: "stream1", Metric: "rate", Contender: "mux-tcp", Against: "yamux", AtLeast: true, Want: 1},
	{Work: "stream1000", Metric: "rate", Contender: "mux", Against: "udt-packets", AtLeast: true, Want: 0.7},
	{Work: "stream1000", Metric: "rate", Contender: "mux-stream", Against: "udt", AtLeast: true, Want: 0.7},
	{Work: "stream1000", Metric: "rate", Contender: "mux-tcp", Against: "tcp", AtLeast: true, Want: 0.7},
	{Work: "open", Metric: "cpu", Contender: "mux", Against: "yamux-udt", Want: 1},
	{Work: "open", Metric: "cpu", Contender: "mux-stream", Against: "yamux-udt", Want: 1},
	{Work: "open", Metric: "cpu", Contender: "mux-tcp", Against: "yamux", Want: 1},
	{Work: "open", Metric: "allocs", Contender: "mux", Against: "yamux-udt", Want: 1},
	{Work: "open", Metric: "allocs", Contender: "mux-stream", Against: "yamux-udt", Want: 1},
	{Work: "open", Metric: "allocs", Contender: "mux-tcp", Against: "yamux", Want: 1},
	{Work: "open", Metric: "rate", Contender: "mux", Against: "yamux-udt", AtLeast: true, Reach: 1},
	{Work: "open", Metric: "rate", Contender: "mux-stream", Against: "yamux-udt", AtLeast: true, Reach: 1},
	{Work: "open", Metric: "rate", Contender: "mux-tcp", Against: "yamux", AtLeast: true, Reach: 1},
	{Work: "idlestreams", Metric: "heap_dial", Contender: "mux", Want: 2048},
	{Work: "idlestreams", Metric: "heap_accept", Contender: "mux", Want: 2048},
	{Work: "idlestreams", Metric: "cpu", Contender: "mux", Want: 0.1},
	{Work: "requests", Metric: "p99", Contender: "mux", Against: "yamux-udt", Want: 0.5},
	{Work: "requests-bulk", Metric: "p99", Contender: "mux", Against: "yamux-udt", Want: 0.5},
	{Work: "requests-slow", Metric: "p99", Contender: "mux", Against: "quic", Want: 1},
}

// judge compares what was measured with the targets. Those whose works did not
// run are left out.
func (r *Report) judge() {
	for _, t := range slices.Concat(targets, muxTargets) {
		if t.Contender == "" {
			t.Contender = udtDefault.Name
		}
		table := r.table(t.Work)
		if table == nil {
			continue
		}
		v := Verdict{Target: t, Text: t.text()}
		v.Value, v.Known = r.value(table, &t)
		v.Met = v.Known && (t.Want > 0 && t.holds(v.Value, t.Want) || t.None && v.Value == 0)
		v.Reached = v.Known && t.Reach > 0 && t.holds(v.Value, t.Reach)
		r.Targets = append(r.Targets, v)
	}
}

func (t *Target) holds(value, bound float64) bool {
	if t.AtLeast {
		return value >= bound
	}
	return value <= bound
}

// value is the figure or the ratio that t is about.
func (r *Report) value(table *Table, t *Target) (float64, bool) {
	row := table.row(t.Contender)
	if row == nil {
		return 0, false
	}
	if t.Against != "" {
		v, ok := row.Ratios[t.Metric][t.Against]
		return v, ok
	}
	f, ok := row.Figures[t.Metric]
	if t.None {
		return f.Max, ok
	}
	if !ok || t.AgainstWork == "" {
		return f.Median, ok
	}
	other := r.table(t.AgainstWork)
	if other == nil || other.row(t.Contender) == nil {
		return 0, false
	}
	base, ok := other.row(t.Contender).Figures[t.Metric]
	if !ok || base.Median == 0 {
		return 0, false
	}
	return f.Median / base.Median, true
}

func (t *Target) text() string {
	text := fmt.Sprintf("%s %s of %s", t.Work, t.Metric, t.Contender)
	switch {
	case t.Against != "":
		text += " / " + t.Against
	case t.AgainstWork != "":
		text += " / its " + t.AgainstWork
	}
	return text
}

func printTargets(w io.Writer, verdicts []Verdict) {
	if len(verdicts) == 0 {
		return
	}
	fmt.Fprintf(w, "\ntargets\n")
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "figure\tvalue\twanted\t\treach for\t")
	for _, v := range verdicts {
		value := "not measured"
		if v.Known {
			value = fmt.Sprintf("%.3g", v.Value)
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Text, value,
			v.bound(v.Want, v.None), v.verdict(v.Want > 0 || v.None, v.Met), v.bound(v.Reach, false), v.verdict(v.Reach > 0, v.Reached))
	}
	tab.Flush()
}

func (v *Verdict) bound(b float64, none bool) string {
	switch {
	case none:
		return "none"
	case b == 0:
		return ""
	case v.AtLeast:
		return fmt.Sprintf("≥ %.3g", b)
	}
	return fmt.Sprintf("≤ %.3g", b)
}

func (v *Verdict) verdict(bound, met bool) string {
	switch {
	case !bound || !v.Known:
		return ""
	case met:
		return "met"
	}
	return "NOT MET"
}
