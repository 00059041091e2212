// Filecopy sends files over UDT, without HTTP or anything else in between.
//
//	go run ./examples/filecopy -listen :9000 -dir DIR
//	go run ./examples/filecopy FILE HOST:9000
//
// The sender ends when the receiver has confirmed the file's SHA-256.
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

	"github.com/udtgo/udtgo/udt"
)

func main() {
	listen := flag.String("listen", "", "receive files, at this UDP `address`")
	dir := flag.String("dir", ".", "`directory` for received files; existing ones are not overwritten")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(),
			"Usage:\n  filecopy -listen ADDRESS [-dir DIR]   receive files\n  filecopy FILE HOST:PORT               send a file\n\nFlags:\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *listen != "" && flag.NArg() != 0 || *listen == "" && flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *listen != "" {
		if err = serve(ctx, *listen, *dir); ctx.Err() != nil {
			return
		}
	} else {
		err = send(ctx, flag.Arg(0), flag.Arg(1))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "filecopy:", err)
		os.Exit(1)
	}
}

// serve receives files until ctx ends.
func serve(ctx context.Context, address, dir string) error {
	root, err := os.OpenRoot(dir) // names from the network do not lead out of it
	if err != nil {
		return err
	}
	defer root.Close()
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
			name, size, err := receiveFile(c, root)
			if err != nil {
				fmt.Fprintf(os.Stderr, "filecopy: %v: %q: %v\n", c.RemoteAddr(), name, err)
				return
			}
			fmt.Printf("received %q, %d bytes, from %v\n", name, size, c.RemoteAddr())
		}()
	}
}

// send sends one file.
func send(ctx context.Context, name, address string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var dialer udt.Dialer
	conn, err := dialer.DialContext(ctx, "udt", address)
	if err != nil {
		return err
	}
	c := conn.(*udt.Conn)
	defer context.AfterFunc(ctx, func() { c.Abort() })()
	start := time.Now()
	size, err := sendFile(c, f)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if err != nil {
		c.Abort()
		return err
	}
	elapsed := time.Since(start)
	s := c.Stats()
	fmt.Printf("sent %d bytes in %v, %.1f Mbit/s, RTT %v, %d of %d packets repeated\n", size, elapsed.Round(time.Millisecond),
		float64(size)*8/1e6/elapsed.Seconds(), s.RTT.Round(time.Microsecond), s.PacketsRetransmitted, s.PacketsSent)
	return c.Close()
}
