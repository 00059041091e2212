package main

import (
	"context"
	"net"

	"github.com/quic-go/quic-go"
)

func listenQUICSessions(addr string, o Options) (SessionListener, error) {
	l, err := listenQUIC(addr, o)
	if err != nil {
		return nil, err
	}
	return quicSessionListener{l}, nil
}

func dialQUICSession(ctx context.Context, addr string, o Options) (Session, error) {
	c, err := quic.DialAddr(ctx, addr, clientTLS(), quicConfig(o))
	if err != nil {
		return nil, err
	}
	return quicSession{c}, nil
}

type quicSessionListener struct{ *quic.Listener }

func (l quicSessionListener) AcceptSession() (Session, error) {
	c, err := l.Listener.Accept(context.Background())
	if err != nil {
		return nil, err
	}
	return quicSession{c}, nil
}

// A quicSession is a connection. The peer sees a stream when something is written
// to it.
type quicSession struct{ conn *quic.Conn }

func (s quicSession) Open() (net.Conn, error) {
	return s.wrap(s.conn.OpenStreamSync(context.Background()))
}

func (s quicSession) Accept() (net.Conn, error) {
	return s.wrap(s.conn.AcceptStream(context.Background()))
}

func (s quicSession) wrap(st *quic.Stream, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return quicStream{st, s.conn}, nil
}

func (s quicSession) Close() error { return s.conn.CloseWithError(0, "") }

type quicStream struct {
	*quic.Stream
	conn *quic.Conn
}

// Close ends both directions, as Close of a net.Conn. That the peer has done so
// before is an error to quic-go, and none here.
func (s quicStream) Close() error {
	_ = s.Stream.Close()
	s.CancelRead(0)
	return nil
}

func (s quicStream) LocalAddr() net.Addr  { return s.conn.LocalAddr() }
func (s quicStream) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }
