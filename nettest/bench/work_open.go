package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// openWarmup is how many streams come before the measured ones.
const openWarmup = 100

var openStream = &Work{
	Name: "open", Note: "open a stream, one byte there, one byte back, close: one after the other in one session",
	Group: muxGroup, Contenders: []string{"mux", "mux-stream", "mux-tcp", "yamux-udt", "yamux", "quic"},
	Metrics: openMetrics, Against: []string{"yamux-udt", "yamux", "quic"},
	ServeSession: openServe, DialSession: openDial,
}

// openServe answers one byte on each stream until ctx ends.
func openServe(ctx context.Context, l SessionListener, _ *Job) (*Result, error) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	session, err := l.AcceptSession()
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { session.Close() })()
	var all sync.WaitGroup
	var served atomic.Int64
	s := begin()
	for {
		c, err := session.Accept()
		if err != nil {
			if ctx.Err() == nil {
				return nil, fmt.Errorf("after %d streams: %w", served.Load(), err)
			}
			break
		}
		all.Go(func() {
			defer c.Close()
			if answer(c) == nil {
				served.Add(1)
			}
		})
	}
	r := s.end()
	all.Wait()
	r.Ops = served.Load()
	return r, nil
}

// openDial opens streams for j.Seconds, after a warm-up.
func openDial(ctx context.Context, dial SessionDialFunc, j *Job) (*Result, error) {
	session, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { session.Close() })()
	once := func() error {
		c, err := session.Open()
		if err != nil {
			return err
		}
		if err := ask(c); err != nil {
			return err
		}
		return c.Close()
	}
	for i := range openWarmup {
		if err := once(); err != nil {
			return nil, fmt.Errorf("stream %d of the warm-up: %w", i, err)
		}
	}
	took := make([]time.Duration, 0, 1<<20)
	s := begin()
	for time.Since(s.start).Seconds() < j.Seconds {
		last := time.Now()
		if err := once(); err != nil {
			return nil, fmt.Errorf("stream %d: %w", len(took), err)
		}
		took = append(took, time.Since(last))
	}
	r := s.end()
	r.Ops, r.Latency = int64(len(took)), latency(took)
	return r, nil
}

// ask sends a byte and waits for one.
func ask(c net.Conn) error {
	b := []byte{1}
	if _, err := c.Write(b); err != nil {
		return err
	}
	return readFull(c, b)
}

// answer waits for a byte and sends it back.
func answer(c net.Conn) error {
	b := make([]byte, 1)
	if err := readFull(c, b); err != nil {
		return err
	}
	_, err := c.Write(b)
	return err
}
