package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

var (
	setup1  = setupWork("setup1", "dial, one-byte request, one-byte reply, close: one at a time", 1)
	setup64 = setupWork("setup64", "dial, one-byte request, one-byte reply, close: 64 at once", 64)
)

func setupWork(name, note string, conns int) *Work {
	return &Work{
		Name: name, Note: note, Serve: setupServe, Dial: setupDial,
		Metrics: setupMetrics, Against: []string{"tcp", "libudt"},
		Defaults: func(j *Job) {
			if j.Conns == 0 {
				j.Conns = conns
			}
		},
	}
}

// setupServe answers one byte on each connection until ctx ends. The client
// closes first, unless the transport would not tell.
func setupServe(ctx context.Context, l net.Listener, j *Job) (*Result, error) {
	k, err := contender(j.Contender)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var served atomic.Int64
	s := begin()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			return nil, err
		}
		go func() {
			defer c.Close()
			b := make([]byte, 1)
			if readFull(c, b) != nil {
				return // the client gives up, and counts it
			}
			if _, err := c.Write(b); err != nil {
				return
			}
			served.Add(1)
			if !k.SilentClose {
				_, _ = c.Read(b) // the end
			}
		}()
	}
	r := s.end()
	r.Ops = served.Load()
	return r, nil
}

// setupDial opens connections for j.Seconds, j.Conns at a time. Dials that fail
// are counted; too many are an error.
func setupDial(ctx context.Context, dial DialFunc, j *Job) (*Result, error) {
	var done, failed atomic.Int64
	var first atomic.Pointer[error]
	var all sync.WaitGroup
	s := begin()
	for range j.Conns {
		all.Go(func() {
			for ctx.Err() == nil && time.Since(s.start).Seconds() < j.Seconds {
				if err := setupOnce(ctx, dial); err != nil {
					first.CompareAndSwap(nil, &err)
					failed.Add(1)
					continue
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	r := s.end()
	r.Ops, r.Failed = done.Load(), failed.Load()
	if r.Failed > r.Ops/20 {
		return nil, fmt.Errorf("%d of %d connections failed: %w", r.Failed, r.Failed+r.Ops, *first.Load())
	}
	return r, nil
}

func setupOnce(ctx context.Context, dial DialFunc) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	b := []byte{1}
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write(b); err != nil {
		return err
	}
	return readFull(c, b)
}
