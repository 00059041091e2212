package main

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

var quicGo = &Contender{
	Name: "quic", Note: "quic-go",
	Sessions: &Sessions{Listen: listenQUICSessions, Dial: dialQUICSession},
	Listen: func(addr string, o Options) (net.Listener, error) {
		l, err := listenQUIC(addr, o)
		if err != nil {
			return nil, err
		}
		return quicListener{l}, nil
	},
	Dial: func(ctx context.Context, addr string, o Options) (net.Conn, error) {
		c, err := quic.DialAddr(ctx, addr, clientTLS(), quicConfig(o))
		if err != nil {
			return nil, err
		}
		return openQUIC(ctx, c)
	},
	OnePort: func(addr string, o Options) (DialFunc, error) {
		raddr, err := net.ResolveUDPAddr("udp", addr)
		if err != nil {
			return nil, err
		}
		socket, err := net.ListenUDP("udp", nil)
		if err != nil {
			return nil, err
		}
		t := &quic.Transport{Conn: socket}
		return func(ctx context.Context) (net.Conn, error) {
			c, err := t.Dial(ctx, raddr, clientTLS(), quicConfig(o))
			if err != nil {
				return nil, err
			}
			return openQUIC(ctx, c)
		}, nil
	},
}

func quicConfig(o Options) *quic.Config {
	c := &quic.Config{KeepAlivePeriod: 20 * time.Second, MaxIdleTimeout: time.Minute, MaxIncomingStreams: int64(o.MaxStreams)}
	if o.RecvBuffer > 0 {
		c.MaxStreamReceiveWindow = uint64(o.RecvBuffer)
		c.MaxConnectionReceiveWindow = uint64(o.RecvBuffer) * 3 / 2
	}
	return c
}

func listenQUIC(addr string, o Options) (*quic.Listener, error) {
	config, err := serverTLS()
	if err != nil {
		return nil, err
	}
	return quic.ListenAddr(addr, config, quicConfig(o))
}

type quicListener struct{ *quic.Listener }

func (l quicListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept(context.Background())
	if err != nil {
		return nil, err
	}
	return &quicConn{conn: c, accept: c.AcceptStream}, nil
}

func openQUIC(ctx context.Context, c *quic.Conn) (net.Conn, error) {
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		_ = c.CloseWithError(0, "")
		return nil, err
	}
	return &quicConn{conn: c, s: s}, nil
}

// A quicConn is a connection with its only stream. The server's side has the
// stream from its first Read or Write on: the client's shows only when it sends.
type quicConn struct {
	conn   *quic.Conn
	accept func(context.Context) (*quic.Stream, error)
	once   sync.Once
	s      *quic.Stream
	err    error
}

func (c *quicConn) stream() (*quic.Stream, error) {
	c.once.Do(func() {
		if c.s == nil {
			c.s, c.err = c.accept(context.Background())
		}
	})
	return c.s, c.err
}

func (c *quicConn) Read(b []byte) (int, error) {
	s, err := c.stream()
	if err != nil {
		return 0, err
	}
	return s.Read(b)
}

func (c *quicConn) Write(b []byte) (int, error) {
	s, err := c.stream()
	if err != nil {
		return 0, err
	}
	return s.Write(b)
}

func (c *quicConn) Close() error         { return c.conn.CloseWithError(0, "") }
func (c *quicConn) LocalAddr() net.Addr  { return c.conn.LocalAddr() }
func (c *quicConn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

func (c *quicConn) SetDeadline(t time.Time) error {
	s, err := c.stream()
	if err != nil {
		return err
	}
	return s.SetDeadline(t)
}

func (c *quicConn) SetReadDeadline(t time.Time) error {
	s, err := c.stream()
	if err != nil {
		return err
	}
	return s.SetReadDeadline(t)
}

func (c *quicConn) SetWriteDeadline(t time.Time) error {
	s, err := c.stream()
	if err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}
