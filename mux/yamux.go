package mux

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/hashicorp/yamux"
)

// A Muxer is what Session and YamuxSession have in common: a program that uses no
// more runs over either.
type Muxer interface {
	net.Listener
	Open() (net.Conn, error)
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	AcceptContext(ctx context.Context) (net.Conn, error)
	Ping(ctx context.Context) (time.Duration, error)
	GoAway() error
	NumStreams() int
	Done() <-chan struct{}
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

var (
	_ Muxer = (*Session)(nil)
	_ Muxer = (*YamuxSession)(nil)
)

// A YamuxSession is a session of github.com/hashicorp/yamux with the methods of a
// Session, for peers that speak yamux. It has yamux's properties: a fixed window,
// streams that wait for each other's losses, no CloseRead, no codes.
type YamuxSession struct {
	session *yamux.Session
}

// YamuxClient makes a yamux session over conn, which the session takes over and
// closes. Of config, which may be nil, these fields count: AcceptBacklog;
// MaxStreamWindow as the window, which yamux does not grow, 256 KiB if zero;
// KeepAlivePeriod.
func YamuxClient(conn net.Conn, config *Config) (*YamuxSession, error) {
	s, err := yamux.Client(conn, yamuxConfig(config))
	return wrapYamux(s, err)
}

// YamuxServer is like YamuxClient for the other role.
func YamuxServer(conn net.Conn, config *Config) (*YamuxSession, error) {
	s, err := yamux.Server(conn, yamuxConfig(config))
	return wrapYamux(s, err)
}

func wrapYamux(s *yamux.Session, err error) (*YamuxSession, error) {
	if err != nil {
		return nil, err
	}
	return &YamuxSession{s}, nil
}

func yamuxConfig(config *Config) *yamux.Config {
	if config == nil {
		config = &Config{}
	}
	y := yamux.DefaultConfig()
	y.LogOutput = io.Discard
	y.AcceptBacklog = max(limit(config.AcceptBacklog, defaultBacklog), 1)
	y.MaxStreamWindowSize = uint32(min(max(limit(config.MaxStreamWindow, defaultStreamWindow), defaultStreamWindow), maxWindow))
	y.EnableKeepAlive = config.KeepAlivePeriod >= 0
	if config.KeepAlivePeriod > 0 {
		y.KeepAliveInterval = config.KeepAlivePeriod
	}
	return y
}

// OpenStream opens a stream. If ctx ends first, a stream that yamux still opens is
// closed.
func (s *YamuxSession) OpenStream(ctx context.Context) (*YamuxStream, error) {
	if err := ctx.Err(); err != nil {
		return nil, s.opError("open", err)
	}
	type result struct {
		st  *yamux.Stream
		err error
	}
	opened := make(chan result, 1)
	go func() {
		st, err := s.session.OpenStream()
		opened <- result{st, err}
	}()
	select {
	case r := <-opened:
		if r.err != nil {
			return nil, s.opError("open", r.err)
		}
		return &YamuxStream{r.st}, nil
	case <-ctx.Done():
		go func() {
			if r := <-opened; r.err == nil {
				_ = r.st.Close()
			}
		}()
		return nil, s.opError("open", ctx.Err())
	}
}

// AcceptStream returns the next stream the peer opened.
func (s *YamuxSession) AcceptStream(ctx context.Context) (*YamuxStream, error) {
	st, err := s.session.AcceptStreamWithContext(ctx)
	if err != nil {
		return nil, s.opError("accept", err)
	}
	return &YamuxStream{st}, nil
}

// Open is OpenStream without a context.
func (s *YamuxSession) Open() (net.Conn, error) {
	st, err := s.session.OpenStream()
	if err != nil {
		return nil, s.opError("open", err)
	}
	return &YamuxStream{st}, nil
}

// DialContext is OpenStream with the signature that http.Transport and other clients
// want. Network and address do not matter.
func (s *YamuxSession) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return asConn(s.OpenStream(ctx))
}

// Accept is AcceptStream without a context.
func (s *YamuxSession) Accept() (net.Conn, error) {
	return asConn(s.AcceptStream(context.Background()))
}

// AcceptContext is AcceptStream that returns the interface.
func (s *YamuxSession) AcceptContext(ctx context.Context) (net.Conn, error) {
	return asConn(s.AcceptStream(ctx))
}

// Ping measures the round trip through the peer's session. If ctx ends first, the
// ping goes on in the background for at most yamux's own limit.
func (s *YamuxSession) Ping(ctx context.Context) (time.Duration, error) {
	type result struct {
		rtt time.Duration
		err error
	}
	answered := make(chan result, 1)
	go func() {
		rtt, err := s.session.Ping()
		answered <- result{rtt, err}
	}()
	select {
	case r := <-answered:
		if r.err != nil {
			return 0, s.opError("ping", r.err)
		}
		return r.rtt, nil
	case <-ctx.Done():
		return 0, s.opError("ping", ctx.Err())
	}
}

// GoAway tells the peer to open no more streams. Open streams continue.
func (s *YamuxSession) GoAway() error {
	if err := s.session.GoAway(); err != nil {
		return s.opError("go away", err)
	}
	return nil
}

// Close closes the session and every stream.
func (s *YamuxSession) Close() error { return s.session.Close() }

// Done returns a channel that is closed when the session ends.
func (s *YamuxSession) Done() <-chan struct{} { return s.session.CloseChan() }

// NumStreams returns how many streams are open.
func (s *YamuxSession) NumStreams() int { return s.session.NumStreams() }

// Addr returns the local address of the connection.
func (s *YamuxSession) Addr() net.Addr { return s.session.Addr() }

// LocalAddr returns the local address of the connection.
func (s *YamuxSession) LocalAddr() net.Addr { return s.session.LocalAddr() }

// RemoteAddr returns the peer's address of the connection.
func (s *YamuxSession) RemoteAddr() net.Addr { return s.session.RemoteAddr() }

func (s *YamuxSession) opError(op string, err error) error {
	switch {
	case errors.Is(err, yamux.ErrSessionShutdown):
		err = net.ErrClosed
	case errors.Is(err, yamux.ErrRemoteGoAway):
		err = ErrGoAway
	}
	if op == "accept" && s.session.IsClosed() {
		err = endError{err}
	}
	return &net.OpError{Op: op, Net: "yamux", Source: s.session.LocalAddr(), Addr: s.session.RemoteAddr(), Err: err}
}

// A YamuxStream is a stream of a YamuxSession.
type YamuxStream struct {
	*yamux.Stream
}

// CloseWrite ends the writing side; the peer reads io.EOF after the data. It is what
// Close of a yamux stream does: reading goes on.
func (s *YamuxStream) CloseWrite() error { return s.Stream.Close() }

// ID returns the number of the stream, which is the same on both sides.
func (s *YamuxStream) ID() int64 { return int64(s.Stream.StreamID()) }
