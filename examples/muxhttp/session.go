package main

import (
	"context"
	"net"
	"net/http"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/udt"
)

// A session is a session of mux or of yamux over it, with methods that return a
// net.Conn and end with a context.
type session struct {
	mux.Muxer
	open, accept func(context.Context) (net.Conn, error)
}

// A carrier says what carries a session. Both ends need the same.
type carrier struct {
	name           string
	udt            *udt.Config
	client, server func(net.Conn) (*session, error)
}

// carriers are those that -over takes.
var carriers = map[string]*carrier{
	"messages": {"mux over UDT messages", &udt.Config{Mode: udt.ModeMessage}, muxed(mux.Client), muxed(mux.Server)},
	"stream":   {"mux over one UDT stream", nil, muxed(mux.Client), muxed(mux.Server)},
	"yamux":    {"yamux over UDT", nil, yamuxed(mux.YamuxClient), yamuxed(mux.YamuxServer)},
}

func muxed(start func(net.Conn, *mux.Config) (*mux.Session, error)) func(net.Conn) (*session, error) {
	return func(c net.Conn) (*session, error) {
		s, err := start(c, nil)
		if err != nil {
			return nil, err
		}
		return &session{s, asConn(s.OpenStream), asConn(s.AcceptStream)}, nil
	}
}

func yamuxed(start func(net.Conn, *mux.Config) (*mux.YamuxSession, error)) func(net.Conn) (*session, error) {
	return func(c net.Conn) (*session, error) {
		s, err := start(c, nil)
		if err != nil {
			return nil, err
		}
		return &session{s, asConn(s.OpenStream), asConn(s.AcceptStream)}, nil
	}
}

// asConn makes f return the interface, which is nil if there is an error.
func asConn[S net.Conn](f func(context.Context) (S, error)) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		st, err := f(ctx)
		if err != nil {
			return nil, err
		}
		return st, nil
	}
}

// dial connects to a server's address and makes a session of the connection.
func (c *carrier) dial(ctx context.Context, address string) (*session, error) {
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
func (s *session) transport() *http.Transport {
	return &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return s.open(ctx) },
		DisableKeepAlives:  true,
		DisableCompression: true,
	}
}

// A listener is a session as servers want it. Closing it ends Accept but no stream
// that was accepted, as with a listener for TCP: so http.Server.Shutdown can wait
// for them. Closing a session ends them all.
type listener struct {
	*session
	ctx    context.Context
	cancel context.CancelFunc
}

func newListener(s *session) *listener {
	ctx, cancel := context.WithCancel(context.Background())
	return &listener{s, ctx, cancel}
}

func (l *listener) Accept() (net.Conn, error) { return l.accept(l.ctx) }

func (l *listener) Close() error {
	l.cancel()
	return l.GoAway()
}
