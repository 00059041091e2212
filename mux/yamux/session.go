// Package yamux gives sessions of github.com/hashicorp/yamux the methods of a
// mux.Muxer, for programs of package mux whose peers speak yamux.
//
// Sessions keep the properties of yamux: the window of a stream does not grow, a lost
// packet delays all streams, a stream has no CloseRead, and ends carry no codes. The
// connection below must be a byte stream, such as a stream-mode UDT connection.
package yamux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	hashicorp "github.com/hashicorp/yamux"

	"github.com/udtgo/udtgo/mux"
)

var _ mux.Muxer = (*Session)(nil)

// A Session is a yamux session with the methods of a mux.Muxer. Multiple goroutines
// may invoke methods on a Session simultaneously.
type Session struct {
	session *hashicorp.Session
}

// Client makes a yamux session over conn, which the session takes over and closes. A
// nil config means the defaults of hashicorp/yamux, without its log. Client does not
// wait for the peer. If config is invalid, Client returns the error of
// hashicorp/yamux and leaves conn open.
func Client(conn net.Conn, config *hashicorp.Config) (*Session, error) {
	s, err := hashicorp.Client(conn, orDefault(config))
	return wrap(s, err)
}

// Server is like Client for the other role.
func Server(conn net.Conn, config *hashicorp.Config) (*Session, error) {
	s, err := hashicorp.Server(conn, orDefault(config))
	return wrap(s, err)
}

func orDefault(config *hashicorp.Config) *hashicorp.Config {
	if config == nil {
		config = hashicorp.DefaultConfig()
		config.LogOutput = io.Discard // the default is os.Stderr
	}
	return config
}

func wrap(s *hashicorp.Session, err error) (*Session, error) {
	if err != nil {
		return nil, err
	}
	return &Session{s}, nil
}

// OpenStream opens a stream. It waits while too many streams are not yet accepted by
// the peer, until ctx ends. A stream that yamux opens after that is closed.
func (s *Session) OpenStream(ctx context.Context) (*Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, s.opError("open", err)
	}
	type result struct {
		st  *hashicorp.Stream
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
		return &Stream{r.st}, nil
	case <-ctx.Done():
		go func() {
			if r := <-opened; r.err == nil {
				_ = r.st.Close()
			}
		}()
		return nil, s.opError("open", ctx.Err())
	}
}

// AcceptStream waits for the next stream that the peer opens, until ctx ends.
func (s *Session) AcceptStream(ctx context.Context) (*Stream, error) {
	st, err := s.session.AcceptStreamWithContext(ctx)
	if err != nil {
		return nil, s.opError("accept", err)
	}
	return &Stream{st}, nil
}

// Open is OpenStream without a context.
func (s *Session) Open() (net.Conn, error) {
	st, err := s.session.OpenStream()
	if err != nil {
		return nil, s.opError("open", err)
	}
	return &Stream{st}, nil
}

// DialContext is OpenStream with the signature that http.Transport and other clients
// want. Network and address do not matter: the session leads to one peer.
func (s *Session) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return asConn(s.OpenStream(ctx))
}

// Accept is AcceptStream without a context.
func (s *Session) Accept() (net.Conn, error) {
	return asConn(s.AcceptStream(context.Background()))
}

// AcceptContext is AcceptStream that returns the interface.
func (s *Session) AcceptContext(ctx context.Context) (net.Conn, error) {
	return asConn(s.AcceptStream(ctx))
}

// asConn makes an interface of a call's results, nil if there is an error.
func asConn(st *Stream, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return st, nil
}

// Ping measures the round trip through the peer's session. If ctx ends first, the
// ping goes on in the background until yamux gives it up.
func (s *Session) Ping(ctx context.Context) (time.Duration, error) {
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
func (s *Session) GoAway() error {
	if err := s.session.GoAway(); err != nil {
		return s.opError("go away", err)
	}
	return nil
}

// Close closes the session, every stream and the connection.
func (s *Session) Close() error { return s.session.Close() }

// Done returns a channel that is closed when the session ends.
func (s *Session) Done() <-chan struct{} { return s.session.CloseChan() }

// NumStreams returns how many streams are open.
func (s *Session) NumStreams() int { return s.session.NumStreams() }

// Addr returns the local address of the connection.
func (s *Session) Addr() net.Addr { return s.session.Addr() }

// LocalAddr returns the local address of the connection.
func (s *Session) LocalAddr() net.Addr { return s.session.LocalAddr() }

// RemoteAddr returns the peer's address of the connection.
func (s *Session) RemoteAddr() net.Addr { return s.session.RemoteAddr() }

// opError wraps err as the methods of package net do.
func (s *Session) opError(op string, err error) error {
	switch {
	case errors.Is(err, hashicorp.ErrSessionShutdown):
		err = net.ErrClosed
	case errors.Is(err, hashicorp.ErrRemoteGoAway):
		err = mux.ErrGoAway
	}
	if op == "accept" && s.session.IsClosed() {
		// Some errors call themselves temporary. Servers would call Accept again, for
		// ever.
		err = fmt.Errorf("session ended: %w", err)
	}
	return &net.OpError{Op: op, Net: "yamux", Source: s.session.LocalAddr(), Addr: s.session.RemoteAddr(), Err: err}
}

// A Stream is a stream of a Session. It has the methods of the stream of
// hashicorp/yamux that it embeds.
type Stream struct {
	*hashicorp.Stream
}

// CloseWrite ends the writing side; the peer reads io.EOF after the data. It is what
// Close of a yamux stream does: reading goes on.
func (s *Stream) CloseWrite() error { return s.Stream.Close() }

// ID returns the number of the stream, which is the same on both sides.
func (s *Stream) ID() int64 { return int64(s.StreamID()) }
