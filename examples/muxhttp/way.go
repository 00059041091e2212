package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/udtgo/udtgo/examples/internal/pin"
	"github.com/udtgo/udtgo/tlsadapter"
	"github.com/udtgo/udtgo/udt"
)

// A way is one way of carrying many requests at once over one UDT connection.
type way struct {
	name   string
	scheme string // of URLs

	// serve starts a server on this host.
	serve func(http.Handler) (address net.Addr, stop func(context.Context) error, err error)

	// dial returns a client's transport to a server.
	dial func(ctx context.Context, address string) (transport *http.Transport, end func(), err error)
}

// newWays returns the ways that are compared.
func newWays(p page) ([]*way, error) {
	secure, err := http2Way(p)
	if err != nil {
		return nil, err
	}
	return []*way{streamWay("messages"), streamWay("stream"), streamWay("yamux"), secure}, nil
}

// streamWay has a stream for each request.
func streamWay(name string) *way {
	c := carriers[name]
	return &way{
		name: c.name, scheme: "http",
		serve: func(h http.Handler) (net.Addr, func(context.Context) error, error) {
			s, err := newServer(c, "127.0.0.1:0", h)
			if err != nil {
				return nil, nil, err
			}
			return s.udt.Addr(), s.stop, nil
		},
		dial: func(ctx context.Context, address string) (*http.Transport, func(), error) {
			s, err := c.dial(ctx, address)
			if err != nil {
				return nil, nil, err
			}
			return transport(s), func() { s.Close() }, nil
		},
	}
}

var errSecondConnection = errors.New("HTTP/2 wants a second connection")

// http2Way has HTTP/2's own streams, in one TLS connection.
func http2Way(p page) (*way, error) {
	certificate, err := pin.NewCertificate()
	if err != nil {
		return nil, err
	}
	client, err := pin.ClientConfig(pin.Fingerprint(certificate))
	if err != nil {
		return nil, err
	}
	protocols := []string{"h2"}
	client.NextProtos = protocols
	return &way{
		name: "HTTP/2 over TLS over UDT", scheme: "https",
		serve: func(h http.Handler) (net.Addr, func(context.Context) error, error) {
			config := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: protocols}
			under, err := udt.Listen("udt", "127.0.0.1:0", nil)
			if err != nil {
				return nil, nil, err
			}
			s := newHTTPServer(h)
			s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: max(p.objects, 250)}
			go s.Serve(tls.NewListener(under, config))
			stop := func(ctx context.Context) error {
				return errors.Join(s.Shutdown(ctx), under.Endpoint().Shutdown(ctx))
			}
			return under.Addr(), stop, nil
		},
		dial: func(_ context.Context, address string) (*http.Transport, func(), error) {
			dialer := &tlsadapter.Dialer{Config: client}
			var dialed atomic.Bool
			t := &http.Transport{
				DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					if dialed.Swap(true) {
						return nil, errSecondConnection
					}
					return dialer.DialContext(ctx, "udt", address)
				},
				ForceAttemptHTTP2:  true,
				DisableCompression: true,
			}
			return t, t.CloseIdleConnections, nil
		},
	}, nil
}
