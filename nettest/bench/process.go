package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// A Child is one side of a pair, running as a process of its own. Its methods
// belong to one goroutine, but for Kill.
type Child struct {
	job    Job
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr tail
	events chan Event // closed when the child has ended
	stop   sync.Once
}

// StartChild starts the child that does j. Prefix goes before its argv, such as
// "ip", "netns", "exec", "x". The child ends when ctx does, after j.Timeout, or
// when this process ends, at the latest.
func StartChild(ctx context.Context, j Job, prefix ...string) (*Child, error) {
	argv, err := childArgs(&j)
	if err != nil {
		return nil, err
	}
	argv = append(append([]string(nil), prefix...), argv...)
	c := &Child{job: j, cmd: exec.CommandContext(ctx, argv[0], argv[1:]...), events: make(chan Event, 4)}
	c.cmd.Stderr = &c.stderr
	c.cmd.WaitDelay = 2 * time.Second
	ownGroup(c.cmd)
	c.cmd.Cancel = c.kill
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	// An error means that the child has ended, which Wait tells better.
	_, _ = c.stdin.Write(append(line, '\n'))
	go c.read(stdout)
	return c, nil
}

// read passes the child's events on and waits for its end.
func (c *Child) read(stdout io.Reader) {
	defer close(c.events)
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e Event
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Event != "" {
			c.events <- e
		}
	}
	_ = c.cmd.Wait() // its error is in ProcessState
}

// Listening waits until a server listens and returns its address.
func (c *Child) Listening(ctx context.Context) (string, error) {
	e, err := c.next(ctx, "listening")
	return e.Addr, err
}

// Result waits for what the child measured. It does not end the child, whose
// connections stay open until Stop.
func (c *Child) Result(ctx context.Context) (*Result, error) {
	e, err := c.next(ctx, "result")
	if err == nil && e.Result == nil {
		err = errors.New("no result in the event")
	}
	return e.Result, err
}

// next waits for an event of the given name.
func (c *Child) next(ctx context.Context, name string) (Event, error) {
	for {
		select {
		case e, ok := <-c.events:
			switch {
			case !ok:
				return e, fmt.Errorf("%s %s ended without a word (%v) %s", c.job.Contender, c.job.Role, c.cmd.ProcessState, c.stderr.String())
			case e.Event == name:
				return e, nil
			case e.Event == "error":
				return e, fmt.Errorf("%s %s: %s", c.job.Contender, c.job.Role, e.Error)
			}
		case <-ctx.Done():
			return Event{}, fmt.Errorf("%s %s: no %s: %w", c.job.Contender, c.job.Role, name, context.Cause(ctx))
		}
	}
}

// Stop tells the child that its peer has finished: a server that has not
// reported yet does so now, and the child ends by itself.
func (c *Child) Stop() { c.stop.Do(func() { c.stdin.Close() }) }

// Wait tells the child to end and kills it if it does not within 20 seconds: on a busy
// machine it may be without CPU time for some of them. It must be called once for every
// child.
func (c *Child) Wait() {
	c.Stop()
	patience := time.NewTimer(20 * time.Second)
	defer patience.Stop()
	for {
		select {
		case _, ok := <-c.events:
			if !ok {
				return
			}
		case <-patience.C:
			c.Kill()
		}
	}
}

// Kill ends the child, and what its prefix may have started, at once.
func (c *Child) Kill() { _ = c.kill() }

func (c *Child) kill() error { return killGroup(c.cmd.Process) }

// tail keeps the end of what is written to it. The exec package writes to it
// from one goroutine, which has ended when Wait returns.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if len(t.b) > 2048 {
		t.b = append(t.b[:0], t.b[len(t.b)-2048:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
