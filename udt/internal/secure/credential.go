package secure

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"time"
)

// ALPN is the application protocol of an exchange whose tls.Config names none.
// One that names some travels with those alone: both sides must then have one in
// common. Other protocols over TLS or QUIC cannot be confused with ours, because
// our transport parameters are no other's.
const ALPN = "udt/1"

// VerifyPeer is an application's own check of a peer that TLS has accepted. Its
// error refuses the peer, which is told only that it is not authorized.
type VerifyPeer func(tls.ConnectionState) error

var (
	errNoConfig    = errors.New("no TLS configuration")
	errNoTLS13     = errors.New("TLS configuration excludes TLS 1.3")
	errNoCert      = errors.New("TLS configuration has no certificate")
	errNoPeers     = errors.New("no key of a peer is pinned")
	errBadKey      = errors.New("malformed Ed25519 key")
	errNoPSK       = errors.New("no pre-shared key")
	errPSKIdentity = errors.New("pre-shared keys need identities, each its own")
)

// X509Client returns a copy of config for dialing host, with what protected mode
// needs. The name to verify is host unless config has one. verify may be nil.
func X509Client(config *tls.Config, host string, verify VerifyPeer) (*tls.Config, error) {
	c, err := x509Config(config, verify)
	if err != nil {
		return nil, err
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	return c, nil
}

// X509Server returns a copy of config for a listener. verify may be nil.
func X509Server(config *tls.Config, verify VerifyPeer) (*tls.Config, error) {
	c, err := x509Config(config, verify)
	if err != nil {
		return nil, err
	}
	if len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil {
		return nil, errNoCert
	}
	if get := c.GetConfigForClient; get != nil {
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := get(hello)
			if chosen == nil || err != nil {
				return nil, err
			}
			return x509Config(chosen, verify)
		}
	}
	return c, nil
}

func x509Config(config *tls.Config, verify VerifyPeer) (*tls.Config, error) {
	if config == nil {
		return nil, errNoConfig
	}
	if config.MaxVersion != 0 && config.MaxVersion < tls.VersionTLS13 {
		return nil, errNoTLS13
	}
	c := config.Clone()
	harden(c, verify)
	return c, nil
}

// harden sets what holds for every credential. Resumption would skip the peer's
// certificate and saves no round trip here.
func harden(c *tls.Config, verify VerifyPeer) {
	c.MinVersion = tls.VersionTLS13
	c.SessionTicketsDisabled = true
	c.ClientSessionCache = nil
	if len(c.NextProtos) == 0 {
		c.NextProtos = []string{ALPN}
	}
	if verify == nil {
		return
	}
	before := c.VerifyConnection
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if before != nil {
			if err := before(state); err != nil {
				return err
			}
		}
		if err := verify(state); err != nil {
			return unauthorizedError{err}
		}
		return nil
	}
}

// Pinned is a credential without certificates: each side has an Ed25519 key and
// knows the keys of its peers.
type Pinned struct {
	Own    ed25519.PrivateKey
	Peers  []ed25519.PublicKey
	Verify VerifyPeer // or nil
}

// Config returns the configuration for both roles.
func (p *Pinned) Config() (*tls.Config, error) {
	if len(p.Peers) == 0 {
		return nil, errNoPeers
	}
	peers := make([]ed25519.PublicKey, len(p.Peers))
	for i, k := range p.Peers {
		if len(k) != ed25519.PublicKeySize {
			return nil, errBadKey
		}
		peers[i] = append(ed25519.PublicKey(nil), k...)
	}
	cert, err := selfSigned(p.Own)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{
		Certificates:       []tls.Certificate{cert},
		ClientAuth:         tls.RequireAnyClientCert,
		InsecureSkipVerify: true, // a pin replaces the chain; TLS still checks the signature
		VerifyConnection: func(state tls.ConnectionState) error {
			for _, k := range peers {
				if holds(&state, k) {
					return nil
				}
			}
			return errNotPinned
		},
	}
	harden(c, p.Verify)
	return c, nil
}

// holds reports whether the peer has shown that it has the private key of k.
func holds(state *tls.ConnectionState, k ed25519.PublicKey) bool {
	if len(state.PeerCertificates) == 0 {
		return false
	}
	own, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	return ok && own.Equal(k)
}

// selfSigned returns the certificate by which key travels in TLS. It is a
// function of the key alone.
func selfSigned(key ed25519.PrivateKey) (tls.Certificate, error) {
	if len(key) != ed25519.PrivateKeySize {
		return tls.Certificate{}, errBadKey
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "udt"},
		NotBefore:    time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	// Ed25519 signs without randomness.
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
