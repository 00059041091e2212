package main

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// A Work is something that two processes do over a Contender. Each has a small
// file of its own; works lists them.
type Work struct {
	Name string
	Note string

	// Defaults fills in the sizes and counts of a Job that are zero.
	Defaults func(*Job)

	// Metrics are the columns of its table. The first one is that of the ratios
	// to the contenders named in Against.
	Metrics []Metric
	Against []string

	// Serve does the server's part on l and returns what it measured. Once ctx
	// ends the client has finished, or is given up: Serve then returns what it has.
	Serve func(ctx context.Context, l net.Listener, j *Job) (*Result, error)

	// Dial does the client's part.
	Dial func(ctx context.Context, dial DialFunc, j *Job) (*Result, error)
}

// A DialFunc opens one connection to the job's server.
type DialFunc func(ctx context.Context) (net.Conn, error)

// works is the table of all of them, in the order of the printed tables.
var works = []*Work{
	bulk, bulk8, write4k,
	pingpong, rr1k, rr64k,
	setup1, setup64,
	idle,
}

// work returns the one of that name.
func work(name string) (*Work, error) {
	if name == wanFlow.Name {
		return wanFlow, nil // a part of the scenarios, not a work of its own
	}
	names := make([]string, len(works))
	for i, w := range works {
		if w.Name == name {
			return w, nil
		}
		names[i] = w.Name
	}
	return nil, fmt.Errorf("no work %q; there are %s", name, strings.Join(names, ", "))
}
