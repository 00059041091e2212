package main

import (
	"context"
	"net"
)

// A Session carries many streams over one connection. *mux.Session and
// *yamux.Session are Sessions as they are.
type Session interface {
	Open() (net.Conn, error)
	Accept() (net.Conn, error)
	Close() error
}

// Sessions is the part of a Contender that has streams.
type Sessions struct {
	// Listen announces on addr. What the peer dials comes from AcceptSession.
	Listen func(addr string, o Options) (SessionListener, error)

	// Dial makes a session. Streams may be opened when it returns.
	Dial func(ctx context.Context, addr string, o Options) (Session, error)
}

// A SessionListener gives the sessions that peers made.
type SessionListener interface {
	AcceptSession() (Session, error)
	Addr() net.Addr
	Close() error
}

// A SessionDialFunc makes a session with the job's server.
type SessionDialFunc func(ctx context.Context) (Session, error)

// A makeSession makes one side of a session over a connection, which it takes over.
type makeSession func(c net.Conn, o Options) (Session, error)

// sessionContender is a multiplexer over the connections of another contender. As
// a transport of connections it has one stream per session.
func sessionContender(name, note string, carrier *Contender, client, server makeSession) *Contender {
	listen := func(addr string, o Options) (net.Listener, error) { return carrier.Listen(addr, o) }
	dial := func(ctx context.Context, addr string, o Options) (Session, error) {
		c, err := carrier.Dial(ctx, addr, o)
		if err != nil {
			return nil, err
		}
		return over(c, o, client)
	}
	return &Contender{
		Name: name, Note: note, Usual: []string{}, Missing: carrier.Missing,
		Sessions: &Sessions{
			Listen: func(addr string, o Options) (SessionListener, error) {
				l, err := listen(addr, o)
				if err != nil {
					return nil, err
				}
				return &sessionListener{l, o, server}, nil
			},
			Dial: dial,
		},
		Listen: func(addr string, o Options) (net.Listener, error) {
			l, err := listen(addr, o)
			if err != nil {
				return nil, err
			}
			return onlyStreams{&sessionListener{l, o, server}}, nil
		},
		Dial: func(ctx context.Context, addr string, o Options) (net.Conn, error) {
			s, err := dial(ctx, addr, o)
			if err != nil {
				return nil, err
			}
			return onlyStream(s, s.Open)
		},
		Stats: func(c net.Conn) map[string]float64 {
			s, ok := c.(*streamConn)
			if !ok || carrier.Stats == nil {
				return nil
			}
			o, ok := s.session.(*overConn)
			if !ok {
				return nil
			}
			return carrier.Stats(o.conn)
		},
	}
}

// An overConn is a session with the connection under it.
type overConn struct {
	Session
	conn net.Conn
}

func over(c net.Conn, o Options, make makeSession) (Session, error) {
	s, err := make(c, o)
	if err != nil {
		c.Close()
		return nil, err
	}
	return &overConn{s, c}, nil
}

type sessionListener struct {
	net.Listener
	o      Options
	server makeSession
}

func (l *sessionListener) AcceptSession() (Session, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return over(c, l.o, l.server)
}

// onlyStreams is a listener whose connections are streams with a session each.
type onlyStreams struct{ *sessionListener }

func (l onlyStreams) Accept() (net.Conn, error) {
	s, err := l.AcceptSession()
	if err != nil {
		return nil, err
	}
	return onlyStream(s, s.Accept)
}

// A streamConn is a stream that owns its session.
type streamConn struct {
	net.Conn
	session Session
}

func onlyStream(s Session, get func() (net.Conn, error)) (net.Conn, error) {
	c, err := get()
	if err != nil {
		s.Close()
		return nil, err
	}
	return &streamConn{c, s}, nil
}

func (c *streamConn) Close() error {
	err := c.Conn.Close()
	c.session.Close()
	return err
}
