package main

import (
	"cmp"
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
	Blind      float64
	Verify     bool
	Shared     bool
	Syscalls   bool
}

// usualSeconds is the length of a run, unless the work has another.
const usualSeconds = 3

// runLoopback measures the works on loopback.
func runLoopback(ctx context.Context, f *Common, r *Report) error { return runGroup(ctx, f, r, "") }

// runMux measures the works about streams.
func runMux(ctx context.Context, f *Common, r *Report) error { return runGroup(ctx, f, r, muxGroup) }

// runGroup measures the works of a group, or those that the flags name.
func runGroup(ctx context.Context, f *Common, r *Report, group string) error {
	ws, err := pick(f.Works, works, work, func(w *Work) bool { return w.Group == group })
	if err != nil {
		return err
	}
	for _, w := range ws {
		cs, err := pick(f.Contenders, contenders, contender, func(c *Contender) bool { return c.usual(w) })
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		p := Plan{
			Work: w, Contenders: cs, Runs: f.Runs, Counted: f.Syscalls && w.counts(),
			Job: Job{Seconds: cmp.Or(f.Seconds, w.Seconds, usualSeconds), Verify: f.Verify, OnePort: f.Shared},
		}
		if w.Runs > 0 {
			p.Runs = min(p.Runs, w.Runs)
		}
		switch w {
		case idle:
			p.Job.Conns = f.Idle
			p.Job.Timeout = 60 + float64(f.Idle)/200
		case blind, blindSender:
			p.Job.Extra = map[string]float64{"blind": f.Blind}
		case idleStreams:
			p.Job.Streams = f.Idle
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
