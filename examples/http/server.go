package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/udtgo/udtgo/examples/internal/pin"
	"github.com/udtgo/udtgo/tlsadapter"
	"github.com/udtgo/udtgo/udt"
)

// serve is the real server. It runs until ctx ends.
func serve(ctx context.Context, o *options) error {
	root, err := os.OpenRoot(o.root) // links that lead out of it are not followed
	if err != nil {
		return err
	}
	defer root.Close()
	l, fingerprint, err := listen(o, o.listen)
	if err != nil {
		return err
	}
	fmt.Printf("serving %s at %v\n", o.root, l.Addr())
	if fingerprint != "" {
		fmt.Printf("fingerprint %s\n", fingerprint)
	}
	server := newServer(http.FileServerFS(root.FS()))
	defer context.AfterFunc(ctx, func() {
		fmt.Println("finishing requests under way")
		limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if server.Shutdown(limit) != nil {
			server.Close()
		}
	})()
	if err := server.Serve(l); ctx.Err() == nil {
		return err
	}
	// Serve returns as soon as Shutdown begins. This waits until the connections
	// have delivered what was written to them; clients that have gone need not
	// keep the program.
	limit, cancel := context.WithTimeout(context.Background(), 6*time.Second)
	defer cancel()
	if err := l.udt.Endpoint().Shutdown(limit); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// newServer returns a server with limits for slow clients.
func newServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
}

// A listener is a UDT listener, with TLS above it if that was asked for.
type listener struct {
	net.Listener
	udt *udt.Listener
}

// listen listens for HTTP, with -tls for HTTPS, and returns the fingerprint of the
// certificate if there is one.
func listen(o *options, address string) (l *listener, fingerprint string, err error) {
	if !o.tls && !o.secure {
		under, err := udt.Listen("udt", address, nil)
		return &listener{under, under}, "", err
	}
	var certificate tls.Certificate
	if o.cert != "" {
		certificate, err = tls.LoadX509KeyPair(o.cert, o.key)
	} else {
		certificate, err = pin.NewCertificate()
	}
	if err != nil {
		return nil, "", err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: o.protocols()}
	var inside *udt.Config
	if o.secure {
		inside = &udt.Config{Security: tlsadapter.Security(config)}
	}
	under, err := udt.Listen("udt", address, inside)
	if err != nil {
		return nil, "", err
	}
	l = &listener{under, under}
	if o.tls {
		l.Listener = tls.NewListener(under, config)
	}
	return l, pin.Fingerprint(certificate), nil
}

// protocols are what both sides offer in TLS. Inside UDT there is nothing to agree
// on: net/http sees an ordinary connection.
func (o *options) protocols() []string {
	if o.secure {
		return nil
	}
	return []string{"h2", "http/1.1"}
}
