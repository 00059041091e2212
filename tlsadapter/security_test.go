package tlsadapter_test

import (
	"crypto/tls"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/tlsadapter"
	"github.com/udtgo/udtgo/udt"
)

// The configurations that serve for TLS above UDT serve for TLS inside UDT: names are
// verified, and what fails there fails here.
func TestSecurity(t *testing.T) {
	_, server := configs()
	l, err := udt.Listen("udt", "127.0.0.1:0", &udt.Config{Security: tlsadapter.Security(server)})
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			c, err := l.AcceptUDT()
			if err != nil {
				return
			}
			state, protected := c.ConnectionState()
			if protected && state.Version == tls.VersionTLS13 {
				io.WriteString(c, state.ServerName)
			}
			c.Close()
		}
	}()
	dial := func(change func(c *tls.Config)) (string, error) {
		client, _ := configs()
		if change != nil {
			change(client)
		}
		c, err := udt.Dial("udt", l.Addr().String(), &udt.Config{Security: tlsadapter.Security(client)})
		if err != nil {
			return "", err
		}
		defer c.Close()
		name, err := io.ReadAll(c)
		return string(name), err
	}
	name, err := dial(nil)
	require.NoError(t, err, "the address is verified")
	require.Empty(t, name, "an address is not sent")
	name, err = dial(func(c *tls.Config) { c.ServerName = serverName })
	require.NoError(t, err)
	require.Equal(t, serverName, name)
	_, err = dial(func(c *tls.Config) { c.ServerName = "another.invalid" })
	require.ErrorIs(t, err, udt.ErrAuth)
	require.ErrorContains(t, err, "another.invalid")
	_, err = dial(func(c *tls.Config) { c.RootCAs = nil })
	require.ErrorIs(t, err, udt.ErrAuth)

	_, err = udt.Dial("udt", l.Addr().String(), &udt.Config{Security: tlsadapter.Security(nil)})
	require.ErrorIs(t, err, udt.ErrAuth, "the zero tls.Config trusts the system's authorities")
	_, err = udt.Listen("udt", "127.0.0.1:0", &udt.Config{Security: tlsadapter.Security(nil)})
	require.ErrorIs(t, err, udt.ErrConfig, "a listener needs a certificate")
}

// A client of TLS above UDT and a listener of TLS inside UDT, or the other way round,
// refuse each other and do not hang.
func TestAboveAndInsideDoNotMix(t *testing.T) {
	client, server := configs()
	inside, err := udt.Listen("udt", "127.0.0.1:0", &udt.Config{Security: tlsadapter.Security(server)})
	require.NoError(t, err)
	defer inside.Close()
	_, err = tlsadapter.Dial("udt", inside.Addr().String(), client)
	require.ErrorIs(t, err, udt.ErrRefused)

	above, err := tlsadapter.Listen("udt", "127.0.0.1:0", server, nil)
	require.NoError(t, err)
	defer above.Close()
	_, err = udt.Dial("udt", above.Addr().String(), &udt.Config{Security: tlsadapter.Security(client)})
	require.ErrorIs(t, err, udt.ErrPeerNotSecure)
	var op *net.OpError
	require.ErrorAs(t, err, &op)
}
