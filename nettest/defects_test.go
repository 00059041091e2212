package nettest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest"
)

// defectVar names, in the environment of a child process, the defect that TestBrokenTransport has.
const defectVar = "NETTEST_DEFECT"

// defects are mistakes that real transports made, each with a row of the contract that notices it.
var defects = []struct {
	name, row string
	wrap      func(tcp) net.Conn
}{
	{"wrapped EOF", "row01_graceful_close", func(c tcp) net.Conn { return wrappedEOF{c} }},
	{"close aborts", "row01_close_right_after", func(c tcp) net.Conn { return abortingClose{c} }},
	{"close after a deadline drops", "row02_close_after", func(c tcp) net.Conn { return &deadlineDrops{tcp: c} }},
	{"close_notify lost", "row02_tls", func(c tcp) net.Conn { return &deadlineDrops{tcp: c} }},
	{"data wins over deadline", "row03", func(c tcp) net.Conn { return &lateDeadline{tcp: c} }},
	{"permanent timeout", "row05_shape", func(c tcp) net.Conn { return permanentTimeout{c} }},
	{"count is lost at the deadline", "row06_write", func(c tcp) net.Conn { return zeroCount{c} }},
	{"interleaved writes", "row08", func(c tcp) net.Conn { return chunkedWrite{c} }},
	{"silent second close", "row10_calls", func(c tcp) net.Conn { return &sloppyClosed{tcp: c} }},
	{"naked errors", "row11_read_and_write", func(c tcp) net.Conn { return nakedErrors{c} }},
	{"CloseWrite does nothing", "row21", func(c tcp) net.Conn { return fakeCloseWrite{c} }},
	{"no SetKeepAlive", "row23_SetKeepAlive", func(c tcp) net.Conn { return struct{ net.Conn }{c} }},
	{"SyscallConn", "row26", func(c tcp) net.Conn { return c }},
	{"EOF is an error of io.Copy", "row25_io_Copy_into", func(c tcp) net.Conn { return copyFails{c} }},
	{"400 for a dead conn", "row11_http", func(c tcp) net.Conn { return nakedErrors{c} }},
}

// A contract is worth what it notices: with each defect the row that it belongs to fails.
func TestDropInNoticesDefects(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	for _, d := range defects {
		t.Run(d.name, func(t *testing.T) {
			cmd := exec.Command(exe, "-test.run=^TestBrokenTransport$/^"+d.row, "-test.v")
			cmd.Env = append(os.Environ(), defectVar+"="+d.name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the contract did not notice; output:\n%s", out)
			require.Contains(t, string(out), "--- FAIL: TestBrokenTransport/"+d.row)
			require.NotContains(t, string(out), "panic:")
		})
	}
}

// TestBrokenTransport runs the contract on a transport with the defect that the environment names.
func TestBrokenTransport(t *testing.T) {
	name := os.Getenv(defectVar)
	for _, d := range defects {
		if d.name == name {
			nettest.TestDropIn(t, breakWith(d.wrap), nettest.DropInOptions{Network: "tcp4"})
			return
		}
	}
	t.Skip("only in the child processes of TestDropInNoticesDefects")
}

// breakWith puts a defect on both ends of every TCP connection.
func breakWith(wrap func(tcp) net.Conn) nettest.MakeListener {
	return func() (net.Listener, func(context.Context) (net.Conn, error), func(), error) {
		l, dial, stop, err := listenTCP()
		broken := func(ctx context.Context) (net.Conn, error) {
			c, err := dial(ctx)
			if err != nil {
				return nil, err
			}
			return wrap(tcp{c.(*net.TCPConn)}), nil
		}
		return brokenListener{l, wrap}, broken, stop, err
	}
}

type brokenListener struct {
	net.Listener
	wrap func(tcp) net.Conn
}

func (l brokenListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.wrap(tcp{c.(*net.TCPConn)}), nil
}

// tcp is what the defects are put on.
type tcp struct{ *net.TCPConn }

type wrappedEOF struct{ tcp }

func (c wrappedEOF) Read(p []byte) (int, error) {
	n, err := c.tcp.Read(p)
	if err == io.EOF {
		err = fmt.Errorf("read: %w", err)
	}
	return n, err
}

type abortingClose struct{ tcp }

func (c abortingClose) Close() error {
	_ = c.SetLinger(0)
	return c.tcp.Close()
}

// deadlineDrops takes a past write deadline for leave to forget what was written. What is written under a deadline is
// kept back until then, as in a transport with a queue, so that no reader is quick enough to get it.
type deadlineDrops struct {
	tcp
	limited, past bool
}

func (c *deadlineDrops) SetWriteDeadline(d time.Time) error {
	c.past = !d.IsZero() && !d.After(time.Now())
	c.limited = !d.IsZero() && !c.past
	return c.tcp.SetWriteDeadline(d)
}

func (c *deadlineDrops) Write(p []byte) (int, error) {
	if c.limited {
		return len(p), nil
	}
	return c.tcp.Write(p)
}

func (c *deadlineDrops) Close() error {
	if c.past {
		_ = c.SetLinger(0)
	}
	return c.tcp.Close()
}

// lateDeadline looks at the deadline only when there is nothing to read.
type lateDeadline struct{ tcp }

func (c *lateDeadline) SetDeadline(d time.Time) error {
	if !d.IsZero() {
		d = time.Now().Add(50 * time.Millisecond)
	}
	return c.tcp.SetDeadline(d)
}

type permanentTimeout struct{ tcp }

func (c permanentTimeout) Read(p []byte) (int, error) {
	n, err := c.tcp.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = permanentError{err.(net.Error)}
	}
	return n, err
}

type permanentError struct{ timeout }

// timeout is a net.Error whose name does not hide the method Error.
type timeout interface{ net.Error }

func (permanentError) Temporary() bool { return false }
func (e permanentError) Unwrap() error { return e.timeout }

type zeroCount struct{ tcp }

func (c zeroCount) Write(p []byte) (int, error) {
	n, err := c.tcp.Write(p)
	if err != nil {
		n = 0
	}
	return n, err
}

type chunkedWrite struct{ tcp }

func (c chunkedWrite) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = c.tcp.Write(p[n:min(n+1024, len(p))])
		n += m
		runtime.Gosched()
	}
	return n, err
}

// sloppyClosed says EOF after its own Close.
type sloppyClosed struct{ tcp }

func (c *sloppyClosed) Read(p []byte) (int, error) {
	n, err := c.tcp.Read(p)
	if errors.Is(err, net.ErrClosed) {
		err = io.EOF
	}
	return n, err
}

type nakedErrors struct{ tcp }

func (c nakedErrors) Read(p []byte) (int, error) {
	n, err := c.tcp.Read(p)
	if err != nil && err != io.EOF {
		err = errors.New(strings.ToLower(err.Error()))
	}
	return n, err
}

type fakeCloseWrite struct{ tcp }

func (fakeCloseWrite) CloseWrite() error { return errors.ErrUnsupported }

type copyFails struct{ tcp }

func (c copyFails) WriteTo(w io.Writer) (int64, error) {
	n, err := c.tcp.WriteTo(w)
	if err == nil {
		err = io.EOF
	}
	return n, err
}
