package udt_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// withPolicy is psk with another policy.
func withPolicy(p udt.SecurityPolicy) *udt.Config {
	c := psk(udt.ModeStream)
	c.Security.Policy = p
	return c
}

// The peers of the policy matrix.
var policies = []struct {
	name   string
	config *udt.Config
}{
	{"plain", nil},
	{"legacy", legacy},
	{"Off", withPolicy(udt.SecurityOff)},
	{"Prefer", withPolicy(udt.SecurityPrefer)},
	{"Require", withPolicy(udt.SecurityRequire)},
}

func speaksTLS(c *udt.Config) bool {
	return c != nil && c.Security != nil && c.Security.Policy != udt.SecurityOff
}

func insists(c *udt.Config) bool { return speaksTLS(c) && c.Security.Policy == udt.SecurityRequire }

// secret is what must not be seen on the wire of a protected connection.
var secret = bytes.Repeat([]byte("in the clear? "), 40)

// watch counts the datagrams that one side has sent, and those of anyone with the
// secret in them.
func (l *lab) watch(from netip.AddrPort) (sent, readable *int) {
	sent, readable = new(int), new(int)
	l.net.SetFilter(func(b []byte, source, _ netip.AddrPort) simnet.Verdict {
		if source == from {
			*sent++
		}
		if bytes.Contains(b, secret[:20]) {
			*readable++
		}
		return simnet.Pass
	})
	return sent, readable
}

// requireSecret sends the secret both ways and ends the connection.
func (l *lab) requireSecret(a, b *udt.Conn, protected bool, readable *int) {
	l.Helper()
	for _, c := range []*udt.Conn{a, b} {
		_, p := c.ConnectionState()
		require.Equal(l, protected, p)
	}
	for _, way := range [][2]*udt.Conn{{a, b}, {b, a}} {
		_, err := way[0].Write(secret)
		require.NoError(l, err)
		got := make([]byte, len(secret))
		_, err = io.ReadFull(way[1], got)
		require.NoError(l, err)
		require.Equal(l, secret, got)
	}
	require.Equal(l, protected, *readable == 0)
	require.NoError(l, a.Close())
	_, err := io.ReadAll(b)
	require.NoError(l, err)
	require.NoError(l, b.Close())
}

// Who insists on protection meets only those who speak it; who prefers it gets it
// where it can be had; a peer without it sees nothing that it does not know.
func TestSecurityPolicies(t *testing.T) {
	for _, client := range policies {
		for _, server := range policies {
			t.Run(fmt.Sprintf("%s dials %s", client.name, server.name), func(t *testing.T) {
				inLab(t, wan, func(l *lab) {
					sent, readable := l.watch(addrA)
					listener, e := l.listen(addrB, server.config), l.endpoint(addrA)
					start := time.Now()
					a, err := e.DialContext(context.Background(), "udt", addrB.String(), client.config)
					switch {
					case insists(client.config) && !speaksTLS(server.config):
						require.ErrorIs(l, err, udt.ErrPeerNotSecure)
						require.ErrorIs(l, err, udt.ErrRefused)
						l.requireTook(start, 20*time.Millisecond, 20*time.Millisecond, "to know it")
						time.Sleep(time.Minute)
						require.Equal(l, 1, *sent, "only the request for a cookie")
						l.requireNothingPending(e, listener.Endpoint())
						return
					case insists(server.config) && !speaksTLS(client.config):
						require.ErrorIs(l, err, udt.ErrRefused)
						require.NotErrorIs(l, err, udt.ErrAuth)
						l.requireTook(start, 40*time.Millisecond, 40*time.Millisecond, "to be refused")
						require.EqualValues(l, 1, listener.Endpoint().Stats().HandshakesRefused)
						l.requireNothingPending(e, listener.Endpoint())
						return
					}
					require.NoError(l, err)
					b, err := listener.AcceptUDT()
					require.NoError(l, err)
					l.requireSecret(a, b, speaksTLS(client.config) && speaksTLS(server.config), readable)
				})
			})
		}
	}
}

// requireNothingPending requires that no handshake is under way and no connection
// exists.
func (l *lab) requireNothingPending(endpoints ...*udt.Endpoint) {
	l.Helper()
	for _, e := range endpoints {
		s := e.Stats()
		require.Zero(l, s.HandshakesPending, "handshakes at %v", e.LocalAddr())
		require.Zero(l, s.Connections, "connections at %v", e.LocalAddr())
		require.Zero(l, s.MemoryHeld, "memory at %v", e.LocalAddr())
	}
}

// The same holds for a rendezvous.
func TestSecurityPoliciesInRendezvous(t *testing.T) {
	for _, one := range policies {
		for _, other := range policies {
			t.Run(fmt.Sprintf("%s meets %s", one.name, other.name), func(t *testing.T) {
				inLab(t, wan, func(l *lab) {
					_, readable := l.watch(addrA)
					conns, errs := l.meet(one.config, other.config)
					if insists(one.config) && !speaksTLS(other.config) || insists(other.config) && !speaksTLS(one.config) {
						for i, c := range []*udt.Config{one.config, other.config} {
							if insists(c) {
								require.ErrorIs(l, errs[i], udt.ErrPeerNotSecure)
								continue
							}
							// It does not know of policies: to it the peer hangs up.
							if errs[i] == nil {
								conns[i].SetReadDeadline(time.Now().Add(time.Second))
								_, err := conns[i].Read(make([]byte, 1))
								require.Error(l, err)
								require.NotErrorIs(l, err, os.ErrDeadlineExceeded)
								conns[i].Close()
							}
						}
						return
					}
					require.NoError(l, errs[0])
					require.NoError(l, errs[1])
					l.requireSecret(conns[0], conns[1], speaksTLS(one.config) && speaksTLS(other.config), readable)
				})
			})
		}
	}
}

// meet makes a rendezvous of addrA and addrB.
func (l *lab) meet(a, b *udt.Config) (conns [2]*udt.Conn, errs [2]error) {
	l.Helper()
	ends := [2]*udt.Endpoint{l.endpoint(addrA), l.endpoint(addrB)}
	var both sync.WaitGroup
	for i, config := range []*udt.Config{a, b} {
		both.Go(func() {
			d := udt.Dialer{Rendezvous: true, Endpoint: ends[i], Config: config}
			conns[i], errs[i] = d.DialUDT(context.Background(), "udt", netip.AddrPort{}, []netip.AddrPort{addrB, addrA}[i])
		})
	}
	both.Wait()
	return conns, errs
}

// A rendezvous has the time that a plain one has: a peer that comes much later is met.
func TestProtectedRendezvousWaits(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		ends := [2]*udt.Endpoint{l.endpoint(addrA), l.endpoint(addrB)}
		start := time.Now()
		var both sync.WaitGroup
		for i, to := range []netip.AddrPort{addrB, addrA} {
			both.Go(func() {
				time.Sleep(time.Duration(i) * 25 * time.Second)
				d := udt.Dialer{Rendezvous: true, Endpoint: ends[i], Config: psk(udt.ModeStream)}
				c, err := d.DialUDT(context.Background(), "udt", netip.AddrPort{}, to)
				if err != nil {
					l.Error(err)
					return
				}
				l.Cleanup(func() { c.Abort() })
			})
		}
		both.Wait()
		l.requireTook(start, 25*time.Second, 26*time.Second, "the rendezvous")
	})
}
