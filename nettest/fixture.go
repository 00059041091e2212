package nettest

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/udtgo/udtgo/nettest/internal/require"
)

// MakeListener makes a listener and a function that dials it. dial obeys its context, may be called by several
// goroutines, and may be called after the listener was closed, when it has to fail. stop closes the listener, if it
// is still open, and everything under it; it is called once, after the test, when all connections are closed.
type MakeListener func() (l net.Listener, dial func(ctx context.Context) (net.Conn, error), stop func(), err error)

// fixture is a listener that lives as long as a test.
type fixture struct {
	net.Listener
	dial func(ctx context.Context) (net.Conn, error)
}

// newFixture makes a listener and stops it after the test.
func newFixture(t testing.TB, ml MakeListener) *fixture {
	t.Helper()
	l, dial, stop, err := ml()
	require.NoError(t, err, "MakeListener")
	t.Cleanup(sync.OnceFunc(stop))
	return &fixture{Listener: l, dial: dial}
}

// connResult is what a dial or Accept returned.
type connResult struct {
	conn net.Conn
	err  error
}

// startAccept accepts one connection in a goroutine.
func (f *fixture) startAccept() *call[connResult] {
	return start(func() connResult {
		c, err := f.Accept()
		return connResult{c, err}
	})
}

// startDial dials in a goroutine.
func (f *fixture) startDial(ctx context.Context) *call[connResult] {
	return start(func() connResult {
		c, err := f.dial(ctx)
		return connResult{c, err}
	})
}

// pair returns both ends of a new connection, which end with the test.
func (f *fixture) pair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	accepting, dialing := f.startAccept(), f.startDial(context.Background())
	d := dialing.wait(t, "dial")
	require.NoError(t, d.err, "dial")
	dropAfter(t, d.conn)
	a := accepting.wait(t, "Accept")
	require.NoError(t, a.err, "Accept")
	dropAfter(t, a.conn)
	return d.conn, a.conn
}

// serve accepts connections until the test ends and hands each to its own goroutine of handle. After the test it closes
// the listener, drops the connections that are left and waits for the goroutines.
func (f *fixture) serve(t testing.TB, handle func(c net.Conn)) {
	var (
		mu    sync.Mutex
		conns []net.Conn
		wg    sync.WaitGroup
	)
	wg.Go(func() {
		for {
			c, err := f.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { handle(c) })
		}
	})
	t.Cleanup(func() {
		_ = f.Close()
		mu.Lock()
		for _, c := range conns {
			drop(c)
		}
		mu.Unlock()
		ended := start(func() bool { wg.Wait(); return true })
		ended.wait(t, "server goroutines after all was closed")
	})
}

// mustDial returns the client's end of a new connection that somebody else accepts.
func (f *fixture) mustDial(t testing.TB) net.Conn {
	t.Helper()
	d := f.startDial(context.Background()).wait(t, "dial")
	require.NoError(t, d.err, "dial")
	dropAfter(t, d.conn)
	return d.conn
}

// dropAfter closes c after the test, without lingering where that can be asked for.
func dropAfter(t testing.TB, c net.Conn) { t.Cleanup(func() { drop(c) }) }

// drop closes c without lingering where that can be asked for.
func drop(c net.Conn) {
	if l, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = l.SetLinger(0)
	}
	_ = c.Close()
}

// startRead reads once in a goroutine.
func startRead(c net.Conn, p []byte) *call[ioResult] {
	return start(func() ioResult {
		n, err := c.Read(p)
		return ioResult{n: n, err: err}
	})
}

// startWrite writes once in a goroutine.
func startWrite(c net.Conn, p []byte) *call[ioResult] {
	return start(func() ioResult {
		n, err := c.Write(p)
		return ioResult{n: n, err: err}
	})
}

// fillCall is a goroutine that writes until Write fails.
type fillCall struct {
	*call[ioResult]
	taken *atomic.Int64 // bytes
}

// startFill writes until Write fails and returns how many bytes were taken.
func startFill(c net.Conn) fillCall {
	taken := new(atomic.Int64)
	return fillCall{taken: taken, call: start(func() ioResult {
		p := make([]byte, 64<<10)
		for {
			n, err := c.Write(p)
			taken.Add(int64(n))
			if err != nil {
				return ioResult{n: int(taken.Load()), err: err}
			}
		}
	})}
}

// waitFull returns when all buffers are full, so that Write blocks because the peer does not read. A transport may stop
// and go on while it fills them, so being blocked for a moment is not enough.
func (f fillCall) waitFull(t testing.TB) {
	t.Helper()
	f.waitIdle(t, "Write to a peer that does not read", 50, f.taken.Load)
}

// readFull fills p and returns the first error.
func readFull(t testing.TB, c net.Conn, p []byte) error {
	t.Helper()
	return start(func() error {
		_, err := io.ReadFull(c, p)
		return err
	}).wait(t, "Read")
}

// startReadAll reads to the end of the stream; nil means io.EOF.
func startReadAll(c net.Conn) *call[readResult] {
	return start(func() readResult {
		p, err := io.ReadAll(c)
		return readResult{p, err}
	})
}

// readResult is what io.ReadAll returned.
type readResult struct {
	data []byte
	err  error
}
