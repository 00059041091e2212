package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/udtgo/udtgo/nettest/bench/link"
)

const (
	// wanInterval is the seconds per element of a flow's series.
	wanInterval = 0.01

	// wanPatience is how much longer than its time a flow may take: to
	// connect, above all.
	wanPatience = 20 * time.Second

	// wanSocketBuffer is how large a UDP socket's buffer should be allowed to
	// be: what the fastest scenario brings while a receiver does not get the
	// processor for some tens of milliseconds, at the kernel's way of counting.
	wanSocketBuffer = 2 << 20
)

// wanMissing says why links cannot be made here, or "".
func wanMissing() string {
	if os.Geteuid() != 0 {
		return "network namespaces need root"
	}
	l, err := link.New(link.Config{})
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// wanWarning returns what may make UDP look worse than it is here, or "". The
// namespaces share these limits, so package link cannot raise them.
func wanWarning() string {
	for _, name := range []string{"rmem_max", "wmem_max"} {
		if n, err := strconv.Atoi(firstField("/proc/sys/net/core/"+name, "")); err == nil && n < wanSocketBuffer {
			return fmt.Sprintf("net.core.%s is %d: receivers may lose packets that the link has delivered. Try sysctl -w net.core.%s=%d", name, n, name, wanSocketBuffer)
		}
	}
	return ""
}

// run does one entry's part of one run on a link of its own.
func (s *wanScenario) run(ctx context.Context, e wanEntry, run int, duration float64) (r wanResult) {
	r = wanResult{Scenario: s.name, Contender: e.String(), Run: run}
	var err error
	switch s.kind {
	case wanStart:
		for _, size := range s.sizes {
			var took float64
			if took, err = s.transfer(ctx, e, run, size); err != nil {
				break
			}
			r.Start = append(r.Start, wanTransfer{Bytes: size, Seconds: took})
		}
	case wanTwins:
		err = s.flows(ctx, &r, run, duration, e, e)
	case wanRival:
		err = s.flows(ctx, &r, run, duration, e, wanEntry{"tcp-cubic", "tcp-cubic"})
	default:
		err = s.flows(ctx, &r, run, duration, e)
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

// wanJob is the job of one side.
func wanJob(name, work string) Job {
	return Job{Contender: name, Work: work, Addr: "10.77.0.2:0", Conns: 1, Options: wanOptions(name)}
}

// transfer returns the seconds from the first write of size bytes to their
// arrival at the receiver.
func (s *wanScenario) transfer(ctx context.Context, e wanEntry, run int, size int64) (took float64, err error) {
	l, err := link.New(s.link(run))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	p := Pair{
		Server: wanJob(e.receiver, "bulk"), ServerPrefix: l.Command(link.B),
		Client: wanJob(e.sender, "bulk"), ClientPrefix: l.Command(link.A),
	}
	for _, j := range []*Job{&p.Server, &p.Client} {
		j.Bytes, j.Size, j.Timeout = size, 10_000, wanPatience.Seconds()
	}
	both, err := p.Run(ctx)
	if err != nil {
		return 0, err
	}
	if both.Server.Bytes != size {
		return 0, fmt.Errorf("%d of %d bytes arrived", both.Server.Bytes, size)
	}
	return float64(both.Server.End-both.Client.Start) / 1e9, nil
}

// flows runs one flow for each entry at the same time and fills in r.
func (s *wanScenario) flows(ctx context.Context, r *wanResult, run int, duration float64, entries ...wanEntry) (err error) {
	l, err := link.New(s.link(run))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, seconds(duration)+2*wanPatience)
	defer cancel()
	pairs := make([]*wanPair, len(entries))
	for i, e := range entries {
		p := &wanPair{entry: e}
		pairs[i] = p
		defer p.end()
		if err := p.listen(ctx, l, duration); err != nil {
			return err
		}
	}
	l.Reset()
	for _, p := range pairs {
		if err := p.dial(ctx, l, duration); err != nil {
			return err
		}
	}
	if err := together(pairs, func(p *wanPair) error { return p.send(ctx, duration) }); err != nil {
		return err
	}
	r.Forward, r.Reverse = l.Stats()
	if err := together(pairs, func(p *wanPair) error { return p.stop(ctx) }); err != nil {
		return err
	}
	for _, p := range pairs {
		r.Flows = append(r.Flows, p.flow(s, duration))
	}
	r.sum(s)
	return nil
}

func together(pairs []*wanPair, f func(*wanPair) error) error {
	errs := make([]error, len(pairs))
	var all sync.WaitGroup
	for i, p := range pairs {
		all.Go(func() { errs[i] = f(p) })
	}
	all.Wait()
	return errors.Join(errs...)
}
