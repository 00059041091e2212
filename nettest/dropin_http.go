package nettest

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"

	"github.com/udtgo/udtgo/nettest/internal/require"
	"github.com/udtgo/udtgo/nettest/testkit"
)

// httpRows run HTTP/1.1 on both ends.
var httpRows = []dropInRow{
	{"row01_http_bodies_both_ways", rowHTTPBodies},
	{"row12_http_keep_alive_reuses_the_connection", rowHTTPKeepAlive},
	{"row04_http_hijack_takes_the_conn_from_a_blocked_read", rowHTTPHijack},
	{"row04_http_handler_sees_that_the_client_is_gone", rowHTTPClientGone},
	{"row11_http_400_is_not_written_into_dead_conns", rowHTTPNo400},
	{"row17_http_Shutdown_lets_requests_finish", rowHTTPShutdown},
	{"row21_http_answer_to_an_unread_request_arrives", rowHTTPUnreadBody},
	{"row33_http_through_a_listener_that_wraps", rowHTTPWrapped},
}

// startHTTP serves HTTP on a listener until the test ends. Whatever the server logs is not shown.
func startHTTP(t testing.TB, srv *http.Server, l net.Listener) {
	serveHTTP(t, srv, func() error { return srv.Serve(l) })
}

// startHTTPS serves HTTP over TLS with the configuration in srv.
func startHTTPS(t testing.TB, srv *http.Server, l net.Listener) {
	serveHTTP(t, srv, func() error { return srv.ServeTLS(l, "", "") })
}

// serveHTTP runs serve until the test ends; it must end because the server was closed and for no other reason.
func serveHTTP(t testing.TB, srv *http.Server, serve func() error) {
	srv.ErrorLog = log.New(io.Discard, "", 0)
	serving := start(serve)
	t.Cleanup(func() {
		_ = srv.Close()
		require.ErrorIs(t, serving.wait(t, "Serve after Close"), http.ErrServerClosed)
	})
}

// httpTransport returns an http.Transport that dials the fixture whatever the URL says.
func (f *fixture) httpTransport(t testing.TB) *http.Transport {
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return f.dial(ctx) }}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func rowHTTPBodies(t *testing.T, f *fixture, _ DropInOptions) {
	startHTTP(t, &http.Server{Handler: echoHandler}, f)
	client := &http.Client{Transport: f.httpTransport(t)}
	for _, size := range []int{0, 1, 100, 64 << 10, 2 << 20} {
		requirePost(t, client, "http", size, 1)
	}
	var calls []*call[error]
	for i := range 8 {
		calls = append(calls, start(func() error { return post(client, "http", 200_000+i, 1) }))
	}
	for _, c := range calls {
		require.NoError(t, c.wait(t, "request among others"))
	}
}

func rowHTTPKeepAlive(t *testing.T, f *fixture, _ DropInOptions) {
	startHTTP(t, &http.Server{Handler: echoHandler}, f)
	client := &http.Client{Transport: f.httpTransport(t)}
	reuses := 0
	for range 10 {
		reused := make(chan bool, 1)
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			GotConn: func(info httptrace.GotConnInfo) { reused <- info.Reused },
		})
		require.NoError(t, start(func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+testkit.CertName, strings.NewReader("x"))
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		}).wait(t, "request"))
		if waitFor(t, reused, "connection of the request") {
			reuses++
		}
	}
	// Not all: net/http gives a connection up whose writer is 50 ms late.
	require.Positive(t, reuses, "requests on a connection that was there already")
}

// rowHTTPHijack: while a handler runs the server reads one byte ahead; Hijack ends that Read with a past deadline,
// lifts it and hands the connection over.
func rowHTTPHijack(t *testing.T, f *fixture, _ DropInOptions) {
	handled := make(chan error, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		handled <- func() error {
			c, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")); err != nil {
				return err
			}
			_, err = io.CopyN(c, rw, int64(len("hello")))
			return err
		}()
	})
	startHTTP(t, &http.Server{Handler: handler}, f)
	client := f.mustDial(t)
	require.NoError(t, startWrite(client, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")).wait(t, "Write").err)
	answer := start(func() readResult {
		r := bufio.NewReader(client)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return readResult{err: err}
		}
		if _, err := client.Write([]byte("hello")); err != nil {
			return readResult{err: err}
		}
		data, err := io.ReadAll(r)
		return readResult{append([]byte(resp.Status+" "), data...), err}
	}).wait(t, "hijacked connection")
	require.NoError(t, answer.err)
	require.Equal(t, "101 Switching Protocols hello", string(answer.data))
	require.NoError(t, waitFor(t, handled, "handler"))
}

func rowHTTPClientGone(t *testing.T, f *fixture, _ DropInOptions) {
	running, ended := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(running)
		<-r.Context().Done()
		close(ended)
	})
	startHTTP(t, &http.Server{Handler: handler}, f)
	client := f.mustDial(t)
	require.NoError(t, startWrite(client, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")).wait(t, "Write").err)
	waitFor(t, running, "request at the handler")
	require.NoError(t, start(client.Close).wait(t, "Close"))
	waitFor(t, ended, "end of the handler's context")
}

// rowHTTPUnreadBody: the server refuses a large request by its header, answers and closes. The client gets the answer.
func rowHTTPUnreadBody(t *testing.T, f *fixture, _ DropInOptions) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})
	startHTTP(t, &http.Server{Handler: handler}, f)
	client := f.mustDial(t)
	request := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + strings.Repeat("x", 32<<10)
	require.NoError(t, startWrite(client, []byte(request)).wait(t, "Write").err)
	answer := start(func() readResult {
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			return readResult{err: err}
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		return readResult{append([]byte(resp.Status+" "), data...), err}
	}).wait(t, "answer")
	require.NoError(t, answer.err)
	require.Equal(t, "413 Request Entity Too Large too large\n", string(answer.data))
}
