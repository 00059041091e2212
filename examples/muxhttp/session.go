package main

import (
	"context"
	"net"
	"net/http"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/mux/yamux"
	"github.com/udtgo/udtgo/udt"
)

// A carrier says what carries a session. Both ends need the same.
type carrier struct {
	name           string
	udt            *udt.Config
	client, server func(net.Conn) (mux.Muxer, error)
}

// carriers are those that -over takes.
var carriers = map[string]*carrier{
	"messages": {"mux over UDT messages", &udt.Config{Mode: udt.ModeMessage}, muxer(mux.Client), muxer(mux.Server)},
	"stream":   {"mux over one UDT stream", nil, muxer(mux.Client), muxer(mux.Server)},
	"yamux":    {"yamux over UDT", nil, muxer(yamux.Client), muxer(yamux.Server)},
}

// muxer calls f without a config and returns the interface.
func muxer[S mux.Muxer, C any](f func(net.Conn, *C) (S, error)) func(net.Conn) (mux.Muxer, error) {
	return func(c net.Conn) (mux.Muxer, error) {
		s, err := f(c, nil)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// dial connects to a server's address and makes a session of the connection.
func (c *carrier) dial(ctx context.Context, address string) (mux.Muxer, error) {
	conn, err := (&udt.Dialer{Config: c.udt}).DialContext(ctx, "udt", address)
	if err != nil {
		return nil, err
	}
	s, err := c.client(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// transport returns an HTTP client's transport that gives each request a stream of
// its own. Opening one costs no round trip, so there is nothing to keep alive.
func transport(s mux.Muxer) *http.Transport {
	return &http.Transport{
		DialContext:        s.DialContext,
		DisableKeepAlives:  true,
		DisableCompression: true,
	}
}
