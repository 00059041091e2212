package secure

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/testkit"
)

// issue makes a certificate with that of its authority behind it.
func issue(a *testkit.Authority, name string, until time.Time, key crypto.Signer) tls.Certificate {
	c := a.Issue(name, until, key)
	c.Certificate = append(c.Certificate, a.Cert.Raw)
	return c
}

var later = epoch.Add(365 * 24 * time.Hour)

func labTime() time.Time { return epoch }

// x509Pair returns configurations that a test may spoil before use.
func x509Pair(t testing.TB) (client, server *tls.Config) {
	a := testkit.Trusted()
	client = &tls.Config{
		RootCAs: a.Pool(), Time: labTime,
		Certificates: []tls.Certificate{issue(a, "client.test", later, nil)},
	}
	server = &tls.Config{
		ClientCAs: a.Pool(), ClientAuth: tls.RequireAndVerifyClientCert, Time: labTime,
		Certificates: []tls.Certificate{issue(a, "server.test", later, nil)},
	}
	return client, server
}

func (l *lab) useX509(client, server *tls.Config) {
	l.t.Helper()
	var err error
	l.cfg[left].TLS, err = X509Client(client, "server.test", nil)
	require.NoError(l.t, err)
	l.cfg[right].TLS, err = X509Server(server, nil)
	require.NoError(l.t, err)
}

func key(seed byte) ed25519.PrivateKey {
	var s [ed25519.SeedSize]byte
	s[0] = seed
	return ed25519.NewKeyFromSeed(s[:])
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func pinned(t testing.TB, own byte, verify VerifyPeer, peers ...byte) *tls.Config {
	p := Pinned{Own: key(own), Verify: verify}
	for _, k := range peers {
		p.Peers = append(p.Peers, public(key(k)))
	}
	c, err := p.Config()
	require.NoError(t, err)
	return c
}

func (l *lab) usePinned() {
	l.cfg[left].TLS, l.cfg[right].TLS = pinned(l.t, 1, nil, 2), pinned(l.t, 2, nil, 1)
	l.cfg[left].ServerTLS, l.cfg[right].ServerTLS = l.cfg[left].TLS, l.cfg[right].TLS
}

func psk(identity string, k byte) PSK { return PSK{Identity: identity, Key: [32]byte{k}} }

func (l *lab) usePSK(client PSK, server ...PSK) {
	l.t.Helper()
	var err error
	l.cfg[left].TLS, err = PSKClient(&client, nil)
	require.NoError(l.t, err)
	l.cfg[right].TLS, err = PSKServer(server, nil)
	require.NoError(l.t, err)
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		panic(err)
	}
	return k
})
