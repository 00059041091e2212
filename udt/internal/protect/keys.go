package protect

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

// Suite is a cipher suite of TLS 1.3, with TLS's number for it.
type Suite uint16

// The suites, all that TLS 1.3 negotiates in Go.
const (
	AES128GCM        Suite = 0x1301 // TLS_AES_128_GCM_SHA256
	AES256GCM        Suite = 0x1302 // TLS_AES_256_GCM_SHA384
	ChaCha20Poly1305 Suite = 0x1303 // TLS_CHACHA20_POLY1305_SHA256
)

// String returns the name of the suite's AEAD.
func (s Suite) String() string {
	switch s {
	case AES128GCM:
		return "AES-128-GCM"
	case AES256GCM:
		return "AES-256-GCM"
	case ChaCha20Poly1305:
		return "ChaCha20-Poly1305"
	}
	return fmt.Sprintf("Suite(%#04x)", uint16(s))
}

// keyLen returns the size of the suite's keys.
func (s Suite) keyLen() int {
	if s == AES128GCM {
		return 16
	}
	return 32
}

// secretLen returns the size of the suite's secrets.
func (s Suite) secretLen() int {
	if s == AES256GCM {
		return sha512.Size384
	}
	return sha256.Size
}

// maxFailures returns how many packets may fail authentication (RFC 9001,
// section 6.6).
func (s Suite) maxFailures() uint64 {
	if s == ChaCha20Poly1305 {
		return 1 << 36
	}
	return 1 << 52
}

// check returns an error unless packets can be protected with the suite and
// secret.
func (s Suite) check(secret []byte) error {
	switch {
	case s < AES128GCM || s > ChaCha20Poly1305:
		return fmt.Errorf("protect: unknown cipher suite %#04x", uint16(s))
	case len(secret) != s.secretLen():
		return fmt.Errorf("protect: secret of %d bytes for %v", len(secret), s)
	case fips140.Enforced():
		return ErrFIPS
	}
	return nil
}

// A deriver is HKDF-Expand-Label of RFC 8446, section 7.1, with an empty context, the
// suite's hash and one secret. What is expanded is never longer than the hash: one HMAC
// is all that it takes, whose key needs to be set up only once for all labels.
type deriver struct {
	mac  hash.Hash
	used bool
	info [64]byte
}

func (s Suite) deriver(secret []byte) *deriver {
	if s == AES256GCM {
		return &deriver{mac: hmac.New(sha512.New384, secret)}
	}
	return &deriver{mac: hmac.New(sha256.New, secret)}
}

func (d *deriver) expand(label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(d.info[:0], uint16(n))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(info, "tls13 "...)
	info = append(info, label...)
	info = append(info, 0)
	if d.used {
		d.mac.Reset()
	}
	d.used = true
	d.mac.Write(append(info, 1)) // HKDF's first block
	return d.mac.Sum(nil)[:n]
}

const nonceLen = 12 // of all suites

// epochKeys is what protects the packets of one epoch.
type epochKeys struct {
	suite  Suite
	secret []byte // also the next epoch's parent
	aead   cipher.AEAD
	iv     [nonceLen]byte
}

// newEpochKeys derives the keys of an epoch, whose secret it keeps, with d for that.
func newEpochKeys(suite Suite, secret []byte, d *deriver) (k *epochKeys, err error) {
	key := d.expand("udt key", suite.keyLen())
	k = &epochKeys{suite: suite, secret: secret, iv: [nonceLen]byte(d.expand("udt iv", nonceLen))}
	if suite == ChaCha20Poly1305 {
		k.aead, err = chacha20poly1305.New(key)
	} else {
		var block cipher.Block
		if block, err = aes.NewCipher(key); err == nil {
			k.aead, err = cipher.NewGCM(block)
		}
	}
	if err != nil {
		return nil, err
	}
	clear(key)
	return k, nil
}

// next derives the keys of the epoch that follows.
func (k *epochKeys) next() (*epochKeys, error) {
	secret := k.suite.deriver(k.secret).expand("udt ku", len(k.secret))
	return newEpochKeys(k.suite, secret, k.suite.deriver(secret))
}

// forget overwrites the secret, from which the keys of later epochs could be
// derived. What package cipher holds is left to the garbage collector.
func (k *epochKeys) forget() { clear(k.secret) }

// putNonce puts the nonce of packet pn into nonce: the IV with the number in its
// last eight bytes.
func (k *epochKeys) putNonce(nonce *[nonceLen]byte, pn uint64) {
	copy(nonce[:4], k.iv[:4])
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(k.iv[4:])^pn)
}
