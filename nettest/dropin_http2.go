package nettest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/udtgo/udtgo/nettest/internal/require"
	"github.com/udtgo/udtgo/nettest/testkit"
)

// http2Rows run HTTP over TLS, version 2 included.
var http2Rows = []dropInRow{
	{"row32_https_over_tls_NewListener", rowHTTPS},
	{"row32_http2_by_ALPN", rowHTTP2},
	{"row32_http2_handler_sees_a_cancelled_stream", rowHTTP2Cancel},
}

// tlsTransport returns an http.Transport that dials the fixture and speaks TLS and, if asked, HTTP/2.
func (f *fixture) tlsTransport(t testing.TB, config *tls.Config, http2 bool) *http.Transport {
	tr := &http.Transport{
		ForceAttemptHTTP2: http2,
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := f.dial(ctx)
			if err != nil {
				return nil, err
			}
			tc := tls.Client(c, config)
			if err := tc.HandshakeContext(ctx); err != nil {
				drop(c)
				return nil, err
			}
			return tc, nil
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func rowHTTPS(t *testing.T, f *fixture, _ DropInOptions) {
	cc, sc := testkit.TLSConfigs("http/1.1")
	startHTTP(t, &http.Server{Handler: echoHandler}, tls.NewListener(f, sc))
	client := &http.Client{Transport: f.tlsTransport(t, cc, false)}
	for _, size := range []int{0, 1, 1 << 20} {
		requirePost(t, client, "https", size, 1)
	}
}

// rowHTTP2 sends many requests with bodies at once over what the client makes one connection.
func rowHTTP2(t *testing.T, f *fixture, _ DropInOptions) {
	cc, sc := testkit.TLSConfigs("h2")
	startHTTPS(t, &http.Server{Handler: echoHandler, TLSConfig: sc}, f)
	client := &http.Client{Transport: f.tlsTransport(t, cc, true)}
	requirePost(t, client, "https", 10, 2)
	var calls []*call[error]
	for i := range 16 {
		calls = append(calls, start(func() error { return post(client, "https", 100_000+i, 2) }))
	}
	for _, c := range calls {
		require.NoError(t, c.wait(t, "request"))
	}
}

func rowHTTP2Cancel(t *testing.T, f *fixture, _ DropInOptions) {
	cc, sc := testkit.TLSConfigs("h2")
	running, ended := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(running)
		<-r.Context().Done()
		close(ended)
	})
	startHTTPS(t, &http.Server{Handler: handler, TLSConfig: sc}, f)
	client := &http.Client{Transport: f.tlsTransport(t, cc, true)}
	ctx, cancel := context.WithCancel(context.Background())
	request := start(func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+testkit.CertName+"/", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	})
	waitFor(t, running, "request at the handler")
	cancel()
	require.ErrorIs(t, request.wait(t, "request that is cancelled"), context.Canceled)
	waitFor(t, ended, "end of the handler's context")
}

// echoHandler answers with the request's body.
var echoHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(body)
})

// post sends size bytes to an echoHandler and checks what comes back, and by which version of HTTP.
func post(client *http.Client, scheme string, size, major int) error {
	resp, err := client.Post(scheme+"://"+testkit.CertName+"/", "application/octet-stream", bytes.NewReader(pattern(0, size)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != major || len(body) != size {
		return fmt.Errorf("%s by %s with %d of %d bytes", resp.Status, resp.Proto, len(body), size)
	}
	return checkPattern(body, 0)
}

// requirePost fails the test if post fails.
func requirePost(t testing.TB, client *http.Client, scheme string, size, major int) {
	t.Helper()
	require.NoError(t, start(func() error { return post(client, scheme, size, major) }).wait(t, "request"))
}
