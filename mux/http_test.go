package mux_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest"
)

// A session is a listener for net/http, and each request can have a stream.
func TestHTTP(t *testing.T) {
	client, server := sessions(t, nettest.StreamPipe(messages), nil)
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})}
	serving := make(chan error, 1)
	go func() { serving <- h.Serve(server) }()
	hc := &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return client.OpenStream(ctx) },
		DisableKeepAlives: true,
	}}
	var all sync.WaitGroup
	errs := make(chan error, 50)
	for i := range cap(errs) {
		all.Go(func() {
			want := bytes.Repeat([]byte{byte(i)}, 100_000+i)
			r, err := hc.Post("http://peer/", "application/octet-stream", bytes.NewReader(want))
			if err == nil {
				var got []byte
				got, err = io.ReadAll(r.Body)
				r.Body.Close()
				if err == nil && !bytes.Equal(want, got) {
					err = fmt.Errorf("request %d: wrong answer of %d bytes", i, len(got))
				}
			}
			errs <- err
		})
	}
	all.Wait()
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	require.NoError(t, h.Close())
	require.ErrorIs(t, <-serving, http.ErrServerClosed)
}
