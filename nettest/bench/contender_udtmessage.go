package main

import (
	"context"
	"net"

	"github.com/udtgo/udtgo/udt"
)

// maxMessage is the largest message that a messageConn makes of a Write.
const maxMessage = 64 << 10

var udtMessage = messageContender()

func messageContender() *Contender {
	c := udtContender("udt-message", "message mode, ordered messages of up to 64 KiB", func(c *udt.Config) { c.Mode = udt.ModeMessage })
	c.Usual = []string{"bulk", "bulk8", "write4k", "pingpong", "rr1k", "rr64k"}
	listen, dial, onePort := c.Listen, c.Dial, c.OnePort
	c.Listen = func(addr string, o Options) (net.Listener, error) {
		l, err := listen(addr, o)
		if err != nil {
			return nil, err
		}
		return messageListener{l}, nil
	}
	wrap := func(dial DialFunc) DialFunc {
		return func(ctx context.Context) (net.Conn, error) {
			c, err := dial(ctx)
			if err != nil {
				return nil, err
			}
			return newMessageConn(c), nil
		}
	}
	c.Dial = func(ctx context.Context, addr string, o Options) (net.Conn, error) {
		return wrap(func(ctx context.Context) (net.Conn, error) { return dial(ctx, addr, o) })(ctx)
	}
	c.OnePort = func(addr string, o Options) (DialFunc, error) {
		dial, err := onePort(addr, o)
		if err != nil {
			return nil, err
		}
		return wrap(dial), nil
	}
	return c
}

type messageListener struct{ net.Listener }

func (l messageListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newMessageConn(c), nil
}

// A messageConn carries the bytes of the works in messages: what one Write is
// given, in pieces of maxMessage.
type messageConn struct {
	*udt.Conn
	held []byte // of a message that did not fit the caller's buffer
	buf  []byte
}

func newMessageConn(c net.Conn) *messageConn { return &messageConn{Conn: c.(*udt.Conn)} }

func (c *messageConn) Write(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		m := min(len(b)-n, maxMessage)
		if err := c.WriteMessage(b[n:n+m], udt.MessageOptions{}); err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

func (c *messageConn) Read(b []byte) (int, error) {
	if len(c.held) == 0 {
		if len(b) >= maxMessage {
			return c.ReadMessage(b)
		}
		if c.buf == nil {
			c.buf = make([]byte, maxMessage)
		}
		n, err := c.ReadMessage(c.buf)
		if err != nil {
			return 0, err
		}
		c.held = c.buf[:n]
	}
	n := copy(b, c.held)
	c.held = c.held[n:]
	return n, nil
}
