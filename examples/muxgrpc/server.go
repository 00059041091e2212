package main

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/udt"
)

// config is that of the UDT connections. In messages, streams do not wait for each
// other's lost packets.
var config = &udt.Config{Mode: udt.ModeMessage}

// A server is one gRPC server that serves every session.
type server struct {
	grpc    *grpc.Server
	udt     *udt.Listener
	failed  chan error     // why no more connections are accepted
	drained chan struct{}  // closed when calls under way have finished
	running sync.WaitGroup // the goroutine that accepts, and one for each session
}

// newServer starts a server.
func newServer(address string, options ...grpc.ServerOption) (*server, error) {
	l, err := udt.Listen("udt", address, config)
	if err != nil {
		return nil, err
	}
	s := &server{grpc: grpc.NewServer(options...), udt: l, failed: make(chan error, 1), drained: make(chan struct{})}
	grpc_health_v1.RegisterHealthServer(s.grpc, health.NewServer())
	s.grpc.RegisterService(numbersService(), numbers{})
	s.running.Go(s.accept)
	return s, nil
}

// accept makes a session of each connection.
func (s *server) accept() {
	for {
		conn, err := s.udt.Accept()
		if err != nil {
			s.failed <- err
			return
		}
		session, err := mux.Server(conn, nil)
		if err != nil {
			conn.Close()
			continue
		}
		s.running.Go(func() { s.serve(session) })
	}
}

// serve serves one session until the client has gone or the server has stopped.
func (s *server) serve(session *mux.Session) {
	defer session.Close()
	s.grpc.Serve(mux.Listener(session))
	select {
	case <-session.Done():
	case <-s.drained: // Serve returns as soon as GracefulStop begins
	}
}

// stop lets calls under way finish, then ends sessions and connections. What is left
// when ctx ends is cut off.
func (s *server) stop(ctx context.Context) error {
	s.udt.Close()
	cut := context.AfterFunc(ctx, s.grpc.Stop)
	s.grpc.GracefulStop()
	cut()
	close(s.drained)
	s.running.Wait()
	return s.udt.Endpoint().Shutdown(ctx)
}
