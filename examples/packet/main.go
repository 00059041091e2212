// Packet exchanges reliable messages with any number of peers through one
// net.PacketConn. Both sides are the same program; neither accepts or dials.
//
//	go run ./examples/packet -listen :9001
//	go run ./examples/packet -to HOST:9001
//
// It sends each line of its standard input to all -to addresses and to everybody
// it has heard from, and prints what comes. With -to it ends with its input.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/udtgo/udtgo/udt"
)

func main() {
	listen := flag.String("listen", ":0", "UDP `address` to use")
	var to []string
	flag.Func("to", "`host:port` of a peer; may be repeated", func(s string) error {
		to = append(to, s)
		return nil
	})
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "Usage:\n  packet [-listen ADDRESS] [-to HOST:PORT]...\n\nFlags:\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, to); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "packet:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen string, to []string) error {
	pc, err := udt.ListenPacket("udt", listen, nil)
	if err != nil {
		return err
	}
	fmt.Println("listening on", pc.LocalAddr())
	known := &peers{addrs: make(map[string]net.Addr)}
	for _, s := range to {
		a, err := net.ResolveUDPAddr("udp", s)
		if err != nil {
			pc.Close()
			return err
		}
		known.add(a)
	}
	done := make(chan error, 2)
	go func() { done <- receive(pc, known) }()
	go func() {
		if err := send(pc, known); err != nil || len(to) > 0 {
			done <- err // who only answers goes on listening
		}
	}()
	select {
	case err = <-done:
	case <-ctx.Done(): // reading standard input cannot be interrupted
	}
	return errors.Join(err, pc.Close()) // after everything has arrived
}

// receive prints messages.
func receive(pc net.PacketConn, known *peers) error {
	buf := make([]byte, 1<<20)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return err
		}
		known.add(from)
		fmt.Printf("%v: %s\n", from, buf[:n])
	}
}

// send sends lines until there are no more.
func send(pc net.PacketConn, known *peers) error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		for _, a := range known.all() {
			if _, err := pc.WriteTo(in.Bytes(), a); err != nil {
				fmt.Fprintln(os.Stderr, "packet:", err)
				known.remove(a) // until it is heard from again
			}
		}
	}
	return in.Err()
}

// peers are the addresses to send to.
type peers struct {
	mu    sync.Mutex
	addrs map[string]net.Addr
}

func (p *peers) add(a net.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addrs[a.String()] = a
}

func (p *peers) remove(a net.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.addrs, a.String())
}

func (p *peers) all() []net.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []net.Addr
	for _, a := range p.addrs {
		all = append(all, a)
	}
	return all
}
