package udt_test

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/nettest/testkit"
	"github.com/udtgo/udtgo/udt"
)

// A wildcard listener serves both families, and its connections have the concrete
// address that the peer dialed.
func TestAcceptedConnectionsHaveTheConcreteLocalAddress(t *testing.T) {
	for _, test := range []struct{ network, listen, host string }{
		{"udt", ":0", "127.0.0.1"},
		{"udt", ":0", "127.0.0.2"},
		{"udt", ":0", "::1"},
		{"udt4", ":0", "127.0.0.1"},
		{"udt6", ":0", "::1"},
		{"udt", "127.0.0.1:0", "127.0.0.1"},
	} {
		t.Run(test.network+" "+test.listen+" "+test.host, func(t *testing.T) {
			if test.host == "127.0.0.2" && !canBind(test.host) {
				t.Skip("only on systems where all of 127/8 is local")
			}
			l, err := udt.Listen(test.network, test.listen, nil)
			require.NoError(t, err)
			defer l.Close()
			_, port, err := net.SplitHostPort(l.Addr().String())
			require.NoError(t, err)
			address := net.JoinHostPort(test.host, port)
			client, err := udt.Dial(test.network, address, pipes.Patient(nil))
			require.NoError(t, err)
			defer client.Close()
			server, err := l.AcceptUDT()
			require.NoError(t, err)
			defer server.Close()

			require.Equal(t, address, client.RemoteAddr().String())
			require.Equal(t, address, server.LocalAddr().String())
			require.Equal(t, client.LocalAddr().String(), server.RemoteAddr().String())

			// The server's first words come from that address too.
			_, err = server.Write([]byte("x"))
			require.NoError(t, err)
			_, err = client.Read(make([]byte, 1))
			require.NoError(t, err)
		})
	}
}

func canBind(host string) bool {
	pc, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		return false
	}
	pc.Close()
	return true
}

// One endpoint on the wildcard address dials and accepts in both families.
func TestSharedEndpointDialsBothFamilies(t *testing.T) {
	pc, err := net.ListenUDP("udp", &net.UDPAddr{})
	require.NoError(t, err)
	e, err := udt.NewEndpoint(pc, nil)
	require.NoError(t, err)
	defer e.Close()
	for _, host := range []string{"127.0.0.1", "::1"} {
		l, err := udt.Listen("udt", net.JoinHostPort(host, "0"), nil)
		require.NoError(t, err)
		defer l.Close()
		d := udt.Dialer{Endpoint: e, Config: pipes.Patient(nil)}
		client, err := d.Dial("udt", l.Addr().String())
		require.NoError(t, err)
		defer client.Close()
		server, err := l.AcceptUDT()
		require.NoError(t, err)
		defer server.Close()
		require.Equal(t, client.LocalAddr().String(), server.RemoteAddr().String())
		require.Equal(t, host, client.LocalAddr().(*net.UDPAddr).IP.String())
	}
}

// A dial that nobody wants fails at once, from a socket of its own and from a
// shared one.
func TestRefusedDialFailsFast(t *testing.T) {
	nobody := testkit.UnusedPort(t).String()
	shared, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	e, err := udt.NewEndpoint(shared, nil)
	require.NoError(t, err)
	defer e.Close()

	config := &udt.Config{HandshakeTimeout: -1} // no time-out could hide a hang
	for name, d := range map[string]*udt.Dialer{
		"own socket":      {Config: config},
		"shared endpoint": {Config: config, Endpoint: e},
	} {
		t.Run(name, func(t *testing.T) {
			if d.Endpoint != nil && !reportsRefusals {
				t.Skip("only the Linux path hears of refusals on an unconnected socket")
			}
			_, err := d.Dial("udt", nobody)
			require.ErrorIs(t, err, udt.ErrRefused)
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
		})
	}
}
