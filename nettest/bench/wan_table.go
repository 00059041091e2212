package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A wanColumn is one figure of a run; false means that it has none.
type wanColumn struct {
	head string
	text string // format of the median
	span bool   // print the range too
	of   func(*wanResult) (float64, bool)
}

func always(of func(*wanResult) float64) func(*wanResult) (float64, bool) {
	return func(r *wanResult) (float64, bool) { return of(r), true }
}

var (
	wanGoodput = wanColumn{"goodput", "%.3f", true, always(func(r *wanResult) float64 { return r.Goodput })}
	wanLink    = []wanColumn{
		{"mean queue %", "%.1f", false, always(func(r *wanResult) float64 { return 100 * r.QueueShare })},
		{"ms", "%.1f", false, always(func(r *wanResult) float64 { return milliseconds(r.Forward.MeanWait) })},
		{"dropped by queue", "%.0f", false, always(func(r *wanResult) float64 { return float64(r.Forward.Dropped) })},
		{"at random", "%.0f", false, always(func(r *wanResult) float64 { return float64(r.Forward.Lost) })},
		{"of packets", "%.0f", false, always(func(r *wanResult) float64 { return float64(r.Forward.Offered) })},
		{"late ms", "%.2f", false, always(func(r *wanResult) float64 {
			return milliseconds(max(r.Forward.MeanLate, r.Reverse.MeanLate))
		})},
	}
	wanJain = wanColumn{"Jain", "%.3f", true, always(func(r *wanResult) float64 { return r.Jain })}
)

// wanColumns returns the columns of a scenario's table.
func wanColumns(s *wanScenario) []wanColumn {
	switch s.kind {
	case wanTwins:
		return slices.Concat([]wanColumn{wanJain, wanShare("first", 0), wanShare("second", 1), wanGoodput}, wanLink)
	case wanRival:
		return slices.Concat([]wanColumn{wanShare("its share", 0), wanShare("cubic's share", 1), wanGoodput}, wanLink)
	case wanStart:
		var columns []wanColumn
		for i, size := range s.sizes {
			columns = append(columns, wanColumn{fmt.Sprintf("%d KB, ms", size/1000), "%.0f", true, wanTook(i)})
		}
		return columns
	default:
		return append([]wanColumn{wanGoodput}, wanLink...)
	}
}

// wanShare is a flow's part of the link after the beginning.
func wanShare(head string, flow int) wanColumn {
	return wanColumn{head, "%.3f", true, func(r *wanResult) (float64, bool) {
		if len(r.Flows) <= flow {
			return 0, false
		}
		return r.Flows[flow].Later, true
	}}
}

// wanTook is the milliseconds of a short transfer.
func wanTook(transfer int) func(*wanResult) (float64, bool) {
	return func(r *wanResult) (float64, bool) {
		if len(r.Start) <= transfer {
			return 0, false
		}
		return 1000 * r.Start[transfer].Seconds, true
	}
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// values returns the figures of one contender's runs of a scenario, and the
// errors of those that have none.
func (w *wanReport) values(s *wanScenario, name string, c wanColumn) (values []float64, errs []string) {
	for i := range w.Results {
		r := &w.Results[i]
		if r.Scenario != s.name || r.Contender != name {
			continue
		}
		if r.Error != "" {
			errs = append(errs, r.Error)
		} else if v, ok := c.of(r); ok {
			values = append(values, v)
		}
	}
	return values, errs
}

// print writes the table of one scenario: medians, and the range of the first
// figures.
func (w *wanReport) print(out io.Writer, s *wanScenario, entries []wanEntry) {
	fmt.Fprintf(out, "\n%s\n", s)
	if s.after > 0 {
		fmt.Fprintf(out, "Shares of the link from second %g on.\n", s.after)
	}
	tab := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	columns := wanColumns(s)
	heads := []string{"contender"}
	for _, c := range columns {
		heads = append(heads, c.head)
		if s.kind == wanStart {
			heads = append(heads, "× "+wanStartReference)
		}
	}
	fmt.Fprintln(tab, strings.Join(heads, "\t"))
	for _, e := range entries {
		cells := []string{e.String()}
		var failed []string
		for _, c := range columns {
			values, errs := w.values(s, e.String(), c)
			failed = errs
			cells = append(cells, c.cell(values))
			if s.kind == wanStart {
				cells = append(cells, w.ratio(s, values, c))
			}
		}
		if len(failed) > 0 {
			cells = append(cells, fmt.Sprintf("%d runs failed: %s", len(failed), failed[0]))
		}
		if slices.ContainsFunc(cells[1:], func(c string) bool { return c != "-" }) {
			fmt.Fprintln(tab, strings.Join(cells, "\t"))
		}
	}
	tab.Flush()
}

func (c wanColumn) cell(values []float64) string {
	if len(values) == 0 {
		return "-"
	}
	text := fmt.Sprintf(c.text, median(values))
	if c.span && len(values) > 1 {
		text += fmt.Sprintf(" ("+c.text+"-"+c.text+")", slices.Min(values), slices.Max(values))
	}
	return text
}

// wanStartReference is what the times of short transfers are compared with.
const wanStartReference = "tcp-cubic"

func (w *wanReport) ratio(s *wanScenario, values []float64, c wanColumn) string {
	base, _ := w.values(s, wanStartReference, c)
	if len(base) == 0 || len(values) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", median(values)/median(base))
}

// line is what the progress says of one run.
func (r *wanResult) line() string {
	if r.Error != "" {
		return r.Error
	}
	var text []string
	for _, t := range r.Start {
		text = append(text, fmt.Sprintf("%d KB in %.0f ms", t.Bytes/1000, 1000*t.Seconds))
	}
	if len(r.Flows) > 0 {
		text = append(text, fmt.Sprintf("goodput %.3f, queue %.0f %%, %d dropped", r.Goodput, 100*r.QueueShare, r.Forward.Dropped))
	}
	if len(r.Flows) > 1 {
		text = append(text, fmt.Sprintf("shares %.2f %.2f", r.Flows[0].Later, r.Flows[1].Later))
	}
	return strings.Join(text, ", ")
}
