// Muxhttp serves and fetches with net/http so that each request has a stream of its
// own: a session is the server's listener, and the client's connections are streams
// that it opens.
//
// Without arguments it shows what that is for. A page of many small objects is
// loaded through a simulated long and lossy path in four ways: a lost packet delays
// only the objects it had bytes of if streams travel in messages, all that come
// later if they share one ordered stream.
//
//	go run ./examples/muxhttp                       # 100 Mbit/s, 100 ms, 1 % loss
//	go run ./examples/muxhttp -rtt 300ms -loss 0.1  # another path
//
// It is also a real server and a real client, which fetches all files at once:
//
//	go run ./examples/muxhttp -listen :9000 -root DIR
//	go run ./examples/muxhttp -get HOST:9000 -dir DIR FILE...
//
// These two encrypt nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options is the command line.
type options struct {
	// demonstration
	rtt     time.Duration
	loss    float64 // percent
	rate    float64 // Mbit/s
	objects int
	loads   int

	// server and client
	listen, root string
	get, dir     string
	over         string
	files        []string
}

func main() {
	var o options
	flag.DurationVar(&o.rtt, "rtt", 100*time.Millisecond, "simulated path: round trip `time`")
	flag.Float64Var(&o.loss, "loss", 1, "simulated path: lost `percent` of the packets, each way")
	flag.Float64Var(&o.rate, "rate", 100, "simulated path: `Mbit/s`, each way")
	flag.IntVar(&o.objects, "objects", 200, "simulated path: `number` of objects on the page")
	flag.IntVar(&o.loads, "loads", 5, "simulated path: `times` that the page is loaded")
	flag.StringVar(&o.listen, "listen", "", "serve files at this UDP `address`, such as :9000")
	flag.StringVar(&o.root, "root", ".", "`directory` to serve")
	flag.StringVar(&o.get, "get", "", "fetch files from the server at this UDP `address`")
	flag.StringVar(&o.dir, "dir", ".", "`directory` for what is fetched")
	flag.StringVar(&o.over, "over", "messages", "what carries the streams, the same at both ends: messages, stream or yamux")
	flag.Usage = usage
	flag.Parse()
	o.files = flag.Args()

	if err := o.check(); err != nil {
		fmt.Fprintln(os.Stderr, "muxhttp:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case o.listen != "":
		err = serve(ctx, &o)
	case o.get != "":
		err = fetch(ctx, &o)
	default:
		err = demonstrate(ctx, &o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "muxhttp:", err)
		os.Exit(1)
	}
}

func (o *options) check() error {
	switch {
	case o.listen != "" && o.get != "":
		return errors.New("either -listen or -get")
	case o.get == "" && len(o.files) > 0:
		return fmt.Errorf("unexpected argument %q; see -h", o.files[0])
	case o.get != "" && len(o.files) == 0:
		return errors.New("-get needs the names of files")
	case carriers[o.over] == nil:
		return fmt.Errorf("-over %s is not known; see -h", o.over)
	case o.rtt < 0 || o.rate <= 0 || o.loss < 0 || o.loss >= 100 || o.objects < 1 || o.loads < 1:
		return errors.New("-rtt, -loss, -rate, -objects or -loads is out of range")
	}
	return nil
}

func usage() {
	fmt.Fprint(flag.CommandLine.Output(), `Usage:
  muxhttp [-rtt TIME] [-loss PERCENT] [-rate MBIT/S] [-objects N] [-loads N]   load a page in four ways through a simulated path
  muxhttp -listen ADDRESS [-root DIR] [-over CARRIER]                          serve files
  muxhttp -get HOST:PORT [-dir DIR] [-over CARRIER] FILE...                    fetch files, all at once

Flags:
`)
	flag.PrintDefaults()
}
