package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// print writes the table: one row per contender, the metrics, and the ratio of
// the first metric to the contenders that the work names.
func (t *Table) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %s\n", t.Work, t.Note)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	heads, units := []string{"contender"}, []string{""}
	for _, m := range t.work.Metrics {
		heads, units = append(heads, m.Head), append(units, m.Unit)
	}
	against := t.against()
	for _, name := range against {
		heads, units = append(heads, "× "+name), append(units, "")
	}
	fmt.Fprintln(tab, strings.Join(heads, "\t"))
	fmt.Fprintln(tab, strings.Join(units, "\t"))
	for _, r := range t.Rows {
		cells := []string{r.Contender}
		switch {
		case r.Skipped != "":
			fmt.Fprintln(tab, r.Contender+"\t- "+r.Skipped)
			continue
		case len(r.Runs) == 0 && len(r.Errors) > 0:
			fmt.Fprintln(tab, r.Contender+"\terror: "+r.Errors[0])
			continue
		case len(r.Runs) == 0:
			fmt.Fprintln(tab, r.Contender+"\tnot run")
			continue
		}
		for _, m := range t.work.Metrics {
			cells = append(cells, r.cell(m))
		}
		for _, name := range against {
			cell := "-"
			if v, ok := r.Ratios[t.work.Metrics[0].Name][name]; ok {
				cell = fmt.Sprintf("%.2f", v)
			}
			cells = append(cells, cell)
		}
		if r.Remark != "" {
			cells = append(cells, r.Remark)
		}
		if len(r.Errors) > 0 {
			cells = append(cells, fmt.Sprintf("%d runs failed: %s", len(r.Errors), r.Errors[0]))
		}
		fmt.Fprintln(tab, strings.Join(cells, "\t"))
	}
	tab.Flush()
}

// against is the contenders of Work.Against that were measured.
func (t *Table) against() []string {
	var names []string
	for _, name := range t.work.Against {
		if r := t.row(name); r != nil && len(r.Runs) > 0 {
			names = append(names, name)
		}
	}
	return names
}

func (r *Row) cell(m Metric) string {
	f, ok := r.Figures[m.Name]
	switch {
	case !ok:
		return "n/a"
	case m.Spread && len(r.Runs) > 1:
		return fmt.Sprintf("%.*f (%.*f-%.*f)", m.Digits, f.Median, m.Digits, f.Min, m.Digits, f.Max)
	}
	return fmt.Sprintf("%.*f", m.Digits, f.Median)
}
