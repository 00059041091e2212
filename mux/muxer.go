package mux

import (
	"context"
	"net"
	"time"
)

// A Muxer is what a Session and a session of package mux/yamux have in common. A
// program that uses no other methods runs over either. The methods of Session say what
// each does.
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

var _ Muxer = (*Session)(nil)
