package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/udt"
)

// A server serves HTTP on every stream of every connection that comes in.
type server struct {
	http    *http.Server
	udt     *udt.Listener
	carrier *carrier
	failed  chan error     // why no more connections are accepted
	drained chan struct{}  // closed when requests under way have finished
	running sync.WaitGroup // the goroutine that accepts, and one for each session
}

// newServer starts a server.
func newServer(c *carrier, address string, h http.Handler) (*server, error) {
	l, err := udt.Listen("udt", address, c.udt)
	if err != nil {
		return nil, err
	}
	s := &server{http: newHTTPServer(h), udt: l, carrier: c, failed: make(chan error, 1), drained: make(chan struct{})}
	s.running.Go(s.accept)
	return s, nil
}

// newHTTPServer returns a server with limits for slow clients.
func newHTTPServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
}

// accept makes a session of each connection.
func (s *server) accept() {
	for {
		conn, err := s.udt.Accept()
		if err != nil {
			s.failed <- err
			return
		}
		session, err := s.carrier.server(conn)
		if err != nil {
			conn.Close()
			continue
		}
		s.running.Go(func() { s.serve(session) })
	}
}

// serve serves one session until the client has gone or the server has stopped.
func (s *server) serve(session mux.Muxer) {
	defer session.Close()
	if err := s.http.Serve(mux.Listener(session)); err == http.ErrServerClosed {
		<-s.drained // Serve returns as soon as Shutdown begins
	}
}

// stop lets requests under way finish, then ends sessions and connections. What is
// left when ctx ends is cut off.
func (s *server) stop(ctx context.Context) error {
	s.udt.Close()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	close(s.drained)
	s.running.Wait()
	return s.udt.Endpoint().Shutdown(ctx)
}

// serve is the real server. It runs until ctx ends.
func serve(ctx context.Context, o *options) error {
	root, err := os.OpenRoot(o.root) // links that lead out of it are not followed
	if err != nil {
		return err
	}
	defer root.Close()
	s, err := newServer(carriers[o.over], o.listen, http.FileServerFS(root.FS()))
	if err != nil {
		return err
	}
	fmt.Printf("serving %s by %s at %v\n", o.root, s.carrier.name, s.udt.Addr())
	select {
	case err = <-s.failed:
	case <-ctx.Done():
		fmt.Println("finishing requests under way")
	}
	limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if stopErr := s.stop(limit); !errors.Is(stopErr, context.DeadlineExceeded) { // clients that have gone need not keep the program
		err = errors.Join(err, stopErr)
	}
	return err
}
