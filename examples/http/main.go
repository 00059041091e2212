// Http serves and fetches files over UDT with net/http, which does not know that
// it is not TCP.
//
// Without arguments it shows what UDT is for: a server and a client in this
// process, with a simulated long and lossy path between them.
//
//	go run ./examples/http                       # 100 Mbit/s, 100 ms, 1 % loss
//	go run ./examples/http -rtt 300ms -loss 0.1  # another path
//
// It is also a real server and a real client:
//
//	go run ./examples/http -listen :9000 -root DIR
//	go run ./examples/http -get udt://HOST:9000/FILE -o FILE
//
// With -tls the server speaks HTTPS. Without -cert it makes a certificate and prints
// its fingerprint, which the client takes as -pin. With -secure the same certificates
// protect UDT itself: every packet is sealed, and HTTP goes on above as if there were
// nothing.
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
	rtt   time.Duration
	loss  float64 // percent
	rate  float64 // Mbit/s
	size  float64 // MB
	limit time.Duration

	// server
	listen, root string
	cert, key    string

	// client
	get, output string
	ca, pin     string

	tls    bool
	secure bool
}

func main() {
	var o options
	flag.DurationVar(&o.rtt, "rtt", 100*time.Millisecond, "simulated path: round trip `time`")
	flag.Float64Var(&o.loss, "loss", 1, "simulated path: lost `percent` of the packets, each way")
	flag.Float64Var(&o.rate, "rate", 100, "simulated path: `Mbit/s`, each way")
	flag.Float64Var(&o.size, "size", 200, "simulated path: size of the file in `MB`")
	flag.DurationVar(&o.limit, "time", 20*time.Second, "simulated path: stop after this `time` if the file is not complete")
	flag.StringVar(&o.listen, "listen", "", "serve files at this UDP `address`, such as :9000")
	flag.StringVar(&o.root, "root", ".", "`directory` to serve")
	flag.StringVar(&o.cert, "cert", "", "server's certificate, a PEM `file`; needs -key")
	flag.StringVar(&o.key, "key", "", "server's private key, a PEM `file`")
	flag.StringVar(&o.get, "get", "", "fetch this `URL`: udt://host:port/path")
	flag.StringVar(&o.output, "o", "", "`file` to write; - is standard output (default: the URL's last element)")
	flag.StringVar(&o.ca, "ca", "", "trust the certificates in this PEM `file` rather than the system's")
	flag.StringVar(&o.pin, "pin", "", "trust the server whose certificate has this SHA-256 `fingerprint`")
	flag.BoolVar(&o.tls, "tls", false, "HTTPS: TLS above UDT")
	flag.BoolVar(&o.secure, "secure", false, "TLS inside UDT: every packet is sealed")
	flag.Usage = usage
	flag.Parse()

	if err := o.check(); err != nil {
		fmt.Fprintln(os.Stderr, "http:", err)
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
		fmt.Fprintln(os.Stderr, "http:", err)
		os.Exit(1)
	}
}

func (o *options) check() error {
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q; see -h", flag.Arg(0))
	case o.listen != "" && o.get != "":
		return errors.New("either -listen or -get")
	case (o.cert == "") != (o.key == ""):
		return errors.New("-cert and -key need each other")
	case o.tls && o.secure:
		return errors.New("either -tls or -secure")
	case !o.tls && !o.secure && (o.cert != "" || o.ca != "" || o.pin != ""):
		return errors.New("-cert, -key, -ca and -pin need -tls or -secure")
	case o.ca != "" && o.pin != "":
		return errors.New("either -ca or -pin")
	case o.rtt < 0 || o.rate <= 0 || o.size <= 0 || o.limit <= 0 || o.loss < 0 || o.loss >= 100:
		return errors.New("-rtt, -loss, -rate, -size or -time is out of range")
	}
	return nil
}

func usage() {
	fmt.Fprint(flag.CommandLine.Output(), `Usage:
  http [-rtt TIME] [-loss PERCENT] [-rate MBIT/S] [-size MB] [-time TIME]   fetch through a simulated path
  http -listen ADDRESS [-root DIR] [-cert FILE -key FILE]                   serve files
  http -get udt://HOST:PORT/PATH [-o FILE] [-ca FILE | -pin SHA256]         fetch a file

each with -tls for TLS above UDT, or with -secure for TLS inside UDT.

Flags:
`)
	flag.PrintDefaults()
}
