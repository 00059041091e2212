package main

import (
	"context"
	"net"

	"github.com/xtaci/kcp-go/v5"
)

// KCP's parameters: its "fast" mode, and a window that a socket buffer of 4 MiB holds.
const (
	kcpWindow = 1024 // packets
	kcpPacket = 1400 // bytes, its default
	kcpSocket = 4 << 20
)

var kcpGo = &Contender{
	Name: "kcp", Note: "kcp-go, fast mode (1, 10, 2, 1), stream mode, no encryption, no FEC",
	SilentClose: true,
	// A connection shows only when it sends: there are no idle ones to accept.
	Works: []string{"bulk", "bulk8", "write4k", "pingpong", "rr1k", "rr64k", "setup1", "setup64"},
	Listen: func(addr string, o Options) (net.Listener, error) {
		l, err := kcp.ListenWithOptions(addr, nil, 0, 0)
		if err != nil {
			return nil, err
		}
		_ = l.SetReadBuffer(kcpSocket) // the system may grant less
		_ = l.SetWriteBuffer(kcpSocket)
		return kcpListener{l, o}, nil
	},
	Dial: func(_ context.Context, addr string, o Options) (net.Conn, error) {
		c, err := kcp.DialWithOptions(addr, nil, 0, 0)
		if err != nil {
			return nil, err
		}
		_ = c.SetReadBuffer(kcpSocket)
		_ = c.SetWriteBuffer(kcpSocket)
		return tuneKCP(c, o), nil
	},
}

type kcpListener struct {
	*kcp.Listener
	o Options
}

func (l kcpListener) Accept() (net.Conn, error) {
	c, err := l.AcceptKCP()
	if err != nil {
		return nil, err
	}
	return tuneKCP(c, l.o), nil
}

func tuneKCP(c *kcp.UDPSession, o Options) net.Conn {
	//lint:ignore SA1019 kcp-go offers no other way to a stream of bytes
	c.SetStreamMode(true)
	c.SetNoDelay(1, 10, 2, 1)
	c.SetWindowSize(max(kcpWindow, o.SendBuffer/kcpPacket), max(kcpWindow, o.RecvBuffer/kcpPacket))
	c.SetACKNoDelay(true)
	c.SetWriteDelay(false)
	return c
}
