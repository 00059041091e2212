package nettest_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest"
	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/udt"
)

// listenUDT is UDT with the zero Config, but patient.
var listenUDT = listen(nil)

// listen makes listeners that are dialed with the same configuration.
func listen(config *udt.Config) nettest.MakeListener {
	config = pipes.Patient(config)
	return func() (l net.Listener, dial func(context.Context) (net.Conn, error), stop func(), err error) {
		ul, err := udt.Listen("udt", "127.0.0.1:0", config)
		if err != nil {
			return nil, nil, nil, err
		}
		dial = func(ctx context.Context) (net.Conn, error) {
			return (&udt.Dialer{Config: config}).DialContext(ctx, "udt", ul.Addr().String())
		}
		return ul, dial, func() {
			ul.Close()
			ul.Endpoint().Close()
		}, nil
	}
}

func TestListenerUDT(t *testing.T) { nettest.TestListener(t, listenUDT) }

func TestListenerProtected(t *testing.T) { nettest.TestListener(t, listen(protected)) }

// UDT takes the place of TCP under unchanged programs: every row holds.
func TestDropInUDT(t *testing.T) { testDropIn(t, nil) }

// Protection changes nothing of what programs rely on.
func TestDropInProtected(t *testing.T) { testDropIn(t, protected) }

func testDropIn(t *testing.T, config *udt.Config) {
	var (
		mu   sync.Mutex
		last *udt.Listener
	)
	nettest.TestDropIn(t, func() (net.Listener, func(context.Context) (net.Conn, error), func(), error) {
		l, dial, stop, err := listen(config)()
		if err == nil {
			mu.Lock()
			last = l.(*udt.Listener)
			mu.Unlock()
		}
		return l, dial, stop, err
	}, nettest.DropInOptions{
		NoCloseWrite: true,
		MaxBuffered:  100 << 20, // Config.SendBuffer and Config.RecvBuffer

		// The port is free when the last connection has ended, which takes a
		// round trip; Shutdown waits for that.
		RelistenAfterConns: true,
		Listen: func(addr net.Addr) (net.Listener, error) {
			mu.Lock()
			defer mu.Unlock()
			if err := last.Endpoint().Shutdown(context.Background()); err != nil {
				return nil, err
			}
			return udt.Listen("udt", addr.String(), pipes.Patient(config))
		},
		DialSilent: silentUDT(t, config),
	})
}

// silentUDT returns a dial to a socket that nobody reads, which only its context ends.
func silentUDT(t *testing.T, config *udt.Config) func(context.Context) (net.Conn, error) {
	config = pipes.Patient(config)
	config.HandshakeTimeout = -1
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { pc.Close() })
	return func(ctx context.Context) (net.Conn, error) {
		return (&udt.Dialer{Config: config}).DialContext(ctx, "udt", pc.LocalAddr().String())
	}
}
