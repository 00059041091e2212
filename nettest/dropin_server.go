package nettest

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/udtgo/udtgo/nettest/internal/require"
	"github.com/udtgo/udtgo/nettest/testkit"
)

// writeCounter wraps a listener and notes how often its connections are written to.
type writeCounter struct {
	net.Listener
	mu       sync.Mutex
	writes   int
	timeless bool // read deadlines in the future are not set any more
}

func (l *writeCounter) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConn{Conn: c, l: l}, nil
}

// written returns how many Writes there were.
func (l *writeCounter) written() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.writes
}

// lift drops read deadlines that are in the future from now on.
func (l *writeCounter) lift() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timeless = true
}

type countedConn struct {
	net.Conn
	l *writeCounter
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.l.mu.Lock()
	c.l.writes++
	c.l.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *countedConn) SetReadDeadline(d time.Time) error {
	c.l.mu.Lock()
	timeless := c.l.timeless
	c.l.mu.Unlock()
	if timeless && d.After(time.Now()) {
		d = noDeadline
	}
	return c.Conn.SetReadDeadline(d)
}

// rowHTTPNo400: http.Server answers a request that it cannot read with status 400, except when it recognises a read
// error of the network. Clients that sent nothing wrong must not get such an answer.
func rowHTTPNo400(t *testing.T, f *fixture, _ DropInOptions) {
	closed := make(chan struct{}, 8)
	srv := &http.Server{
		Handler:           echoHandler,
		ReadHeaderTimeout: 100 * time.Millisecond,
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				closed <- struct{}{}
			}
		},
	}
	l := &writeCounter{Listener: f}
	startHTTP(t, srv, l)

	client := f.mustDial(t)
	require.NoError(t, start(client.Close).wait(t, "Close"))
	waitFor(t, closed, "end of a connection whose client closed at once")
	require.Zero(t, l.written(), "answers to a client that closed at once")

	client = f.mustDial(t)
	// On a slow machine the server has given up already, and Write fails.
	_ = startWrite(client, []byte("GET / HTTP/1.1\r\n")).wait(t, "Write")
	waitFor(t, closed, "end of a connection whose client is too slow")
	require.Zero(t, l.written(), "answers to a client that is too slow")

	l.lift() // nobody is too slow any more
	requireAbort(t, f.mustDial(t))
	waitFor(t, closed, "end of a connection whose client aborted at once")
	require.Zero(t, l.written(), "answers to a client that aborted at once")

	client = f.mustDial(t)
	require.NoError(t, startWrite(client, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")).wait(t, "Write").err)
	answer := start(func() error {
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	require.NoError(t, answer.wait(t, "answer"))
	answered := l.written()
	requireAbort(t, client)
	waitFor(t, closed, "end of a connection whose client aborted after an answer")
	require.Equal(t, answered, l.written(), "more answers to a client that aborted after one")
}

// rowHTTPShutdown: Shutdown closes the listener first and then waits for the requests that run.
func rowHTTPShutdown(t *testing.T, f *fixture, _ DropInOptions) {
	running, release := make(chan struct{}), make(chan struct{})
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(running)
		<-release
		_, _ = w.Write(pattern(0, 100_000))
	})}
	stopping := make(chan struct{})
	srv.RegisterOnShutdown(func() { close(stopping) })
	startHTTP(t, srv, f)

	client := &http.Client{Transport: f.httpTransport(t)}
	request := start(func() readResult {
		resp, err := client.Get("http://" + testkit.CertName)
		if err != nil {
			return readResult{err: err}
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		return readResult{data, err}
	})
	waitFor(t, running, "request at the handler")
	shutdown := start(func() error { return srv.Shutdown(context.Background()) })
	waitFor(t, stopping, "Shutdown")
	requireClosed(t, f.startAccept().wait(t, "Accept after Shutdown").err)

	close(release)
	got := request.wait(t, "request that ran during Shutdown")
	require.NoError(t, got.err)
	require.Len(t, got.data, 100_000)
	require.NoError(t, checkPattern(got.data, 0))
	require.NoError(t, shutdown.wait(t, "Shutdown"))
}

// limitListener admits a number of connections at a time, as golang.org/x/net/netutil.LimitListener does.
type limitListener struct {
	net.Listener
	slots chan struct{}
}

func (l *limitListener) Accept() (net.Conn, error) {
	l.slots <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// rowHTTPWrapped: the server sees neither the listener nor the connections as they are, only their interfaces.
func rowHTTPWrapped(t *testing.T, f *fixture, _ DropInOptions) {
	l := &limitListener{Listener: f, slots: make(chan struct{}, 2)}
	startHTTP(t, &http.Server{Handler: echoHandler}, l)
	tr := f.httpTransport(t)
	tr.DisableKeepAlives = true // more connections than slots have to come one after the other
	client := &http.Client{Transport: tr}
	var calls []*call[error]
	for i := range 8 {
		calls = append(calls, start(func() error { return post(client, "http", 10_000+i, 1) }))
	}
	for _, c := range calls {
		require.NoError(t, c.wait(t, "request"))
	}
}
