package tlsadapter_test

import (
	"context"
	"crypto/tls"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/nettest/testkit"
	"github.com/udtgo/udtgo/udt"
)

const serverName = "tlsadapter.invalid"

var (
	clientIP = netip.MustParseAddr("10.0.0.1")
	serverIP = netip.MustParseAddr("10.0.0.2")
)

// testCert is of serverName, serverIP and loopback.
var testCert = sync.OnceValue(func() tls.Certificate {
	return testkit.Trusted().Issue(serverName, time.Time{}, nil, serverIP, netip.MustParseAddr("127.0.0.1"))
})

// configs returns configurations that fit each other.
func configs(protos ...string) (client, server *tls.Config) {
	return &tls.Config{RootCAs: testkit.Trusted().Pool(), NextProtos: protos},
		&tls.Config{Certificates: []tls.Certificate{testCert()}, NextProtos: protos}
}

// delay is what a packet takes from one host of a world to the other.
const delay = 50 * time.Millisecond

// A world is two hosts on a simulated network, with a listener on one of them.
type world struct {
	network  *simnet.Network
	client   *udt.Endpoint
	server   *udt.Endpoint
	listener *udt.Listener
}

// inWorld runs f in a bubble, whose end proves that no goroutine is left.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		network := simnet.New(simnet.Config{Default: simnet.Link{Delay: delay}})
		w := &world{network: network, client: host(t, network, clientIP), server: host(t, network, serverIP)}
		var err error
		w.listener, err = w.server.Listen(nil)
		require.NoError(t, err)
		t.Cleanup(func() {
			w.client.Close()
			w.server.Close()
			network.Close()
		})
		f(t, w)
	})
}

func host(t *testing.T, network *simnet.Network, ip netip.Addr) *udt.Endpoint {
	t.Helper()
	pc, err := network.Listen(netip.AddrPortFrom(ip, 0))
	require.NoError(t, err)
	e, err := udt.NewEndpoint(pc, nil)
	require.NoError(t, err)
	return e
}

// dialer returns a dialer of the client's host.
func (w *world) dialer() *udt.Dialer { return &udt.Dialer{Endpoint: w.client} }

func (w *world) addr() string { return w.listener.Addr().String() }

// accept starts to accept one connection and to do the server's handshake on it.
func (w *world) accept(config *tls.Config) <-chan accepted {
	result := make(chan accepted, 1)
	go func() {
		raw, err := w.listener.AcceptUDT()
		if err != nil {
			result <- accepted{err: err}
			return
		}
		c := tls.Server(raw, config)
		result <- accepted{c, c.HandshakeContext(context.Background())}
	}()
	return result
}

type accepted struct {
	conn *tls.Conn
	err  error
}
