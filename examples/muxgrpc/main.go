// Muxgrpc runs gRPC over mux: the listener of the server is a session, and the
// connections of the client are streams that it opens.
//
// It is a module of its own, so that users of UDT do not inherit gRPC. In its
// folder,
//
//	go run .              # a server and two clients in this process
//	go run . -listen :9000
//	go run . HOST:9000
//
// A grpc.ClientConn is one stream, on which gRPC runs its calls in order of arrival.
// Calls that should not wait for each other's lost packets take a ClientConn each:
// the session makes that as cheap as a stream. Nothing here is encrypted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "", "be the server, at this UDP `address`")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), `Usage:
  muxgrpc                   a server and two clients in this process
  muxgrpc -listen ADDRESS   a server
  muxgrpc HOST:PORT         a client

Flags:
`)
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 1 || *listen != "" && flag.NArg() != 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case *listen != "":
		err = serve(ctx, *listen)
	case flag.NArg() == 1:
		err = use(ctx, os.Stdout, "client", flag.Arg(0))
	default:
		err = demonstrate(ctx, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "muxgrpc:", err)
		os.Exit(1)
	}
}

// serve is the real server. It runs until ctx ends.
func serve(ctx context.Context, address string) error {
	s, err := newServer(address)
	if err != nil {
		return err
	}
	fmt.Println("listening on", s.udt.Addr())
	select {
	case err = <-s.failed:
	case <-ctx.Done():
	}
	return errors.Join(err, stopSoon(s))
}

// demonstrate runs a server and two clients of it, one session each.
func demonstrate(ctx context.Context, out io.Writer) error {
	s, err := newServer("127.0.0.1:0")
	if err != nil {
		return err
	}
	address := s.udt.Addr().String()
	return errors.Join(
		use(ctx, out, "first client", address),
		use(ctx, out, "second client", address),
		stopSoon(s),
	)
}

// stopSoon stops the server within a few seconds. Clients that have gone need not
// keep it.
func stopSoon(s *server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// use does what a client can do, and checks the answers.
func use(ctx context.Context, out io.Writer, name, address string) error {
	const readers, size = 8, 1_000_000
	c, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.close()
	status, err := c.health(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: the server is %s\n", name, status)

	results := make(chan error, readers)
	start := time.Now()
	for range readers {
		go func() { results <- c.readAll(ctx, size) }()
	}
	for range readers {
		err = errors.Join(err, <-results)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d calls at once brought %d bytes each in %v\n", name, readers, size, time.Since(start).Round(time.Millisecond))

	if err := c.cancelled(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: a call without end was cancelled\n", name)
	return nil
}
