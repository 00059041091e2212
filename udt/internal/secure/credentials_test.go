package secure

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var newAuthority = sync.OnceValue(func() *authority { return makeAuthority() })

func makeAuthority() *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab authority"},
		NotBefore: epoch.Add(-24 * time.Hour), NotAfter: epoch.Add(20 * 365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &authority{cert, key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a *authority) issue(t testing.TB, name string, until time.Time, key crypto.Signer) tls.Certificate {
	if key == nil {
		var err error
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: epoch.Add(-24 * time.Hour), NotAfter: until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
}

var later = epoch.Add(365 * 24 * time.Hour)

func labTime() time.Time { return epoch }

// x509Pair returns configurations that a test may spoil before use.
func x509Pair(t testing.TB) (client, server *tls.Config) {
	a := newAuthority()
	client = &tls.Config{
		RootCAs: a.pool(), Time: labTime,
		Certificates: []tls.Certificate{a.issue(t, "client.test", later, nil)},
	}
	server = &tls.Config{
		ClientCAs: a.pool(), ClientAuth: tls.RequireAndVerifyClientCert, Time: labTime,
		Certificates: []tls.Certificate{a.issue(t, "server.test", later, nil)},
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
