package pipes

import (
	"crypto/tls"
	"errors"
	"io"
	"net"

	"github.com/hashicorp/yamux"

	"github.com/udtgo/udtgo/nettest/testkit"
)

// TCP makes kernel TCP connections over loopback, which other transports are
// measured against. c1 is the end that dialed.
func TCP() (c1, c2 net.Conn, stop func(), err error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, nil, nil, err
	}
	defer l.Close()
	// The kernel completes the handshake without Accept.
	if c1, err = net.Dial("tcp4", l.Addr().String()); err != nil {
		return nil, nil, nil, err
	}
	if c2, err = l.Accept(); err != nil {
		c1.Close()
		return nil, nil, nil, err
	}
	return c1, c2, func() {
		c1.Close()
		c2.Close()
	}, nil
}

// TLS makes crypto/tls connections over what m makes, handshake done. c1 is
// the client.
func TLS(m Maker) Maker {
	return func() (c1, c2 net.Conn, stop func(), err error) {
		client, server := testkit.TLSConfigs()
		u1, u2, stop, err := m()
		if err != nil {
			return nil, nil, nil, err
		}
		t1, t2 := tls.Client(u1, client), tls.Server(u2, server)
		other := make(chan error, 1)
		go func() { other <- t2.Handshake() }()
		err = t1.Handshake()
		if err != nil {
			stop() // the other side's handshake must return
		}
		if err = errors.Join(err, <-other); err != nil {
			stop()
			return nil, nil, nil, err
		}
		return t1, t2, stop, nil
	}
}

// Yamux makes streams of a github.com/hashicorp/yamux session over what m
// makes. c1 is the end that opened the stream.
func Yamux(m Maker) Maker {
	return func() (c1, c2 net.Conn, stop func(), err error) {
		u1, u2, under, err := m()
		if err != nil {
			return nil, nil, nil, err
		}
		config := yamux.DefaultConfig()
		config.LogOutput = io.Discard
		var sessions []*yamux.Session
		// Closing a session waits for its goroutines, which end with the connection.
		stop = func() {
			under()
			for _, s := range sessions {
				s.Close()
			}
		}
		client, err := yamux.Client(u1, config)
		if err != nil {
			stop()
			return nil, nil, nil, err
		}
		sessions = append(sessions, client)
		server, err := yamux.Server(u2, config)
		if err != nil {
			stop()
			return nil, nil, nil, err
		}
		sessions = append(sessions, server)
		opened, err := client.OpenStream()
		if err != nil {
			stop()
			return nil, nil, nil, err
		}
		accepted, err := server.AcceptStream()
		if err != nil {
			stop()
			return nil, nil, nil, err
		}
		return opened, accepted, stop, nil
	}
}
