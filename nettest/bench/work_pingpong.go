package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"
)

var (
	pingpong = exchangeWork("pingpong", "64 bytes there, 64 bytes back", 64, 64)
	rr1k     = exchangeWork("rr1k", "a request of 1 KiB, a reply of 1 KiB", 1<<10, 1<<10)
	rr64k    = exchangeWork("rr64k", "a request of 64 KiB, a reply of 64 KiB", 64<<10, 64<<10)
)

// exchangeWarmup is how many exchanges come before the measured ones.
const exchangeWarmup = 100

// exchangeWork is requests and replies in turn on one connection.
func exchangeWork(name, note string, size, reply int) *Work {
	return &Work{
		Name: name, Note: note, Serve: exchangeServe, Dial: exchangeDial,
		Metrics: exchangeMetrics, Against: []string{"tcp"},
		Defaults: func(j *Job) {
			if j.Size == 0 {
				j.Size = size
			}
			if j.Reply == 0 {
				j.Reply = reply
			}
		},
	}
}

// exchangeServe answers requests until ctx ends. A reply repeats the beginning of its
// request, so that the client sees whose it is.
func exchangeServe(ctx context.Context, l net.Listener, j *Job) (*Result, error) {
	stopListening := context.AfterFunc(ctx, func() { l.Close() })
	defer stopListening()
	c, err := l.Accept()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	request, reply := make([]byte, j.Size), make([]byte, j.Reply)
	s, ops := begin(), int64(0)
	for {
		err := readFull(c, request)
		if err == nil {
			copy(reply, request)
			_, err = c.Write(reply)
		}
		if err != nil {
			if ctx.Err() == nil {
				return nil, fmt.Errorf("exchange %d: %w", ops, err)
			}
			break
		}
		ops++
	}
	r := s.end()
	r.Ops, r.Bytes = ops, ops*int64(j.Size)
	return r, nil
}

// exchangeDial makes exchanges for j.Seconds, after a warm-up, and times each.
func exchangeDial(ctx context.Context, dial DialFunc, j *Job) (*Result, error) {
	c, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	request, reply := make([]byte, j.Size), make([]byte, j.Reply)
	exchange := func(i int) error {
		request[0], request[1] = byte(i), byte(i>>8)
		if _, err := c.Write(request); err != nil {
			return err
		}
		if err := readFull(c, reply); err != nil {
			return err
		}
		if reply[0] != request[0] || reply[1] != request[1] {
			return fmt.Errorf("the reply is to request %d", int(reply[1])<<8|int(reply[0]))
		}
		return nil
	}
	for i := range exchangeWarmup {
		if err := exchange(i); err != nil {
			return nil, fmt.Errorf("exchange %d of the warm-up: %w", i, err)
		}
	}
	took := make([]time.Duration, 0, 1<<20)
	s := begin()
	for time.Since(s.start).Seconds() < j.Seconds {
		last := time.Now()
		if err := exchange(len(took)); err != nil {
			return nil, fmt.Errorf("exchange %d: %w", len(took), err)
		}
		took = append(took, time.Since(last))
	}
	r := s.end()
	r.Ops, r.Bytes = int64(len(took)), int64(len(took))*int64(j.Reply)
	r.Latency = latency(took)
	return r, nil
}

// latency sorts took and returns its quantiles.
func latency(took []time.Duration) *Latency {
	if len(took) == 0 {
		return nil
	}
	slices.Sort(took)
	at := func(q float64) float64 {
		return float64(took[min(int(q*float64(len(took))), len(took)-1)].Nanoseconds()) / 1e3
	}
	return &Latency{P50: at(0.5), P99: at(0.99), P999: at(0.999), Max: at(1)}
}
