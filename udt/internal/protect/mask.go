package protect

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"golang.org/x/crypto/chacha20"
)

// What is masked, and by what. An empty payload still leaves the tag as sample.
const (
	maskLen   = 12 // all of the header but the socket ID
	sampleLen = 16 // the first bytes behind the header
)

// A headerKey masks the headers of one direction, in all epochs (RFC 9001,
// section 5.4).
type headerKey struct {
	block  cipher.Block // nil for ChaCha20
	chacha []byte
	mask   [aes.BlockSize]byte // here because a local one would escape to the heap
}

func (h *headerKey) init(suite Suite, d *deriver) (err error) {
	key := d.expand("udt hp", suite.keyLen())
	if suite == ChaCha20Poly1305 {
		h.chacha = key
		return nil
	}
	h.block, err = aes.NewCipher(key)
	return err
}

// apply masks the header of a packet, or removes the mask.
func (h *headerKey) apply(header, sample []byte) {
	if h.block != nil {
		h.block.Encrypt(h.mask[:], sample[:sampleLen])
	} else {
		h.chachaMask(sample)
	}
	header = header[:maskLen]
	binary.NativeEndian.PutUint64(header, binary.NativeEndian.Uint64(header)^binary.NativeEndian.Uint64(h.mask[:]))
	binary.NativeEndian.PutUint32(header[8:], binary.NativeEndian.Uint32(header[8:])^binary.NativeEndian.Uint32(h.mask[8:]))
}

func (h *headerKey) chachaMask(sample []byte) {
	c, err := chacha20.NewUnauthenticatedCipher(h.chacha, sample[4:sampleLen])
	if err != nil {
		panic("protect: BUG: " + err.Error()) // the sizes are constants
	}
	c.SetCounter(binary.LittleEndian.Uint32(sample))
	clear(h.mask[:])
	c.XORKeyStream(h.mask[:maskLen], h.mask[:maskLen])
}
