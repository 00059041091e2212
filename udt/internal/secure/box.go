package secure

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

const tagLen = 16

// A box seals or opens the handshake datagrams of one direction, once TLS has a
// secret for it. The number of a datagram makes its nonce.
type box struct {
	aead  cipher.AEAD
	iv    [12]byte
	nonce [12]byte // scratch: an array on the stack would escape
}

// newBox derives its key with labels of its own: those of the packets are others,
// and so is the secret.
func newBox(suite uint16, secret []byte) (*box, error) {
	newHash, keyLen := sha256.New, 16
	switch suite {
	case tls.TLS_AES_128_GCM_SHA256:
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		keyLen = chacha20poly1305.KeySize
	case tls.TLS_AES_256_GCM_SHA384:
		newHash, keyLen = sha512.New384, 32
	default:
		return nil, fmt.Errorf("unknown cipher suite %#x", suite)
	}
	mac := hmac.New(newHash, secret)
	key := expandLabel(mac, "udt hs key", keyLen)
	mac.Reset()
	iv := expandLabel(mac, "udt hs iv", 12)
	b := &box{iv: [12]byte(iv)}
	var err error
	if suite == tls.TLS_CHACHA20_POLY1305_SHA256 {
		b.aead, err = chacha20poly1305.New(key)
		return b, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	b.aead, err = cipher.NewGCM(block)
	return b, err
}

// expandLabel is HKDF-Expand-Label of TLS 1.3 with an empty context, for no more bytes
// than the hash has; mac is a new HMAC with the secret as its key.
func expandLabel(mac hash.Hash, label string, n int) []byte {
	const prefix = "tls13 "
	info := binary.BigEndian.AppendUint16(make([]byte, 0, 64), uint16(n))
	info = append(info, byte(len(prefix)+len(label)))
	info = append(info, prefix...)
	info = append(info, label...)
	info = append(info, 0)
	mac.Write(append(info, 1)) // HKDF's first block
	return mac.Sum(nil)[:n]
}

func (b *box) number(n uint32) []byte {
	b.nonce = b.iv
	for i := range 4 {
		b.nonce[8+i] ^= byte(n >> (24 - 8*i))
	}
	return b.nonce[:]
}

// seal seals in place what follows b[:from]; the header that ends there, of
// headerLen bytes, is authenticated.
func (b *box) seal(p []byte, headerLen, from int, n uint32) []byte {
	return b.aead.Seal(p[:from], b.number(n), p[from:], p[from-headerLen:from])
}

// open returns what was sealed, in a buffer of its own: sealed stays as it is, so
// that a datagram can be looked at again.
func (b *box) open(header, sealed []byte, n uint32) ([]byte, error) {
	return b.aead.Open(nil, b.number(n), sealed, header)
}
