package protect

import (
	"bytes"
	"encoding/binary"
)

// A Sealer protects the packets of the sending direction.
//
// # Epochs and confirmations
//
// A receiver has keys for the epoch of the largest number that it has opened, the
// one before and the one behind. So that it always has the key for what is sent,
// a sender enters epoch e+1 only when the peer has confirmed a number of epoch e:
// the first number that must not be used is two epochs behind the start of the
// largest confirmed number's epoch, or at the end of epoch 0 before the first
// confirmation.
//
// What confirms a number is an ACK or an ACK2, which itself needs a number. Two
// ends that had both run out of numbers would wait for each other forever, and so
// would an end whose packets of a whole epoch were all lost. Therefore the last
// quarter of the last permitted epoch is a reserve:
//
//   - What follows the rate of the transfer stops at the reserve, where
//     [Sealer.MaySeal] becomes false.
//   - What a timer sends, and answers to that, go on to the end: the numbered ACK
//     of each sync period, ACK2, NAK, keep-alive, Shutdown, and one data packet for
//     each expiry of the retransmission timer while MaySeal refuses.
//
// The urgent packets are such that each round of them yields a confirmation unless
// it is lost: a data packet makes the peer acknowledge, a numbered ACK makes it
// send an ACK2, and the peer's own are urgent too. They are few, some hundreds per
// second at most, so that with default epochs the reserve of 2 million outlasts an
// hour in which nothing gets through, and any idle timeout. Sealing past the end is
// refused with [ErrKeyLimit], with which the connection ends.
type Sealer struct {
	keys    *epochKeys // of the last packet's epoch
	mask    headerKey
	nonce   [nonceLen]byte // here because a local one would escape to the heap
	bits    uint
	epoch   uint64 // of keys
	next    uint64 // the next packet's number
	sealed  uint64 // the largest number ever sealed + 1; an update leaves some out
	limit   uint64 // the first number that may not be used yet
	updates bool   // a forced update waits for a confirmation
}

// NewSealer returns a Sealer whose keys are derived from secret, the traffic
// secret of the sending direction. The first number is 0. It fails for an unknown
// suite, for a secret whose size is not that of the suite's hash, for a Config out
// of its limits, and with [ErrFIPS]. It does not keep secret.
func NewSealer(suite Suite, secret []byte, cfg Config) (*Sealer, error) {
	cfg, err := cfg.filled()
	if err != nil {
		return nil, err
	}
	if err := suite.check(secret); err != nil {
		return nil, err
	}
	s := &Sealer{bits: cfg.EpochBits, limit: 1 << cfg.EpochBits}
	d := suite.deriver(secret)
	if err := s.mask.init(suite, d); err != nil {
		return nil, err
	}
	s.keys, err = newEpochKeys(suite, bytes.Clone(secret), d)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Seal protects a packet. dst ends with the packet's header, of HeaderLen bytes,
// whose third word Seal overwrites with the packet's number; what is before the
// header is left alone. Seal appends the sealed payload and the tag, masks the
// header and returns the extended slice. It allocates nothing if dst has room for
// len(payload)+Overhead bytes more, except at the beginning of an epoch.
//
// The payload may be elsewhere, or directly behind the header in dst's storage,
// where it is sealed in place; it must not overlap what is appended otherwise.
//
// The number is what [Sealer.Number] was before the call. The error is
// [ErrKeyLimit] if the numbers that may be used are at their end, with which the
// connection must end; then no number is used and dst is as it was.
func (s *Sealer) Seal(dst, payload []byte) ([]byte, error) {
	pn := s.next
	if pn >= s.limit {
		return dst, ErrKeyLimit
	}
	if err := s.enter(pn >> s.bits); err != nil {
		return dst, err
	}
	// Used up now: no way out of what follows may leave it to be used again.
	s.next++
	s.sealed = s.next

	n := len(dst)
	header := dst[n-HeaderLen:]
	binary.BigEndian.PutUint32(header[8:], uint32(pn))
	s.keys.putNonce(&s.nonce, pn)
	dst = s.keys.aead.Seal(dst, s.nonce[:], payload, header)
	s.mask.apply(dst[n-HeaderLen:n], dst[n:])
	return dst, nil
}

// enter makes keys those of the epoch.
func (s *Sealer) enter(epoch uint64) error {
	for s.epoch < epoch {
		k, err := s.keys.next()
		if err != nil {
			return err
		}
		s.keys.forget()
		s.keys = k
		s.epoch++
	}
	return nil
}

// Number returns the number of the next packet.
func (s *Sealer) Number() uint64 { return s.next }

// Epoch returns the epoch of the next packet's number.
func (s *Sealer) Epoch() uint64 { return s.next >> s.bits }

// EpochLength returns how many numbers an epoch has.
func (s *Sealer) EpochLength() uint64 { return 1 << s.bits }

// MaySeal reports whether a packet may be sealed that follows the rate of the
// transfer. It is false in the reserve.
func (s *Sealer) MaySeal() bool { return s.next < s.limit-s.reserve() }

// reserve returns how many of the numbers before limit are for urgent packets.
func (s *Sealer) reserve() uint64 { return 1 << (s.bits - 2) }

// Confirm tells that the peer has received the packet pn. It returns false, and
// does nothing, if no packet of this or a larger number was sealed: then the peer
// lies. It does not know which numbers an update has left out.
func (s *Sealer) Confirm(pn uint64) bool {
	if pn >= s.sealed {
		return false
	}
	s.limit = min(maxNumber, max(s.limit, (pn>>s.bits+2)<<s.bits))
	s.update()
	return true
}

// ForceUpdate makes the next packet be sealed with a new key, by jumping to the
// next epoch's first number. If the peer has not confirmed the present epoch yet,
// the jump takes place in the call of [Sealer.Confirm] that tells so. It does
// nothing if no packet has been sealed with the present key.
func (s *Sealer) ForceUpdate() {
	s.updates = true
	s.update()
}

func (s *Sealer) update() {
	if !s.updates {
		return
	}
	epoch := s.next >> s.bits
	if s.sealed <= epoch<<s.bits {
		s.updates = false // the present key is new
		return
	}
	if start := (epoch + 1) << s.bits; start < s.limit {
		s.next = start
		s.updates = false
	}
}
