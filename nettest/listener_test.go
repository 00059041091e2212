package nettest_test

import (
	"context"
	"net"
	"testing"

	"github.com/udtgo/udtgo/nettest"
)

// listenTCP is the transport that every suite is checked against.
func listenTCP() (l net.Listener, dial func(context.Context) (net.Conn, error), stop func(), err error) {
	l, err = net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, nil, nil, err
	}
	dial = func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp4", l.Addr().String())
	}
	return l, dial, func() { l.Close() }, nil
}

func TestListenerTCP(t *testing.T) { nettest.TestListener(t, listenTCP) }
