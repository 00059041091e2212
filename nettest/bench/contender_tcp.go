package main

import (
	"context"
	"net"
	"syscall"
)

var (
	tcpDefault = tcpContender("tcp", "kernel TCP, the system's congestion control", "")
	tcpCubic   = tcpContender("tcp-cubic", "kernel TCP, cubic", "cubic")
	tcpBBR     = tcpContender("tcp-bbr", "kernel TCP, bbr", "bbr")
)

// tcpContender is kernel TCP as Go programs use it, with a congestion control
// unless that is "".
func tcpContender(name, note, congestion string) *Contender {
	options := func(o Options) Options {
		if congestion != "" {
			o.TCPCongestion = congestion
		}
		return o
	}
	var usual []string
	if congestion != "" {
		usual = []string{} // loopback leaves it nothing to do
	}
	return &Contender{
		Name: name, Note: note, Usual: usual,
		Listen: func(addr string, o Options) (net.Listener, error) { return listenTCP(addr, options(o)) },
		Dial: func(ctx context.Context, addr string, o Options) (net.Conn, error) {
			return dialTCP(ctx, addr, options(o))
		},
		Missing: func() string { return missingCongestion(congestion) },
	}
}

func listenTCP(addr string, o Options) (net.Listener, error) {
	lc := net.ListenConfig{Control: congestionControl(o)}
	return lc.Listen(context.Background(), "tcp", addr)
}

func dialTCP(ctx context.Context, addr string, o Options) (net.Conn, error) {
	d := net.Dialer{Control: congestionControl(o)}
	return d.DialContext(ctx, "tcp", addr)
}

// congestionControl sets TCP_CONGESTION, which accepted connections inherit.
func congestionControl(o Options) func(network, address string, c syscall.RawConn) error {
	if o.TCPCongestion == "" {
		return nil
	}
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = setCongestion(int(fd), o.TCPCongestion) }); e != nil {
			return e
		}
		return err
	}
}
