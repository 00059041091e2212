package testkit

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/netip"
	"sync"
	"time"
)

// Certificates are valid in a bubble of testing/synctest too, where time begins in 2000.
var (
	notBefore = time.Unix(0, 0)
	notAfter  = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// An Authority issues certificates.
type Authority struct {
	Cert *x509.Certificate
	key  crypto.Signer
}

// NewAuthority makes an authority with a key of its own.
func NewAuthority() *Authority {
	a := &Authority{key: newKey()}
	a.Cert = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, NotAfter: notAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.key.Public())
	return a
}

// Trusted is the authority of tests that need no other.
var Trusted = sync.OnceValue(NewAuthority)

// Pool returns a pool with the authority in it.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.Cert)
	return p
}

// Issue makes a certificate, for clients and servers, of a name and of addresses. It is
// valid until the given time, or to 2100 if that is zero. A nil key means a new one.
func (a *Authority) Issue(name string, until time.Time, key crypto.Signer, addrs ...netip.Addr) tls.Certificate {
	if key == nil {
		key = newKey()
	}
	if until.IsZero() {
		until = notAfter
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, addr := range addrs {
		template.IPAddresses = append(template.IPAddresses, addr.AsSlice())
	}
	leaf := a.sign(template, key.Public())
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// sign panics if it fails: then it is the template that is wrong.
func (a *Authority) sign(template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	template.SerialNumber, template.NotBefore = big.NewInt(1), notBefore
	parent := a.Cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}

func newKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// CertName is the name in the certificate of TLSConfigs.
const CertName = "nettest.invalid"

var certificate = sync.OnceValue(func() tls.Certificate {
	return Trusted().Issue(CertName, time.Time{}, nil)
})

// TLSConfigs returns a client's and a server's configuration that fit each other.
func TLSConfigs(protos ...string) (client, server *tls.Config) {
	return &tls.Config{RootCAs: Trusted().Pool(), ServerName: CertName, NextProtos: protos},
		&tls.Config{Certificates: []tls.Certificate{certificate()}, NextProtos: protos}
}
