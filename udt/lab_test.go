package udt_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// A lab is a simulated network in virtual time. Everything made with it ends
// with the test.
type lab struct {
	*testing.T
	net      *simnet.Network
	listener *udt.Listener // of tests that have one
}

// inLab runs f in a bubble with a network whose links are all like link.
func inLab(t *testing.T, link simnet.Link, f func(l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lab{T: t, net: simnet.New(simnet.Config{Seed: 1, Default: link, Log: 4096})}
		t.Cleanup(func() { l.net.Close() })
		f(l)
	})
}

// wan is a clean path of 10 ms each way.
var wan = simnet.Link{Delay: 10 * time.Millisecond}

func (l *lab) socket(a netip.AddrPort) *simnet.Conn {
	l.Helper()
	pc, err := l.net.Listen(a)
	require.NoError(l, err)
	return pc
}

func (l *lab) endpoint(a netip.AddrPort) *udt.Endpoint {
	l.Helper()
	return l.configured(a, nil)
}

// configured opens the port a as c.Endpoint says.
func (l *lab) configured(a netip.AddrPort, c *udt.Config) *udt.Endpoint {
	l.Helper()
	if c == nil {
		c = &udt.Config{}
	}
	e, err := udt.NewEndpoint(l.socket(a), c.Endpoint)
	require.NoError(l, err)
	l.Cleanup(func() { e.Close() })
	return e
}

func (l *lab) listen(a netip.AddrPort, c *udt.Config) *udt.Listener {
	l.Helper()
	listener, err := l.configured(a, c).Listen(c)
	require.NoError(l, err)
	return listener
}

// dial connects from e to a listener and returns both ends.
func (l *lab) dial(e *udt.Endpoint, c *udt.Config, to *udt.Listener) (dialed, accepted *udt.Conn) {
	l.Helper()
	dialed, err := e.DialContext(context.Background(), "udt", to.Addr().String(), c)
	require.NoError(l, err)
	accepted, err = to.AcceptUDT()
	require.NoError(l, err)
	return dialed, accepted
}

// pair connects addrA to a listener at addrB.
func (l *lab) pair(client, server *udt.Config) (dialed, accepted *udt.Conn) {
	l.Helper()
	return l.dial(l.configured(addrA, client), client, l.listen(addrB, server))
}

// packets opens a PacketConn.
func (l *lab) packets(a netip.AddrPort, c *udt.Config) *udt.PacketConn {
	l.Helper()
	p, err := l.configured(a, c).ListenPacket(c)
	require.NoError(l, err)
	return p
}

// cut takes the network down for good.
func (l *lab) cut() { l.net.SetDefault(simnet.Link{Down: true}) }

func addrOf(a net.Addr) netip.AddrPort { return a.(*net.UDPAddr).AddrPort() }

func udpAddr(a netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(a) }

// requireTook requires that what began at start took between low and high.
func (l *lab) requireTook(start time.Time, low, high time.Duration, what string) {
	l.Helper()
	took := time.Since(start)
	require.True(l, low <= took && took <= high, "%s took %v, want %v to %v", what, took, low, high)
}

func requireTimeout(t require.TestingT, err error) {
	var ne net.Error
	require.True(t, errors.As(err, &ne) && ne.Timeout(), "want a timeout, got %v", err)
}

// drain reads until the end and returns how much came.
func drain(c *udt.Conn) (int64, error) { return io.Copy(io.Discard, onlyReader{c}) }

type onlyReader struct{ io.Reader }
