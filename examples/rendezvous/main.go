// Rendezvous connects two peers that dial each other at the same time, as both may
// be behind a NAT, and lets them chat. There is no server. Each side needs to know
// the address at which the other is seen.
//
//	go run ./examples/rendezvous -local :9001 HOST2:9002     # on HOST1
//	go run ./examples/rendezvous -local :9002 HOST1:9001     # on HOST2
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/udtgo/udtgo/udt"
)

func main() {
	local := flag.String("local", "", "UDP `address` to dial from, which is what the peer dials")
	timeout := flag.Duration("timeout", 30*time.Second, "how long to try")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "Usage:\n  rendezvous -local ADDRESS PEER:PORT\n\nFlags:\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *local == "" || flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := chat(ctx, *local, flag.Arg(0), *timeout); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "rendezvous:", err)
		os.Exit(1)
	}
}

// chat sends standard input to the peer and prints what it sends, until either
// side ends.
func chat(ctx context.Context, local, peer string, timeout time.Duration) error {
	laddr, err := net.ResolveUDPAddr("udp", local)
	if err != nil {
		return err
	}
	dialer := udt.Dialer{Rendezvous: true, LocalAddr: laddr, Timeout: timeout, Config: &udt.Config{HandshakeTimeout: -1}}
	c, err := dialer.DialContext(ctx, "udt", peer)
	if err != nil {
		return err
	}
	fmt.Printf("connected: %v, %v\n", c.LocalAddr(), c.RemoteAddr())
	sent, received := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := io.Copy(c, os.Stdin)
		sent <- err
	}()
	go func() {
		_, err := io.Copy(os.Stdout, c)
		received <- err
	}()
	select {
	case err = <-sent:
	case err = <-received: // nil: the peer closed
	case <-ctx.Done(): // reading standard input cannot be interrupted
	}
	return errors.Join(err, c.Close()) // after everything has arrived
}
