package main

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

const (
	idleDialers = 16 // quic-go queues 32 connections for Accept and drops the rest
	idleSpare   = 64 // files that are not connections
	idleRuns    = 1  // it does not vary much and takes long
)

var idle = &Work{
	Name: "idle", Note: "connections that do nothing, all on one port on each side; no Read pending",
	Serve: idleServe, Dial: idleDial, Runs: idleRuns,
	Metrics: idleMetrics, Against: nil,
	Defaults: func(j *Job) {
		if j.Conns == 0 {
			j.Conns = 10_000
		}
		if j.Settle == 0 {
			j.Settle = 3
		}
		if j.Watch == 0 {
			j.Watch = 40 // two keep-alive periods
		}
		j.OnePort = true
	},
}

// idleServe accepts j.Conns connections, with no goroutine for each, and
// measures what they cost. The client is told to end only after that.
func idleServe(ctx context.Context, l net.Listener, j *Job) (*Result, error) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	conns := make([]net.Conn, 0, j.Conns)
	before := takeInventory()
	s := begin()
	for len(conns) < j.Conns {
		c, err := l.Accept()
		if err != nil {
			return nil, fmt.Errorf("after %d connections: %w", len(conns), err)
		}
		conns = append(conns, c)
	}
	return idleMeasure(j, &s, before, conns), nil
}

// idleDial opens the connections and measures what they cost.
func idleDial(ctx context.Context, dial DialFunc, j *Job) (*Result, error) {
	conns := make([]net.Conn, j.Conns)
	before := takeInventory()
	s := begin()
	next := make(chan int)
	var mu sync.Mutex
	var first error
	var all sync.WaitGroup
	for range min(idleDialers, j.Conns) {
		all.Go(func() {
			for i := range next {
				c, err := dial(ctx)
				if err != nil {
					mu.Lock()
					if first == nil {
						first = fmt.Errorf("connection %d: %w", i, err)
					}
					mu.Unlock()
					continue
				}
				conns[i] = c
			}
		})
	}
	failed := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return first != nil
	}
	for i := range j.Conns {
		if failed() {
			break
		}
		next <- i
	}
	close(next)
	all.Wait()
	if first != nil {
		return nil, first
	}
	return idleMeasure(j, &s, before, conns), nil
}

// An inventory is what a process holds after a collection.
type inventory struct {
	heap, resident int64 // bytes; heap with stacks
	goroutines     int
}

func takeInventory() inventory {
	debug.FreeOSMemory() // collects as well
	runtime.GC()         // frees what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return inventory{int64(m.HeapAlloc + m.StackInuse), residentMemory(), runtime.NumGoroutine()}
}

// idleMeasure lets the connections settle, takes stock, and watches the CPU time.
func idleMeasure(j *Job, s *section, before inventory, conns []net.Conn) *Result {
	opened := time.Since(s.start)
	time.Sleep(seconds(j.Settle))
	after := takeInventory()
	n := float64(len(conns))
	i := &Idle{
		Conns:       len(conns),
		HeapPerConn: float64(after.heap-before.heap) / n,
		RSSPerConn:  float64(after.resident-before.resident) / n,
		Goroutines:  after.goroutines - before.goroutines,
		DialSeconds: opened.Seconds(),
	}
	start, cpu := time.Now(), cpuSeconds()
	time.Sleep(seconds(j.Watch))
	i.CPU, i.Watched = cpuSeconds()-cpu, time.Since(start).Seconds()
	runtime.KeepAlive(conns)
	r := s.end()
	r.Ops, r.Idle = int64(len(conns)), i
	return r
}
