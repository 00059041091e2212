// Package pin lets the examples use TLS without a certificate authority: a server
// makes a certificate for itself, and a client is told its fingerprint.
package pin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// NewCertificate makes a self-signed certificate with a new key, valid for a year.
func NewCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "udt example"},
		NotBefore: time.Now().Add(-time.Hour), // the peer's clock may be behind
		NotAfter:  time.Now().AddDate(1, 0, 0),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// Fingerprint returns the SHA-256 of the certificate in hexadecimal digits.
func Fingerprint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return hex.EncodeToString(sum[:])
}

// ClientConfig returns a configuration that accepts the server whose certificate
// has the fingerprint, whatever its name and issuer are, and no other.
func ClientConfig(fingerprint string) (*tls.Config, error) {
	want, err := hex.DecodeString(fingerprint)
	if err != nil || len(want) != sha256.Size {
		return nil, fmt.Errorf("fingerprint %q is not %d hexadecimal digits", fingerprint, 2*sha256.Size)
	}
	return &tls.Config{
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(state tls.ConnectionState) error {
			got := sha256.Sum256(state.PeerCertificates[0].Raw)
			if subtle.ConstantTimeCompare(got[:], want) != 1 {
				return errors.New("the server's certificate has another fingerprint: " + hex.EncodeToString(got[:]))
			}
			return nil
		},
	}, nil
}
