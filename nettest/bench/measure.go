package main

import (
	"context"
	"fmt"
	"io"
)

// A Plan is one work with the contenders that do it.
type Plan struct {
	Work       *Work
	Contenders []*Contender
	Runs       int
	Job        Job  // seconds, sizes, options; the names are filled in
	Counted    bool // one more run of each with its system calls counted
}

// A Row is what one contender did.
type Row struct {
	Contender string
	Note      string       `json:",omitempty"`
	Remark    string       `json:",omitempty"` // what was different for it
	Skipped   string       `json:",omitempty"` // why it did not run
	Runs      []PairResult `json:",omitempty"` // of the runs that succeeded
	Indexes   []int        `json:",omitempty"` // of these in the order of the plan: what is compared ran next to each other
	Counted   *PairResult  `json:",omitempty"`
	Errors    []string     `json:",omitempty"`

	Figures map[string]Figure             // by Metric.Name
	Ratios  map[string]map[string]float64 `json:",omitempty"` // by Metric.Name and contender: median of the ratios run by run
}

// A Figure is the median and the range of the runs.
type Figure struct{ Median, Min, Max float64 }

// A Table is what a plan measured.
type Table struct {
	Work string
	Note string
	Rows []*Row
	work *Work
}

// maxErrors is after how many failures in a row a contender is left out.
const maxErrors = 2

// Run makes the plan's runs: in each, every contender in turn, so that what
// changes on the machine meets all of them. One that fails leaves an error and
// the others go on. Progress gets a line per run.
func (p *Plan) Run(ctx context.Context, progress io.Writer) *Table {
	t := &Table{Work: p.Work.Name, Note: p.Work.Note, work: p.Work}
	for _, c := range p.Contenders {
		row := &Row{Contender: c.Name, Note: c.Note}
		if ok, why := p.can(c); !ok {
			row.Skipped = why
			fmt.Fprintf(progress, "%s %s: skipped: %s\n", p.Work.Name, c.Name, why)
		}
		t.Rows = append(t.Rows, row)
	}
	for run := range p.Runs {
		for i, c := range p.Contenders {
			if row := t.Rows[i]; row.runs() && ctx.Err() == nil {
				p.once(ctx, progress, run, c, row)
			}
		}
	}
	for i, c := range p.Contenders {
		if row := t.Rows[i]; p.Counted && canCountCalls() && len(row.Runs) > 0 && ctx.Err() == nil {
			p.count(ctx, progress, c, row)
		}
	}
	t.evaluate()
	return t
}

// can reports whether c can do the plan's work here, and if not, why.
func (p *Plan) can(c *Contender) (bool, string) {
	if ok, why := c.does(p.Work.Name); !ok || p.Work.Missing == nil {
		return ok, why
	}
	why := p.Work.Missing()
	return why == "", why
}

// runs reports whether the contender is still in it.
func (r *Row) runs() bool { return r.Skipped == "" && len(r.Errors) < maxErrors }

// pair is one run of a contender.
func (p *Plan) pair(c *Contender, row *Row) Pair {
	j := p.Job
	j.Contender, j.Work = c.Name, p.Work.Name
	pair := NewPair(j)
	if limit := openFiles() - idleSpare; p.Work == idle && c.OnePort == nil && pair.Client.Conns > limit {
		row.Remark = fmt.Sprintf("%d connections only: a file each", limit)
		pair.Client.Conns, pair.Server.Conns = limit, limit
	}
	return pair
}

func (p *Plan) once(ctx context.Context, progress io.Writer, run int, c *Contender, row *Row) {
	pair := p.pair(c, row)
	r, err := p.run(ctx, &pair, run)
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		row.Errors = append(row.Errors, err.Error())
		fmt.Fprintf(progress, "%s %d %s: %v\n", p.Work.Name, run+1, c.Name, err)
		return
	}
	row.Runs = append(row.Runs, r)
	row.Indexes = append(row.Indexes, run)
	fmt.Fprintf(progress, "%s %d %s: %s\n", p.Work.Name, run+1, c.Name, p.Work.line(r))
}

// run runs a pair once, on loopback or on a link of its own, or as its work does it.
func (p *Plan) run(ctx context.Context, pair *Pair, run int) (PairResult, error) {
	switch {
	case p.Work.Once != nil:
		return p.Work.Once(ctx, pair, run)
	case p.Work.Link != nil:
		return pair.RunOver(ctx, p.Work.Link(run))
	}
	return pair.Run(ctx)
}

func (p *Plan) count(ctx context.Context, progress io.Writer, c *Contender, row *Row) {
	pair := p.pair(c, row)
	r, err := pair.RunCounted(ctx)
	if err != nil {
		fmt.Fprintf(progress, "%s %s: counting system calls: %v\n", p.Work.Name, c.Name, err)
		return
	}
	row.Counted = &r
}

// line is what the progress says of one run: the first two metrics.
func (w *Work) line(r PairResult) string {
	s := ""
	for _, m := range w.Metrics[:min(2, len(w.Metrics))] {
		if v, ok := m.Of(r); ok {
			s += fmt.Sprintf("%s %.*f %s  ", m.Head, m.Digits, v, m.Unit)
		}
	}
	return s
}
