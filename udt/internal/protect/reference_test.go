package protect

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"
	"math/big"
	"slices"

	"golang.org/x/crypto/chacha20"
)

// The functions below do what the package does, straight from the documents, on
// nothing but block ciphers, stream ciphers and hashes.

// refSeal is ../secure/SPEC.md#protected-packet.
func refSeal(suite Suite, secret []byte, epochBits uint, pn uint64, header, payload []byte) []byte {
	newHash, keyLen := sha256.New, 32
	switch suite {
	case AES128GCM:
		keyLen = 16
	case AES256GCM:
		newHash = sha512.New384
	}
	hp := refExpandLabel(newHash, secret, "udt hp", keyLen)
	for range pn >> epochBits {
		secret = refExpandLabel(newHash, secret, "udt ku", len(secret))
	}
	key := refExpandLabel(newHash, secret, "udt key", keyLen)
	nonce := refExpandLabel(newHash, secret, "udt iv", 12)
	for i := range 8 {
		nonce[4+i] ^= byte(pn >> (56 - 8*i))
	}

	packet := slices.Clone(header)
	packet[8], packet[9], packet[10], packet[11] = byte(pn>>24), byte(pn>>16), byte(pn>>8), byte(pn)
	var mask []byte
	if suite == ChaCha20Poly1305 {
		packet = append(packet, refChaCha20Poly1305(key, nonce, payload, packet)...)
		sample := packet[16:32]
		mask = refChaCha20(hp, sample[4:], binary.LittleEndian.Uint32(sample), make([]byte, 12))
	} else {
		packet = append(packet, refGCM(key, nonce, payload, packet)...)
		mask = refAES(hp, packet[16:32])
	}
	for i := range 12 {
		packet[i] ^= mask[i]
	}
	return packet
}

// refExpandLabel is RFC 8446, section 7.1, on RFC 5869, section 2.3.
func refExpandLabel(newHash func() hash.Hash, secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := slices.Concat([]byte{byte(n >> 8), byte(n), byte(len(label))}, []byte(label), []byte{0})
	var out, block []byte
	for i := byte(1); len(out) < n; i++ {
		h := hmac.New(newHash, secret)
		h.Write(block)
		h.Write(info)
		h.Write([]byte{i})
		block = h.Sum(nil)
		out = append(out, block...)
	}
	return out[:n]
}

func refAES(key, in []byte) []byte {
	c, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := make([]byte, 16)
	c.Encrypt(out, in)
	return out
}

// refGCM is NIST SP 800-38D with a nonce of 12 bytes.
func refGCM(key, nonce, plaintext, data []byte) []byte {
	c, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := make([]byte, len(plaintext))
	cipher.NewCTR(c, slices.Concat(nonce, []byte{0, 0, 0, 2})).XORKeyStream(out, plaintext)

	h := refAES(key, make([]byte, 16))
	x := make([]byte, 16)
	for _, block := range refBlocks(data, out, binary.BigEndian.AppendUint64, 8) {
		for i := range x {
			x[i] ^= block[i]
		}
		x = refMultiply(x, h)
	}
	for i, b := range refAES(key, slices.Concat(nonce, []byte{0, 0, 0, 1})) {
		x[i] ^= b
	}
	return append(out, x...)
}

// refBlocks returns data, text and their lengths in units of so many bits, padded
// as both AEADs do.
func refBlocks(data, text []byte, length func([]byte, uint64) []byte, unit int) [][]byte {
	var all []byte
	for _, b := range [][]byte{data, text} {
		all = append(all, b...)
		all = append(all, make([]byte, (16-len(b)%16)%16)...)
	}
	all = length(all, uint64(len(data)*unit))
	all = length(all, uint64(len(text)*unit))
	return slices.Collect(slices.Chunk(all, 16))
}

// refMultiply multiplies in the field of GCM, SP 800-38D, section 6.3.
func refMultiply(x, y []byte) []byte {
	z, v := make([]byte, 16), slices.Clone(y)
	for i := range 128 {
		if x[i/8]>>(7-i%8)&1 != 0 {
			for j := range z {
				z[j] ^= v[j]
			}
		}
		low := v[15] & 1
		for j := 15; j > 0; j-- {
			v[j] = v[j]>>1 | v[j-1]<<7
		}
		v[0] >>= 1
		v[0] ^= low * 0xE1
	}
	return z
}

func refChaCha20(key, nonce []byte, counter uint32, in []byte) []byte {
	c, err := chacha20.NewUnauthenticatedCipher(key, nonce)
	if err != nil {
		panic(err)
	}
	c.SetCounter(counter)
	out := make([]byte, len(in))
	c.XORKeyStream(out, in)
	return out
}

// refChaCha20Poly1305 is RFC 8439, section 2.8, with Poly1305 as in section 2.5.
func refChaCha20Poly1305(key, nonce, plaintext, data []byte) []byte {
	out := refChaCha20(key, nonce, 1, plaintext)
	oneTime := refChaCha20(key, nonce, 0, make([]byte, 32))
	for _, i := range []int{3, 7, 11, 15} {
		oneTime[i] &= 15
	}
	for _, i := range []int{4, 8, 12} {
		oneTime[i] &= 252
	}
	r, s := refLittleEndian(oneTime[:16]), refLittleEndian(oneTime[16:])
	p := new(big.Int).Lsh(big.NewInt(1), 130)
	p.Sub(p, big.NewInt(5))
	acc := new(big.Int)
	for _, block := range refBlocks(data, out, binary.LittleEndian.AppendUint64, 1) {
		acc.Add(acc, refLittleEndian(append(slices.Clone(block), 1)))
		acc.Mul(acc, r)
		acc.Mod(acc, p)
	}
	acc.Add(acc, s)
	acc.Mod(acc, new(big.Int).Lsh(big.NewInt(1), 128))
	tag := acc.FillBytes(make([]byte, 16))
	slices.Reverse(tag)
	return append(out, tag...)
}

func refLittleEndian(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}
