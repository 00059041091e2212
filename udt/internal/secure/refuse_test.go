package secure

import (
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/testkit"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Attack A22: a wrong or missing credential fails within one round trip of the
// flight that shows it, and each side says who refused what.
func TestRefusals(t *testing.T) {
	errNobody := errors.New("nobody is allowed")
	for _, c := range []struct {
		name           string
		use            func(l *lab)
		client, server string
		after          int // one-way delays until both sides know
	}{
		{"wrong PSK", func(l *lab) { l.usePSK(psk("a", 1), psk("a", 2)) },
			"we refused the server: its pre-shared key is another",
			"the client refused us: pre-shared key is another", 5},
		{"unknown PSK identity", func(l *lab) { l.usePSK(psk("a", 1), psk("b", 1)) },
			"the server refused us: unknown name or identity",
			"we refused the client: unknown name or identity: tls: no certificates configured", 4},
		{"server's key is not pinned", func(l *lab) {
			l.cfg[left].TLS, l.cfg[right].TLS = pinned(t, 1, nil, 3), pinned(t, 2, nil, 1)
		},
			"we refused the server: its key is not one of the pinned keys",
			"the client refused us: key is not one of the pinned keys", 5},
		{"client's key is not pinned", func(l *lab) {
			l.cfg[left].TLS, l.cfg[right].TLS = pinned(t, 1, nil, 2), pinned(t, 2, nil, 3)
		},
			"the server refused us: key is not one of the pinned keys",
			"we refused the client: its key is not one of the pinned keys", 6},
		{"pinned keys against X509", func(l *lab) {
			l.useX509(x509Pair(t))
			l.cfg[left].TLS = pinned(t, 1, nil, 2)
		},
			"we refused the server: its key is not one of the pinned keys",
			"the client refused us: key is not one of the pinned keys", 5},
		{"expired server certificate", func(l *lab) {
			c, s := x509Pair(t)
			s.Certificates[0] = issue(testkit.Trusted(), "server.test", epoch.Add(-time.Hour), nil)
			l.useX509(c, s)
		},
			"we refused the server: tls: failed to verify certificate: x509: certificate has expired",
			"the client refused us: certificate has expired or is not yet valid", 5},
		{"expired client certificate", func(l *lab) {
			c, s := x509Pair(t)
			c.Certificates[0] = issue(testkit.Trusted(), "client.test", epoch.Add(-time.Hour), nil)
			l.useX509(c, s)
		},
			"the server refused us: certificate has expired or is not yet valid",
			"we refused the client: tls: failed to verify certificate: x509: certificate has expired", 6},
		{"no client certificate", func(l *lab) {
			c, s := x509Pair(t)
			c.Certificates = nil
			l.useX509(c, s)
		},
			"the server refused us: certificate required",
			"we refused the client: tls: client didn't provide a certificate", 6},
		{"unknown authority of the server", func(l *lab) {
			c, s := x509Pair(t)
			c.RootCAs = testkit.NewAuthority().Pool()
			l.useX509(c, s)
		},
			"we refused the server: tls: failed to verify certificate: x509: certificate signed by unknown authority",
			"the client refused us: certificate signed by unknown authority", 5},
		{"wrong name", func(l *lab) {
			c, s := x509Pair(t)
			c.ServerName = "other.test"
			l.useX509(c, s)
		},
			"we refused the server: tls: failed to verify certificate: x509: certificate is valid for server.test, not other.test",
			"the client refused us: certificate is for another name", 5},
		{"VerifyPeer of the server", func(l *lab) {
			l.usePinned()
			l.cfg[right].TLS = pinned(t, 2, func(s tls.ConnectionState) error {
				require.NotEmpty(t, s.PeerCertificates)
				return errNobody
			}, 1)
		},
			"the server refused us: not authorized",
			"we refused the client: peer not authorized: nobody is allowed", 6},
		{"VerifyPeer of a server that asks for no certificate", func(l *lab) {
			c, s := x509Pair(t)
			s.ClientAuth = tls.NoClientCert
			l.useX509(c, s)
			var err error
			l.cfg[right].TLS, err = X509Server(s, func(tls.ConnectionState) error { return errNobody })
			require.NoError(t, err)
		},
			"the server refused us: not authorized",
			"we refused the client: peer not authorized: nobody is allowed", 6},
		{"VerifyPeer of the client", func(l *lab) {
			l.usePinned()
			l.cfg[left].TLS = pinned(t, 1, func(tls.ConnectionState) error { return errNobody }, 2)
		},
			"we refused the server: peer not authorized: nobody is allowed",
			"the client refused us: not authorized", 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, 1)
			c.use(l)
			l.dial()
			l.run(time.Minute)
			for i, want := range []string{c.client, c.server} {
				err := l.machines[i].Err()
				require.ErrorIs(t, err, ErrAuth, "side %d", i)
				require.ErrorContains(t, err, "authentication failed: "+want, "side %d", i)
				require.False(t, l.machines[i].Done())
				require.LessOrEqual(t, l.failedAt[i].Sub(epoch), time.Duration(c.after)*oneWay, "side %d", i)
			}
			require.Nil(t, l.took[right], "the server has no connection")
		})
	}
}

// The server's refusal is repeated to a client that has not heard it.
func TestRefusalIsRepeated(t *testing.T) {
	l := newLab(t, 1)
	l.cfg[left].TLS, l.cfg[right].TLS = pinned(t, 1, nil, 2), pinned(t, 2, nil, 3)
	lost := false
	l.tamper = func(to int, b []byte) []byte {
		if to == left && !lost && l.machines[right] != nil && l.machines[right].Err() != nil {
			lost = true
			return nil
		}
		return b
	}
	l.dial()
	l.run(time.Minute)
	require.True(t, lost)
	require.ErrorIs(t, l.machines[left].Err(), ErrAuth)
	require.ErrorContains(t, l.machines[left].Err(), "the server refused us")
}

// A server that the client refuses has not learned the client's credential.
func TestWrongPSKLearnsNothing(t *testing.T) {
	l := newLab(t, 1)
	l.usePSK(psk("a", 1), psk("a", 2))
	l.cfg[right].TLS.VerifyConnection = func(tls.ConnectionState) error {
		t.Error("the client's certificate arrived")
		return nil
	}
	l.dial()
	l.run(time.Minute)
	require.ErrorIs(t, l.machines[left].Err(), ErrAuth)
}

// A member of one group is nobody in another: the identity that a client names
// decides which key it must have.
func TestPSKIdentitiesAreApart(t *testing.T) {
	l := newLab(t, 1)
	l.usePSK(psk("b", 2), psk("a", 1), psk("b", 2))
	own := l.cfg[left].TLS.Certificates
	l.usePSK(psk("a", 1), psk("a", 1), psk("b", 2))
	l.cfg[left].TLS.Certificates = own
	l.dial()
	l.run(time.Minute)
	require.ErrorIs(t, l.machines[right].Err(), errOtherPSK)
	require.ErrorIs(t, l.machines[left].Err(), ErrAuth)
	require.ErrorContains(t, l.machines[left].Err(), "the server refused us: pre-shared key is another")
	require.Nil(t, l.took[right])
}

func TestNoCommonProtocol(t *testing.T) {
	l := newLab(t, 1)
	l.usePinned()
	l.cfg[left].TLS.NextProtos = []string{"other"}
	l.dial()
	l.run(time.Minute)
	require.ErrorIs(t, l.machines[left].Err(), ErrProtocol)
	require.ErrorContains(t, l.machines[left].Err(), "the server refused us: no application protocol")
	require.ErrorIs(t, l.machines[right].Err(), ErrProtocol)
}

// Configurations that cannot work are found before anything is sent.
func TestCredentialErrors(t *testing.T) {
	fails := func(_ *tls.Config, err error) { t.Helper(); require.Error(t, err) }
	fails(X509Client(nil, "host", nil))
	fails(X509Client(&tls.Config{MaxVersion: tls.VersionTLS12}, "host", nil))
	fails(X509Server(&tls.Config{}, nil))
	fails((&Pinned{Own: key(1)}).Config())
	fails((&Pinned{Peers: []ed25519.PublicKey{public(key(1))}}).Config())
	fails((&Pinned{Own: key(1), Peers: []ed25519.PublicKey{{1}}}).Config())
	fails(PSKClient(&PSK{Identity: "a"}, nil))
	fails(PSKServer(nil, nil))
	fails(PSKServer([]PSK{psk("a", 1), psk("a", 2)}, nil))
}

// The user's configuration is not changed, and one that a server chooses for a
// client gets what protected mode needs.
func TestX509ServerKeepsAndCompletesConfigs(t *testing.T) {
	c, s := x509Pair(t)
	chosen := s.Clone()
	s.Certificates = nil
	s.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }
	l := newLab(t, 1)
	l.useX509(c, s)
	require.Zero(t, s.MinVersion)
	require.Empty(t, s.NextProtos)
	l.dial()
	l.run(time.Minute)
	l.requireOpen()
	require.Zero(t, chosen.MinVersion)
	require.Equal(t, ALPN, l.took[left].State.NegotiatedProtocol)
}

func TestPassphraseKey(t *testing.T) {
	a := PassphraseKey([]byte("correct horse"), []byte("salt and pepper"))
	require.Equal(t, a, PassphraseKey([]byte("correct horse"), []byte("salt and pepper")))
	require.NotEqual(t, a, PassphraseKey([]byte("correct horse"), []byte("other salt")))
	l := newLab(t, 1)
	l.usePSK(PSK{Key: a}, PSK{Key: a})
	l.dial()
	l.run(time.Minute)
	l.requireOpen()
}

// A peer without protected mode: Require sends nothing after the request for a
// cookie, Prefer goes on in plain mode.
func TestPlainPeer(t *testing.T) {
	l := newLab(t, 1)
	l.usePinned()
	l.plain = true
	l.dial()
	l.run(time.Minute)
	require.ErrorIs(t, l.machines[left].Err(), ErrPeerNotSecure)
	require.Equal(t, 1, l.sent[left])
	require.Equal(t, 2*oneWay, l.failedAt[left].Sub(epoch))

	l = newLab(t, 1)
	l.usePinned()
	l.plain = true
	l.cfg[left].Policy = Prefer
	l.dial()
	l.run(time.Minute)
	require.NoError(t, l.machines[left].Err())
	require.True(t, l.took[left].Plain)
	require.Equal(t, 1, l.sent[left])
}

// A refusal counts only with the cookie, and only until the server speaks.
func TestListenerRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*wire.Handshake, *wire.Control)
		err    error
	}{
		{"refused", func(*wire.Handshake, *wire.Control) {}, ErrRefused},
		{"other mode", func(h *wire.Handshake, _ *wire.Control) { h.Type = wire.SocketMessage }, ErrMode},
		{"other cookie", func(h *wire.Handshake, _ *wire.Control) { h.Cookie++ }, nil},
		{"other socket ID", func(_ *wire.Handshake, c *wire.Control) { c.Dest++ }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, 1)
			l.usePinned()
			l.tamper = func(to int, b []byte) []byte {
				if to == left || !wire.IsSecure(b) {
					return b
				}
				body, err := wire.ParseHandshake(b[wire.HeaderLen:])
				require.NoError(t, err)
				body.Request = wire.RequestRefused
				head := wire.Control{Type: wire.TypeHandshake, Dest: body.SocketID}
				c.change(&body, &head)
				p := make([]byte, wire.SecureOffset)
				head.Put(p)
				body.Put(p[wire.HeaderLen:])
				l.send(left, p)
				return nil
			}
			l.dial()
			l.run(time.Second)
			if c.err == nil {
				require.NoError(t, l.machines[left].Err())
				return
			}
			require.ErrorIs(t, l.machines[left].Err(), ErrRefused)
			require.ErrorIs(t, l.machines[left].Err(), c.err)
		})
	}
}
