// Echo is the smallest UDT server and client.
//
//	go run ./examples/echo -listen :9000
//	go run ./examples/echo HOST:9000
//
// The client sends each line of its standard input and prints what comes back,
// with the time that took.
package main

import (
	"bufio"
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
	listen := flag.String("listen", "", "be the server, at this UDP `address`")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "Usage:\n  echo -listen ADDRESS   answer\n  echo HOST:PORT         ask\n\nFlags:\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if (*listen == "") != (flag.NArg() == 1) || flag.NArg() > 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *listen != "" {
		err = serve(ctx, *listen)
	} else {
		err = ask(ctx, flag.Arg(0))
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// serve answers every connection until ctx ends.
func serve(ctx context.Context, address string) error {
	l, err := udt.Listen("udt", address, nil)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Endpoint().Close() })()
	fmt.Println("listening on", l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

// ask sends lines and prints the answers.
func ask(ctx context.Context, address string) error {
	var dialer udt.Dialer
	c, err := dialer.DialContext(ctx, "udt", address)
	if err != nil {
		return err
	}
	defer c.Close()
	lines, failed := make(chan string), make(chan error, 1)
	go func() {
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			lines <- in.Text()
		}
		close(lines)
	}()
	go func() { failed <- exchange(c, lines) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done(): // reading standard input cannot be interrupted
		return nil
	}
}

func exchange(c net.Conn, lines <-chan string) error {
	answers := bufio.NewReader(c)
	for line := range lines {
		start := time.Now()
		if _, err := fmt.Fprintln(c, line); err != nil {
			return err
		}
		answer, err := answers.ReadString('\n')
		if err != nil {
			return errors.New("the server has gone: " + err.Error())
		}
		fmt.Printf("%s (%v)\n", answer[:len(answer)-1], time.Since(start).Round(time.Microsecond))
	}
	return nil
}
