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

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/nettest/pipes"
)

// A session is a listener for net/http, and each request can have a stream.
func TestHTTP(t *testing.T) {
	client, server := sessions(t, pipes.Stream(messages), nil)
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})}
	serving := make(chan error, 1)
	go func() { serving <- h.Serve(server) }()
	hc := &http.Client{Transport: &http.Transport{
		DialContext:       client.DialContext,
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

// The listener of a session lets requests under way finish when a server shuts down;
// new streams are refused meanwhile.
func TestShutdownOfAServerWaitsForRequests(t *testing.T) {
	client, server := sessions(t, pipes.Stream(messages), nil)
	begun, finish := make(chan bool), make(chan bool)
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "answer")
	})}
	serving := make(chan error, 1)
	l := mux.Listener(server)
	go func() { serving <- h.Serve(l) }()
	hc := &http.Client{Transport: &http.Transport{DialContext: client.DialContext, DisableKeepAlives: true}}
	answer := make(chan string, 1)
	go func() {
		r, err := hc.Get("http://peer/")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		answer <- string(b)
	}()
	<-begun
	shut := make(chan error, 1)
	go func() { shut <- h.Shutdown(context.Background()) }()
	require.ErrorIs(t, <-serving, http.ErrServerClosed)
	require.ErrorIs(t, l.Close(), net.ErrClosed)
	for {
		st, err := client.OpenStream(context.Background())
		if err != nil {
			require.ErrorIs(t, err, mux.ErrGoAway)
			break
		}
		st.Close() // GoAway is on its way
		_, err = client.Ping(context.Background())
		require.NoError(t, err)
	}
	close(finish)
	require.Equal(t, "answer", <-answer)
	require.NoError(t, <-shut)
}
