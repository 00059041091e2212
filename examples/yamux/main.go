// Yamux runs many streams over one UDT connection with hashicorp/yamux, which does
// not know that it is not TCP.
//
//	go run ./examples/yamux -listen :9000
//	go run ./examples/yamux -streams 100 HOST:9000
//
// Each stream carries one request and its answer.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/udtgo/udtgo/udt"
)

func main() {
	listen := flag.String("listen", "", "be the server, at this UDP `address`")
	streams := flag.Int("streams", 10, "`number` of streams at the same time")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(),
			"Usage:\n  yamux -listen ADDRESS             answer\n  yamux [-streams N] HOST:PORT      ask\n\nFlags:\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *listen != "" && flag.NArg() != 0 || *listen == "" && flag.NArg() != 1 || *streams < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *listen != "" {
		err = serve(ctx, *listen)
	} else {
		err = ask(ctx, flag.Arg(0), *streams)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "yamux:", err)
		os.Exit(1)
	}
}

// settings are the defaults, without the log of connections that end.
func settings() *yamux.Config {
	config := yamux.DefaultConfig()
	config.LogOutput = io.Discard
	return config
}

// serve answers every stream of every connection until ctx ends.
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
		session, err := yamux.Server(c, settings())
		if err != nil {
			return err
		}
		go func() {
			defer session.Close()
			for {
				stream, err := session.AcceptStream()
				if err != nil {
					return // the client has ended
				}
				go answer(stream)
			}
		}()
	}
}

// answer answers one line.
func answer(stream *yamux.Stream) {
	defer stream.Close()
	line, err := bufio.NewReader(io.LimitReader(stream, 1000)).ReadString('\n')
	if err == nil {
		fmt.Fprintf(stream, "stream %d: you said %s", stream.StreamID(), line)
	}
}

// ask opens all streams at the same time and prints the answers.
func ask(ctx context.Context, address string, streams int) error {
	var dialer udt.Dialer
	c, err := dialer.DialContext(ctx, "udt", address)
	if err != nil {
		return err
	}
	session, err := yamux.Client(c, settings())
	if err != nil {
		return errors.Join(err, c.Close())
	}
	defer session.Close()
	defer context.AfterFunc(ctx, func() { session.Close() })()
	start := time.Now()
	results := make(chan error, streams)
	for i := range streams {
		go func() { results <- request(session, i) }()
	}
	for range streams {
		if err := <-results; err != nil {
			return err
		}
	}
	fmt.Printf("%d answers in %v\n", streams, time.Since(start).Round(time.Microsecond))
	return nil
}

// request asks on a stream of its own.
func request(session *yamux.Session, i int) error {
	stream, err := session.OpenStream()
	if err != nil {
		return err
	}
	defer stream.Close()
	if _, err := fmt.Fprintf(stream, "hello %d\n", i); err != nil {
		return err
	}
	answer, err := io.ReadAll(stream)
	if err != nil {
		return err
	}
	fmt.Print(string(answer))
	return nil
}
