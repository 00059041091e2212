package examples_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience guards against hangs and measures nothing.
const patience = 60 * time.Second

// names are the examples.
var names = []string{"echo", "filecopy", "http", "muxhttp", "packet", "rendezvous", "tls", "yamux"}

var programs struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if programs.dir != "" {
		os.RemoveAll(programs.dir)
	}
	os.Exit(code)
}

// program returns the path of an example; the first call builds them all.
func program(t *testing.T, name string) string {
	t.Helper()
	programs.Do(func() {
		if programs.dir, programs.err = os.MkdirTemp("", "udt-examples-"); programs.err != nil {
			return
		}
		args := []string{"build", "-o", programs.dir + string(filepath.Separator)}
		for _, name := range names {
			args = append(args, "./"+name)
		}
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			programs.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	require.NoError(t, programs.err)
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(programs.dir, name)
}

// A running is an example that runs. A test that ends kills it.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string   // of standard output; closed at its end
	stderr *bytes.Buffer // complete when the program has ended
	guard  *time.Timer
}

// start runs an example with its standard input open.
func start(t *testing.T, name string, args ...string) *running {
	t.Helper()
	r := &running{t: t, cmd: exec.Command(program(t, name), args...), lines: make(chan string), stderr: new(bytes.Buffer)}
	r.cmd.Stderr = r.stderr
	var err error
	r.in, err = r.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.cmd.Start())
	r.guard = time.AfterFunc(patience, func() { r.cmd.Process.Kill() })
	ended := make(chan struct{})
	go func() {
		defer close(r.lines)
		in := bufio.NewScanner(out)
		for in.Scan() {
			select {
			case r.lines <- in.Text():
			case <-ended:
			}
		}
	}()
	t.Cleanup(func() {
		close(ended)
		r.guard.Stop()
		r.cmd.Process.Kill() // ended already, unless the test failed
		for range r.lines {
		}
		r.cmd.Wait()
	})
	return r
}

// expect reads lines until one begins with prefix, and returns its rest.
func (r *running) expect(prefix string) string {
	r.t.Helper()
	var seen []string
	for line := range r.lines {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return rest
		}
		seen = append(seen, line)
	}
	r.t.Fatalf("no line begins with %q but\n%s\n%v", prefix, strings.Join(seen, "\n"), r.end())
	return ""
}

// writeLine writes a line to standard input.
func (r *running) writeLine(line string) {
	r.t.Helper()
	_, err := fmt.Fprintln(r.in, line)
	require.NoError(r.t, err)
}

// rest returns the lines until the program ends, which has to be without an error.
func (r *running) rest() []string {
	r.t.Helper()
	var lines []string
	for line := range r.lines {
		lines = append(lines, line)
	}
	require.NoError(r.t, r.end())
	return lines
}

// end waits for the end of the program, whose output has been read.
func (r *running) end() error {
	if err := r.cmd.Wait(); err != nil {
		return fmt.Errorf("%v: %w\n%s", r.cmd.Args, err, r.stderr)
	}
	return nil
}

// interrupt does what Ctrl-C does, and requires a clean end.
func (r *running) interrupt() {
	r.t.Helper()
	if runtime.GOOS == "windows" { // cannot send it to one process
		r.cmd.Process.Kill()
		return
	}
	require.NoError(r.t, r.cmd.Process.Signal(os.Interrupt))
	r.rest()
	require.Empty(r.t, r.stderr.String())
}

// run runs an example to its end.
func run(t *testing.T, name string, args ...string) []string {
	t.Helper()
	r := start(t, name, args...)
	require.NoError(t, r.in.Close())
	return r.rest()
}
