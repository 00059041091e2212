package main

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// Common are the flags that every command takes.
type Common struct {
	Contenders string
	Works      string
	Runs       int
	Seconds    float64
	JSON       string
	Idle       int
	Verify     bool
	Shared     bool
	Syscalls   bool
}

// idleRuns is how often idle is measured: it does not vary much and takes long.
const idleRuns = 1

// runLoopback measures the works on loopback.
func runLoopback(ctx context.Context, f *Common, r *Report) error {
	ws, err := pick(f.Works, works, work, func(*Work) bool { return true })
	if err != nil {
		return err
	}
	for _, w := range ws {
		cs, err := pick(f.Contenders, contenders, contender, func(c *Contender) bool { return c.usual(w.Name) })
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		p := Plan{
			Work: w, Contenders: cs, Runs: f.Runs, Counted: f.Syscalls && w != idle,
			Job: Job{Seconds: f.Seconds, Verify: f.Verify, OnePort: f.Shared},
		}
		if w == idle {
			p.Runs, p.Job.Conns = min(f.Runs, idleRuns), f.Idle
			p.Job.Timeout = 60 + float64(f.Idle)/200
		}
		fmt.Fprintf(os.Stderr, "%s: %d contenders, %d runs each\n", w.Name, len(cs), p.Runs)
		t := p.Run(ctx, os.Stderr)
		r.Tables = append(r.Tables, t)
		t.print(os.Stdout)
	}
	return context.Cause(ctx)
}

// pick returns those of a table whose names are in a list separated by commas, or,
// if the list is empty, those for which usual holds.
func pick[T any](list string, table []*T, find func(string) (*T, error), usual func(*T) bool) ([]*T, error) {
	var picked []*T
	if list == "" {
		for _, t := range table {
			if usual(t) {
				picked = append(picked, t)
			}
		}
		return picked, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		t, err := find(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		picked = append(picked, t)
	}
	return picked, nil
}
