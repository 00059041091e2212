package mux

import (
	"context"
	"net"

	"github.com/udtgo/udtgo/mux/internal/proto"
)

// OpenStream opens a bidirectional stream. At the limit of the peer's
// Config.MaxStreams it waits until the peer allows another, or ctx ends; otherwise it
// does not wait for the peer. The peer sees the stream at once, so either side may
// speak first. The error is ErrGoAway after the peer's GoAway, and that of Err after
// the end of the session.
func (s *Session) OpenStream(ctx context.Context) (*Stream, error) { return s.open(ctx, proto.Bidi) }

// OpenUniStream is like OpenStream for a stream on which only we send. The peer's
// limits count the two kinds separately.
func (s *Session) OpenUniStream(ctx context.Context) (*Stream, error) { return s.open(ctx, proto.Uni) }

func (s *Session) open(ctx context.Context, kind proto.Kind) (*Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var st *proto.Stream
	err := s.awaitLocked(ctx, &s.openable, func() (ok bool, err error) {
		st, err = s.core.Open(kind)
		return st != nil, err
	})
	if err != nil {
		return nil, s.opError("open", err)
	}
	s.noteLocked()
	return st.Owner.(*Stream), nil
}

// Open is OpenStream without a context.
func (s *Session) Open() (net.Conn, error) { return asConn(s.OpenStream(context.Background())) }

// DialContext is OpenStream with the signature that http.Transport and other clients
// want. Network and address do not matter: the session leads to one peer.
func (s *Session) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return asConn(s.OpenStream(ctx))
}

// AcceptStream waits for the next stream that the peer opens, of either kind, until
// ctx ends. Streams that arrived before the peer closed the session, or before the
// connection was lost, are still returned. After them the error is that of Err, and
// final.
func (s *Session) AcceptStream(ctx context.Context) (*Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var st *proto.Stream
	err := s.awaitLocked(ctx, &s.acceptable, func() (bool, error) {
		if !s.local {
			st = s.core.Accept()
		}
		if st != nil {
			return true, nil
		}
		if err := s.core.Err(); err != nil {
			return false, endError{fromCore(err)}
		}
		return false, nil
	})
	if err != nil {
		return nil, s.opError("accept", err)
	}
	s.noteLocked()
	return st.Owner.(*Stream), nil
}

// Accept is AcceptStream without a context.
func (s *Session) Accept() (net.Conn, error) { return asConn(s.AcceptStream(context.Background())) }

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

// NumStreams returns how many streams are open, including those that wait for Accept.
func (s *Session) NumStreams() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.Len()
}

// GoAway tells the peer to open no more streams: its OpenStream fails with ErrGoAway.
// GoAway does not wait. Open streams continue, and streams that the peer opened before
// it was told still arrive, for about a round trip; a Ping that follows GoAway takes as
// long. If NumStreams is 0 after that, Close cuts nothing off. Our own OpenStream works
// as before. The error is that of Err if the session has ended.
func (s *Session) GoAway() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.core.Err(); err != nil {
		return s.opError("go away", err)
	}
	s.core.GoAway()
	s.noteLocked()
	return nil
}
