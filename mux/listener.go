package mux

import (
	"context"
	"errors"
	"net"
)

// Listener returns a listener that accepts the streams of m. Its Close ends no stream:
// it ends Accept, with net.ErrClosed, and sends GoAway. It is for servers that close
// their listener first and then wait for the requests under way, as
// http.Server.Shutdown does; closing m itself would end them all. Use m for one
// listener only, and close m when the server is done.
func Listener(m Muxer) net.Listener {
	l := &listener{m: m}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

type listener struct {
	m      Muxer
	ctx    context.Context
	cancel context.CancelFunc
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.m.AcceptContext(l.ctx)
	if err != nil && l.ctx.Err() != nil {
		return nil, &net.OpError{Op: "accept", Net: "mux", Addr: l.Addr(), Err: endError{net.ErrClosed}}
	}
	return c, err
}

func (l *listener) Close() error {
	if l.ctx.Err() != nil {
		return &net.OpError{Op: "close", Net: "mux", Addr: l.Addr(), Err: net.ErrClosed}
	}
	l.cancel()
	if err := l.m.GoAway(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (l *listener) Addr() net.Addr { return l.m.Addr() }
