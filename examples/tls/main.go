// Tls is a server and a client with crypto/tls over UDT. The server makes a
// certificate for itself and prints its fingerprint, by which the client knows it.
//
//	go run ./examples/tls -listen :9000
//	go run ./examples/tls -pin FINGERPRINT HOST:9000
//
// The client sends its standard input and prints the answer, the same in capitals.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/udtgo/udtgo/examples/internal/pin"
	"github.com/udtgo/udtgo/tlsadapter"
	"github.com/udtgo/udtgo/udt"
)

func main() {
	listen := flag.String("listen", "", "be the server, at this UDP `address`")
	fingerprint := flag.String("pin", "", "`SHA-256` of the server's certificate, as it prints it")
	timeout := flag.Duration("timeout", 10*time.Second, "for connecting, both handshakes together")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(),
			"Usage:\n  tls -listen ADDRESS             answer\n  tls -pin FINGERPRINT HOST:PORT  ask\n\nFlags:\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *listen != "" && flag.NArg() != 0 || *listen == "" && (flag.NArg() != 1 || *fingerprint == "") {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *listen != "" {
		err = serve(ctx, *listen)
	} else {
		err = ask(ctx, flag.Arg(0), *fingerprint, *timeout)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "tls:", err)
		os.Exit(1)
	}
}

// serve answers every connection until ctx ends.
func serve(ctx context.Context, address string) error {
	certificate, err := pin.NewCertificate()
	if err != nil {
		return err
	}
	l, err := tlsadapter.Listen("udt", address, &tls.Config{Certificates: []tls.Certificate{certificate}}, nil)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	fmt.Println("listening on", l.Addr())
	fmt.Println("fingerprint", pin.Fingerprint(certificate))
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if err := answer(ctx, c); err != nil && ctx.Err() == nil {
				fmt.Fprintf(os.Stderr, "tls: %v: %v\n", c.RemoteAddr(), err)
			}
		}()
	}
}

// answer sends back in capitals what it receives.
func answer(ctx context.Context, c net.Conn) error {
	limit, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := c.(*tls.Conn).HandshakeContext(limit); err != nil {
		return err
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := c.Read(buf)
		if _, err := c.Write(bytes.ToUpper(buf[:n])); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// ask sends standard input and prints the answer.
func ask(ctx context.Context, address, fingerprint string, timeout time.Duration) error {
	config, err := pin.ClientConfig(fingerprint)
	if err != nil {
		return err
	}
	dialer := tlsadapter.Dialer{UDT: &udt.Dialer{Timeout: timeout}, Config: config}
	conn, err := dialer.DialContext(ctx, "udt", address)
	if err != nil {
		return err
	}
	c := conn.(*tls.Conn)
	defer context.AfterFunc(ctx, func() { tlsadapter.NetConn(c).Abort() })()
	state := c.ConnectionState()
	fmt.Fprintln(os.Stderr, tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(c, os.Stdin)
		if err == nil {
			err = c.CloseWrite() // TLS can close one direction alone, UDT cannot
		}
		sent <- err
	}()
	if _, err := io.Copy(os.Stdout, c); err != nil {
		return err
	}
	if err := <-sent; err != nil {
		return err
	}
	return c.Close()
}
