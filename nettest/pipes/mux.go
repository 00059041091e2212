package pipes

import (
	"context"
	"errors"
	"net"

	"github.com/udtgo/udtgo/mux"
)

// MuxSessions makes both sides of a session of package mux over what m makes; a is
// the client. stop ends everything; it may be called more than once. A nil config
// means the zero Config.
func MuxSessions(m Maker, config *mux.Config) (a, b *mux.Session, stop func(), err error) {
	u1, u2, under, err := m()
	if err != nil {
		return nil, nil, nil, err
	}
	a, err1 := mux.Client(u1, config)
	b, err2 := mux.Server(u2, config)
	stop = func() {
		under()
		for _, s := range []*mux.Session{a, b} {
			if s != nil {
				s.Close()
			}
		}
	}
	if err := errors.Join(err1, err2); err != nil {
		stop()
		return nil, nil, nil, err
	}
	return a, b, stop, nil
}

// Mux makes streams of a session of package mux over what m makes. c1 is the
// end that opened the stream. A nil config means the zero Config.
func Mux(m Maker, config *mux.Config) Maker {
	return func() (c1, c2 net.Conn, stop func(), err error) {
		a, b, stop, err := MuxSessions(m, config)
		if err != nil {
			return nil, nil, nil, err
		}
		opened, err := a.OpenStream(context.Background())
		if err != nil {
			stop()
			return nil, nil, nil, err
		}
		accepted, err := b.AcceptStream(context.Background())
		if err != nil {
			stop()
			return nil, nil, nil, err
		}
		return opened, accepted, stop, nil
	}
}
