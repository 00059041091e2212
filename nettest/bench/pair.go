package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/udtgo/udtgo/nettest/bench/link"
)

// A Pair is a server and a client process that work with each other once.
type Pair struct {
	Server, Client             Job      // Role is filled in, and the client's Addr
	ServerPrefix, ClientPrefix []string // before the argv of each
	ClientAddr                 string   // if the client must dial another host than the server listens on: host only
}

// A PairResult is what both sides measured.
type PairResult struct {
	Server, Client *Result

	// ServerCalls and ClientCalls are the system calls of the whole processes. Zero
	// means that they were not counted.
	ServerCalls, ClientCalls int64 `json:",omitempty"`

	Link *PairLink `json:",omitempty"` // nil on loopback

	// Attack is of a run that was attacked, and Baseline its companion that was not.
	Attack   *Attack     `json:",omitempty"`
	Baseline *PairResult `json:",omitempty"`
}

// A PairLink says what happened on the link of a pair.
type PairLink struct {
	Forward, Reverse link.Stats // from the client, and towards it
}

// late is how late packets were delivered, in the worse direction.
func (l *PairLink) late() time.Duration { return max(l.Forward.MeanLate, l.Reverse.MeanLate) }

// RunCounted is Run with the system calls counted, which slows both sides down.
func (p *Pair) RunCounted(ctx context.Context) (PairResult, error) {
	counter, err := newCallCounter()
	if err != nil {
		return PairResult{}, err
	}
	defer counter.remove()
	counted := *p
	counted.ServerPrefix = slices.Concat(p.ServerPrefix, counter.prefix("server"))
	counted.ClientPrefix = slices.Concat(p.ClientPrefix, counter.prefix("client"))
	r, err := counted.Run(ctx)
	r.ServerCalls, r.ClientCalls = counter.count("server"), counter.count("client")
	return r, err
}

// NewPair is the pair that does j on loopback, with the work's defaults filled in.
func NewPair(j Job) Pair {
	if j.Addr == "" {
		j.Addr = "127.0.0.1:0"
	}
	if w, err := work(j.Work); err == nil && w.Defaults != nil {
		w.Defaults(&j)
	}
	if j.Timeout == 0 {
		j.Timeout = 2*j.Seconds + j.Settle + j.Watch + 30
	}
	return Pair{Server: j, Client: j}
}

// Run runs both to the end. No process is left when it returns.
func (p *Pair) Run(ctx context.Context) (PairResult, error) {
	var r PairResult
	limit := seconds(p.Client.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %v", limit))
	defer cancel()
	p.Server.Role, p.Client.Role = "server", "client"
	server, err := StartChild(ctx, p.Server, p.ServerPrefix...)
	if err != nil {
		return r, err
	}
	defer server.Wait()
	addr, err := server.Listening(ctx)
	if err != nil {
		return r, err
	}
	if p.ClientAddr != "" {
		addr = withHost(p.ClientAddr, addr)
	}
	p.Client.Addr = addr
	client, err := StartChild(ctx, p.Client, p.ClientPrefix...)
	if err != nil {
		return r, err
	}
	defer client.Wait()
	if r.Client, err = client.Result(ctx); err != nil {
		return r, withServerError(err, server)
	}
	server.Stop()
	r.Server, err = server.Result(ctx)
	return r, err
}

// withServerError adds to a client's error what the server has to say, which is
// often the cause.
func withServerError(err error, server *Child) error {
	server.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, serverErr := server.Result(ctx); serverErr != nil && ctx.Err() == nil {
		return fmt.Errorf("%w; %w", err, serverErr)
	}
	return err
}
