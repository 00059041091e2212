package main

import (
	"context"
	"io"
	"net"

	"github.com/hashicorp/yamux"
)

var yamuxOverTCP = &Contender{
	Name: "yamux", Note: "hashicorp/yamux over kernel TCP, one stream per session",
	Listen: func(addr string, o Options) (net.Listener, error) {
		l, err := listenTCP(addr, o)
		if err != nil {
			return nil, err
		}
		return yamuxListener{l, o}, nil
	},
	Dial: func(ctx context.Context, addr string, o Options) (net.Conn, error) {
		c, err := dialTCP(ctx, addr, o)
		if err != nil {
			return nil, err
		}
		s, err := yamux.Client(c, yamuxConfig(o))
		if err != nil {
			c.Close()
			return nil, err
		}
		stream, err := s.Open()
		if err != nil {
			s.Close()
			return nil, err
		}
		return yamuxConn{stream, s}, nil
	},
}

func yamuxConfig(o Options) *yamux.Config {
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	if o.RecvBuffer > 0 {
		c.MaxStreamWindowSize = uint32(max(o.RecvBuffer, 256<<10))
	}
	return c
}

type yamuxListener struct {
	net.Listener
	o Options
}

func (l yamuxListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	s, err := yamux.Server(c, yamuxConfig(l.o))
	if err != nil {
		c.Close()
		return nil, err
	}
	stream, err := s.Accept()
	if err != nil {
		s.Close()
		return nil, err
	}
	return yamuxConn{stream, s}, nil
}

// A yamuxConn is a stream that owns its session.
type yamuxConn struct {
	net.Conn
	session *yamux.Session
}

func (c yamuxConn) Close() error {
	err := c.Conn.Close()
	c.session.Close()
	return err
}
