package interop

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// An Event is one line that the driver printed. The list is in driver/driver.cpp.
type Event struct {
	Name string
	Args []string
}

func (e Event) String() string { return strings.Join(append([]string{e.Name}, e.Args...), " ") }

// Int returns the i-th argument as a decimal number, or -1 if it is not one.
func (e Event) Int(i int) int64 {
	if i >= len(e.Args) {
		return -1
	}
	n, err := strconv.ParseInt(e.Args[i], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// Sum returns the bytes and the CRC-32 of a SENT, RECV or MSG event.
func (e Event) Sum() Sum {
	s := Sum{Bytes: e.Int(0)}
	if len(e.Args) > 1 {
		crc, _ := strconv.ParseUint(e.Args[1], 16, 32)
		s.CRC = uint32(crc)
	}
	return s
}

// Stats returns the counters of a STATS event by name.
func (e Event) Stats() map[string]float64 {
	stats := make(map[string]float64, len(e.Args))
	for _, arg := range e.Args {
		name, value, _ := strings.Cut(arg, "=")
		stats[name], _ = strconv.ParseFloat(value, 64)
	}
	return stats
}

// A Proc is a running driver. The methods that wait for events fail the test
// if the driver ends without them, so they belong to the test's goroutine.
// They need no deadline of their own: the driver ends by itself after its
// -timeout, by default one minute.
type Proc struct {
	tb     testing.TB
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer  // read after exited
	exited chan struct{} // closed when the process has been waited for

	mu      sync.Mutex
	changed sync.Cond // on mu: an event, or the end of them
	all     []Event   // guarded by mu
	ended   bool      // guarded by mu: no more events

	next int // the test's goroutine only: index in all
}

// Start runs the driver with a command and its options. It is killed, if need
// be, when the test ends.
func (d *Driver) Start(tb testing.TB, args ...string) *Proc {
	tb.Helper()
	p := &Proc{tb: tb, cmd: exec.Command(d.path, args...), exited: make(chan struct{})}
	p.changed.L = &p.mu
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		p.stdin, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		tb.Fatalf("interop: starting the driver: %v", err)
	}
	go func() {
		defer close(p.exited)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if fields := strings.Fields(lines.Text()); len(fields) > 0 {
				p.add(Event{fields[0], fields[1:]})
			}
		}
		p.cmd.Wait() // its error is in ProcessState
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		p.changed.Broadcast()
	}()
	tb.Cleanup(p.Kill)
	return p
}

func (p *Proc) add(e Event) {
	p.mu.Lock()
	p.all = append(p.all, e)
	p.mu.Unlock()
	p.changed.Broadcast()
}

// advance waits for the next event. There is none if the driver has ended.
func (p *Proc) advance() (Event, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.next == len(p.all) && !p.ended {
		p.changed.Wait()
	}
	if p.next == len(p.all) {
		return Event{}, false
	}
	p.next++
	return p.all[p.next-1], true
}

// Expect waits for the next event, which must have the given name.
func (p *Proc) Expect(name string) Event {
	p.tb.Helper()
	e, ok := p.advance()
	if !ok || e.Name != name {
		p.fatalf("the driver's next event is %q, want %s", e, name)
	}
	return e
}

// Wait waits for an event of the given name, passing over others. An ERROR
// fails the test unless it is what the test waits for.
func (p *Proc) Wait(name string) Event {
	p.tb.Helper()
	for {
		e, ok := p.advance()
		switch {
		case !ok:
			p.fatalf("the driver ended without %s", name)
		case e.Name == name:
			return e
		case e.Name == "ERROR":
			p.fatalf("the driver failed before %s: %s", name, e)
		}
	}
}

// Events waits for the driver to end and returns its remaining events.
func (p *Proc) Events() []Event {
	var rest []Event
	for e, ok := p.advance(); ok; e, ok = p.advance() {
		rest = append(rest, e)
	}
	return rest
}

// Port waits until the driver listens or is bound, and returns the port.
func (p *Proc) Port() int {
	p.tb.Helper()
	e, ok := p.advance()
	if !ok || (e.Name != "LISTEN" && e.Name != "BOUND") {
		p.fatalf("the driver's next event is %q, want LISTEN or BOUND", e)
	}
	return int(e.Int(0))
}

// Addr is Port as an address on the IPv4 loopback.
func (p *Proc) Addr() string {
	p.tb.Helper()
	return fmt.Sprintf("127.0.0.1:%d", p.Port())
}

// Input gives the driver a line on its standard input.
func (p *Proc) Input(line string) {
	p.tb.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		p.fatalf("writing to the driver: %v", err)
	}
}

// Done waits for the driver to end and fails the test unless it ended well.
func (p *Proc) Done() {
	p.tb.Helper()
	<-p.exited
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.fatalf("the driver ended with status %d", code)
	}
}

// Kill ends the driver at once, without a word to its peer, and waits until
// it has ended. It may be called more than once.
func (p *Proc) Kill() {
	select {
	case <-p.exited:
		return
	default:
	}
	p.cmd.Process.Kill() // fails only if it has ended
	<-p.exited
}

// fatalf fails the test with the driver's whole output.
func (p *Proc) fatalf(format string, args ...any) {
	p.tb.Helper()
	p.Kill()
	var log strings.Builder
	for _, e := range p.all {
		fmt.Fprintf(&log, "\n\t%s", e)
	}
	p.tb.Fatalf("interop: %s\ndriver %s printed:%s\n%s",
		fmt.Sprintf(format, args...), strings.Join(p.cmd.Args[1:], " "), log.String(), p.stderr.String())
}
