package interop_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest"
	"github.com/udtgo/udtgo/nettest/interop"
	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

const loopback = "127.0.0.1"

// silentPort returns a UDP port where nothing ever answers: it stays open
// until the test ends.
func silentPort(tb testing.TB) int {
	tb.Helper()
	pc, err := net.ListenPacket("udp4", loopback+":0")
	require.NoError(tb, err)
	tb.Cleanup(func() { pc.Close() })
	return pc.LocalAddr().(*net.UDPAddr).Port
}

// needHost skips the test on a machine without this address, or fails it if
// nothing may be skipped.
func needHost(tb testing.TB, host string) {
	tb.Helper()
	pc, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil && !*required {
		tb.Skip(err)
	}
	require.NoError(tb, err)
	require.NoError(tb, pc.Close())
}

// A role is how package udt comes to a connection with the driver.
type role string

const (
	dialing    role = "dialing"
	listening  role = "listening"
	rendezvous role = "rendezvous"
)

var bothRoles = []role{dialing, listening}

// A scene is one connection between package udt and the driver.
type scene struct {
	role    role
	config  udt.Config
	host    string        // zero is the IPv4 loopback
	link    *simnet.Link  // both directions; nil is no relay
	limit   time.Duration // on everything; zero is 55 s
	command string        // for the driver
	args    []string
}

// start makes the connection. The connection has a deadline, so that a test
// that would hang fails, and the driver ends soon after it.
func (s scene) start(tb testing.TB) (*udt.Conn, *interop.Proc) {
	tb.Helper()
	if s.host == "" {
		s.host = loopback
	}
	if s.limit == 0 {
		s.limit = 55 * time.Second
	}
	if s.link != nil && s.config.IdleTimeout == 0 {
		s.config.IdleTimeout = 10 * time.Second // to end soon after a lost shutdown
	}
	args := opts("%s -host %s -timeout %d", s.command, s.host, int(s.limit.Seconds())+5)
	if s.config.Mode == udt.ModeMessage {
		args = append(args, "-type", "msg")
	}
	args = append(args, s.args...)
	driver := interop.Build(tb, *required)

	var conn *udt.Conn
	var ref *interop.Proc
	switch s.role {
	case dialing:
		ref = driver.Start(tb, append(args, "-role", "listen")...)
		conn = dial(tb, s.path(tb, ref.Port()), &s.config)
	case listening:
		l := listen(tb, s.host, &s.config)
		_, port, err := net.SplitHostPort(s.path(tb, portOf(l.Addr())))
		require.NoError(tb, err)
		ref = driver.Start(tb, append(args, "-port", port)...)
		conn, err = l.AcceptUDT()
		require.NoError(tb, err)
	case rendezvous:
		pc, err := net.ListenPacket("udp", net.JoinHostPort(s.host, "0"))
		require.NoError(tb, err)
		endpoint, err := udt.NewEndpoint(pc, nil)
		require.NoError(tb, err)
		tb.Cleanup(func() { endpoint.Close() })
		ref = driver.Start(tb, append(args, opts("-role rendezvous -port %d", portOf(pc.LocalAddr()))...)...)
		conn = meet(tb, &udt.Dialer{Endpoint: endpoint, Config: &s.config}, s.host, ref.Port())
	}
	tb.Cleanup(func() { conn.Abort() })
	require.NoError(tb, conn.SetDeadline(time.Now().Add(s.limit)))
	return conn, ref
}

// path returns the address at which port is reached, through a relay if the
// scene has a link.
func (s scene) path(tb testing.TB, port int) string {
	tb.Helper()
	target := net.JoinHostPort(s.host, strconv.Itoa(port))
	if s.link == nil {
		return target
	}
	relay, err := nettest.NewRelay(nettest.RelayConfig{
		Listen: net.JoinHostPort(s.host, "0"),
		Target: target,
		Up:     *s.link,
		Down:   *s.link,
		Seed:   1,
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { relay.Close() })
	return relay.Addr().String()
}

func portOf(a net.Addr) int { return a.(*net.UDPAddr).Port }

func dial(tb testing.TB, address string, config *udt.Config) *udt.Conn {
	tb.Helper()
	conn, err := udt.Dial("udt", address, preferring(config))
	require.NoError(tb, err)
	return conn
}

func listen(tb testing.TB, host string, config *udt.Config) *udt.Listener {
	tb.Helper()
	l, err := udt.Listen("udt", net.JoinHostPort(host, "0"), preferring(config))
	require.NoError(tb, err)
	tb.Cleanup(func() { l.Close() })
	require.NoError(tb, l.SetDeadline(time.Now().Add(30*time.Second)))
	return l
}

// meet dials the driver's port in rendezvous.
func meet(tb testing.TB, d *udt.Dialer, host string, port int) *udt.Conn {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	d.Rendezvous, d.Config = true, preferring(d.Config)
	conn, err := d.DialContext(ctx, "udt", net.JoinHostPort(host, strconv.Itoa(port)))
	require.NoError(tb, err)
	return conn.(*udt.Conn)
}

// forBothRoles runs f as a subtest for each of the two usual roles.
func forBothRoles(t *testing.T, f func(t *testing.T, r role)) {
	for _, r := range bothRoles {
		t.Run(string(r), func(t *testing.T) { f(t, r) })
	}
}
