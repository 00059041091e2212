package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/udtgo/udtgo/nettest/bench/link"
)

// A Work is something that two processes do over a Contender. Each has a small
// file of its own; works lists them.
type Work struct {
	Name string
	Note string

	// Group is the command that runs it with others, "" for loopback.
	Group string

	// Contenders names those in its table when nobody asks for contenders by name.
	// Nil leaves it to Contender.Usual.
	Contenders []string

	// Runs is how often each contender does it at most, and Seconds how long by
	// default. Zero means what is usual.
	Runs    int
	Seconds float64

	// Link, if not nil, is the path of a run that is not on loopback.
	Link func(run int) link.Config

	// Missing, if not nil, says why it cannot be done here, or "".
	Missing func() string

	// Once, if not nil, makes a run of a pair in place of Pair.Run.
	Once func(ctx context.Context, p *Pair, run int) (PairResult, error)

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

	// Attack, if there is one, is the part of a third process.
	Attack func(ctx context.Context, j *Job) (*Result, error)

	// ServeSession and DialSession, if not nil, are Serve and Dial for contenders
	// that have streams. Without Serve and Dial only those can do it.
	ServeSession func(ctx context.Context, l SessionListener, j *Job) (*Result, error)
	DialSession  func(ctx context.Context, dial SessionDialFunc, j *Job) (*Result, error)
}

// A DialFunc opens one connection to the job's server.
type DialFunc func(ctx context.Context) (net.Conn, error)

// works is the table of all of them, in the order of the printed tables.
var works = []*Work{
	bulk, bulk8, write4k,
	pingpong, rr1k, rr64k,
	setup1, setup64,
	idle,
	blind, blindSender,
	stream1, stream1000, openStream, idleStreams, requests, requestsBulk, requestsSlow,
}

// counts reports whether one more run of w counts system calls.
func (w *Work) counts() bool {
	return slices.ContainsFunc(w.Metrics, func(m Metric) bool { return m.Syscalls })
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
