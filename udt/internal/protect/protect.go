// Package protect is the packet protection of protected mode: it seals and opens
// the packets of one direction of a connection under keys that come from a TLS
// 1.3 traffic secret. It follows QUIC's (RFC 9001, section 5) with labels of its
// own; ../secure/SPEC.md#protected-packet is its description.
//
// A protected packet has the header of a UDT packet, 16 bytes, then the
// ciphertext of the payload, then a tag of 16 bytes. The third header word holds
// the low 32 bits of the packet's number. The whole header is authenticated; all
// of it but the last word, the socket ID, is masked.
//
// A number in this package counts the transmissions of one direction, data and
// control: it is 64 bits, never repeats, and has nothing to do with the sequence
// number of the data. It is the nonce, and it chooses the key: an epoch is a run
// of 2^EpochBits numbers, and every epoch has a key derived from that of the
// epoch before. So no key is used more often than AES-GCM allows, and nothing on
// the wire tells when the key changes.
//
// The package performs no I/O, takes no locks and reads no clock. Neither a [Sealer]
// nor an [Opener] may be used concurrently; the two of a connection are independent
// of each other.
package protect

import (
	"errors"
	"fmt"
)

// Sizes, in bytes.
const (
	HeaderLen = 16 // of the header of every packet
	Overhead  = 16 // what sealing adds to a packet: the tag
)

// maxNumber bounds the numbers: none reaches it.
const maxNumber = 1 << 62

// The errors of sealing and opening. Each but ErrKeyLimit and ErrLimit stands for
// a packet that is counted and dropped.
var (
	// ErrShort: the packet has no room for a header and a tag.
	ErrShort = errors.New("protect: packet too short")

	// ErrEpoch: there is no key for the packet's number. Almost every forged
	// packet ends here, for the price of one AES block.
	ErrEpoch = errors.New("protect: no key for the packet's epoch")

	// ErrReplay: the packet was opened before, or is too old to tell.
	ErrReplay = errors.New("protect: packet replayed or too old")

	// ErrAuth: the packet is not what the peer sealed.
	ErrAuth = errors.New("protect: packet authentication failed")

	// ErrLimit: so many packets failed authentication that the next may succeed
	// by chance. The connection must end (RFC 9001, section 6.6).
	ErrLimit = errors.New("protect: too many packets failed authentication")

	// ErrKeyLimit: the numbers that may be used are used up. The connection must
	// end unless a confirmation arrives.
	ErrKeyLimit = errors.New("protect: no packet number left under a key that the peer has confirmed")

	// ErrFIPS is returned where GODEBUG=fips140=only is in force, in which the
	// standard library offers no AES-GCM with nonces of the caller's.
	ErrFIPS = errors.New("protect: packet protection is not possible in FIPS 140-only mode")
)

// The limits of a Config.
const (
	DefaultEpochBits = 23 // RFC 9001, section 6.6: 2^23 packets of any size under one key of AES-GCM
	MinEpochBits     = 8
	MaxEpochBits     = DefaultEpochBits

	DefaultWindow = 1 << 14 // 16 ms at a million packets per second
	MinWindow     = 1 << 7
	MaxWindow     = 1 << 18
)

// Config holds what the two ends of a connection agree on. The zero Config is the
// one of every connection outside tests.
type Config struct {
	// EpochBits says how long an epoch is: 2^EpochBits numbers. Both ends must
	// use the same. Zero means DefaultEpochBits; tests use fewer.
	EpochBits uint

	// Window is how many numbers back an Opener tells a late packet from a
	// replayed one, in steps of 64: a packet at most Window-64 numbers behind the
	// largest is never taken for too old. It is rounded up to a power of two.
	// Zero means DefaultWindow. An Opener keeps one bit for each, in memory that
	// grows as it is needed. A Sealer ignores it.
	Window int
}

// filled returns the Config with the defaults in place of zeros.
func (c Config) filled() (Config, error) {
	if c.EpochBits == 0 {
		c.EpochBits = DefaultEpochBits
	}
	if c.Window == 0 {
		c.Window = DefaultWindow
	}
	if c.EpochBits < MinEpochBits || c.EpochBits > MaxEpochBits {
		return c, fmt.Errorf("protect: epoch of 2^%d packets", c.EpochBits)
	}
	if c.Window < MinWindow || c.Window > MaxWindow {
		return c, fmt.Errorf("protect: replay window of %d packets", c.Window)
	}
	return c, nil
}
