package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"time"
)

// stopGrace is how long a child that was told to stop may take to wind up.
const stopGrace = 5 * time.Second

// childMain is the whole of a child process: it reads a Job from standard input
// and writes Events to standard output. The end of its input means stop, and is
// also what it sees when its parent has died. It returns the exit status.
func childMain() int {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return 2
	}
	var j Job
	if err := json.Unmarshal(line, &j); err != nil {
		emit(Event{Event: "error", Error: err.Error()})
		return 2
	}
	if j.Timeout > 0 {
		time.AfterFunc(seconds(j.Timeout), func() {
			emit(Event{Event: "error", Error: fmt.Sprintf("not done within %g s", j.Timeout)})
			os.Exit(3)
		})
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, in)
		close(stopped)
		stop()
		grace := stopGrace + seconds(j.Settle+j.Watch)
		select {
		case <-done:
		case <-time.After(grace):
			os.Exit(3)
		}
	}()
	status := 0
	switch r, err := j.do(ctx); {
	case err != nil:
		emit(Event{Event: "error", Error: err.Error()})
		status = 1
	default:
		emit(Event{Event: "result", Result: r})
	}
	<-stopped
	close(done)
	return status
}

// emit writes one event. If nobody reads it there is nobody to work for.
func emit(e Event) {
	b, err := json.Marshal(e)
	if err == nil {
		_, err = os.Stdout.Write(append(b, '\n'))
	}
	if err != nil {
		os.Exit(2)
	}
}

// do does one side's part of the job.
func (j *Job) do(ctx context.Context) (*Result, error) {
	c, err := contender(j.Contender)
	if err != nil {
		return nil, err
	}
	w, err := work(j.Work)
	if err != nil {
		return nil, err
	}
	var r *Result
	switch j.Role {
	case "server":
		if c.Sessions != nil && w.ServeSession != nil {
			r, err = j.serveSession(ctx, c, w)
			break
		}
		l, err := c.Listen(j.Addr, j.Options)
		if err != nil {
			return nil, err
		}
		emit(Event{Event: "listening", Addr: l.Addr().String()})
		if r, err = w.Serve(ctx, l, j); err != nil {
			return nil, err
		}
	case "client":
		if c.Sessions != nil && w.DialSession != nil {
			r, err = w.DialSession(ctx, func(ctx context.Context) (Session, error) { return c.Sessions.Dial(ctx, j.Addr, j.Options) }, j)
			break
		}
		dial, err := c.dialer(j)
		if err != nil {
			return nil, err
		}
		if r, err = w.Dial(ctx, dial, j); err != nil {
			return nil, err
		}
	case "attacker":
		r, err = w.Attack(ctx, j)
	default:
		return nil, fmt.Errorf("no role %q", j.Role)
	}
	if err != nil {
		return nil, err
	}
	r.PeakMemory = peakMemory()
	return r, nil
}

func (j *Job) serveSession(ctx context.Context, c *Contender, w *Work) (*Result, error) {
	l, err := c.Sessions.Listen(j.Addr, j.Options)
	if err != nil {
		return nil, err
	}
	emit(Event{Event: "listening", Addr: l.Addr().String()})
	return w.ServeSession(ctx, l, j)
}

// dialer returns the function that opens connections for j.
func (c *Contender) dialer(j *Job) (DialFunc, error) {
	if j.OnePort && c.OnePort != nil {
		return c.OnePort(j.Addr, j.Options)
	}
	return func(ctx context.Context) (net.Conn, error) { return c.Dial(ctx, j.Addr, j.Options) }, nil
}

// A section is what is measured: what the process used between two points.
type section struct {
	start   time.Time
	cpu     float64
	mallocs uint64
	bytes   uint64
}

func begin() section {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return section{start: time.Now(), cpu: cpuSeconds(), mallocs: m.Mallocs, bytes: m.TotalAlloc}
}

// end returns a Result with what the process has used since begin.
func (s *section) end() *Result {
	now, cpu := time.Now(), cpuSeconds()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return &Result{
		Start: s.start.UnixNano(), End: now.UnixNano(), Seconds: now.Sub(s.start).Seconds(), CPU: cpu - s.cpu,
		Mallocs: int64(m.Mallocs - s.mallocs), AllocBytes: int64(m.TotalAlloc - s.bytes),
	}
}
