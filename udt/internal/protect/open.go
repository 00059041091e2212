package protect

import (
	"bytes"
	"encoding/binary"
)

// An Opener opens the packets of the receiving direction, each once.
type Opener struct {
	// The keys of the epoch of the largest number and of its neighbours: prev is
	// nil before the second epoch and when dropped, next until it is needed.
	prev, keys, next *epochKeys

	mask     headerKey
	nonce    [nonceLen]byte // here because a local one would escape to the heap
	bits     uint
	epoch    uint64 // of keys
	expected uint64 // the largest number opened + 1
	seen     replayWindow

	failures    uint64 // packets that failed authentication
	maxFailures uint64
}

// NewOpener returns an Opener whose keys are derived from secret, the traffic
// secret of the receiving direction. It fails as [NewSealer] does, and like that
// does not keep secret.
func NewOpener(suite Suite, secret []byte, cfg Config) (*Opener, error) {
	cfg, err := cfg.filled()
	if err != nil {
		return nil, err
	}
	if err := suite.check(secret); err != nil {
		return nil, err
	}
	o := &Opener{bits: cfg.EpochBits, maxFailures: suite.maxFailures()}
	d := suite.deriver(secret)
	if err := o.mask.init(suite, d); err != nil {
		return nil, err
	}
	o.keys, err = newEpochKeys(suite, bytes.Clone(secret), d)
	if err != nil {
		return nil, err
	}
	o.seen.init(cfg.Window)
	return o, nil
}

// Open opens the packet b in place. It returns the payload, which lies in b behind
// the header, and the packet's number. The header is then plain, with the low bits
// of the number as its third word. It allocates nothing, except when the next
// epoch's key is first needed and when the replay window grows.
//
// The errors are [ErrShort], [ErrEpoch], [ErrReplay], [ErrAuth] and [ErrLimit].
// After one of them nothing in b may be trusted: the header may be unmasked, with
// a mask that means nothing if the packet was forged, and the payload may be zeroed.
// But the last Overhead bytes of b are always as they were, so that a stateless
// reset can be looked for there.
//
// Whoever holds a packet that may be something else, such as a handshake repeated
// in the clear, must look before Open.
func (o *Opener) Open(b []byte) (payload []byte, pn uint64, err error) {
	if o.failures >= o.maxFailures {
		return nil, 0, ErrLimit
	}
	if len(b) < HeaderLen+Overhead {
		return nil, 0, ErrShort
	}
	header, body := b[:HeaderLen], b[HeaderLen:]
	o.mask.apply(header, body)
	// maxNumber-1 is the last number of all; none is expected behind it.
	pn = decodeNumber(min(o.expected, maxNumber-1), binary.BigEndian.Uint32(header[8:]))
	k, err := o.keysOf(pn >> o.bits)
	if err != nil {
		return nil, 0, err
	}
	if o.seen.has(pn) {
		return nil, 0, ErrReplay
	}
	k.putNonce(&o.nonce, pn)
	payload, err = k.aead.Open(body[:0], o.nonce[:], body, header)
	if err != nil {
		o.failures++
		if o.failures >= o.maxFailures {
			return nil, 0, ErrLimit
		}
		return nil, 0, ErrAuth
	}
	o.opened(pn)
	return payload, pn, nil
}

// keysOf returns the keys of an epoch, or ErrEpoch.
func (o *Opener) keysOf(epoch uint64) (*epochKeys, error) {
	switch {
	case epoch == o.epoch:
		return o.keys, nil
	case epoch+1 == o.epoch && o.prev != nil:
		return o.prev, nil
	case epoch != o.epoch+1:
		return nil, ErrEpoch
	}
	if o.next == nil {
		k, err := o.keys.next()
		if err != nil {
			return nil, err
		}
		o.next = k
		o.keys.forget() // only for opening from now on
	}
	return o.next, nil
}

// opened notes that the packet pn is authentic.
func (o *Opener) opened(pn uint64) {
	o.seen.add(pn)
	if pn < o.expected {
		return
	}
	o.expected = pn + 1
	if pn>>o.bits != o.epoch {
		o.prev, o.keys, o.next = o.keys, o.next, nil
		o.epoch++
	}
}

// Largest returns the largest number opened; ok is false if there is none yet.
func (o *Opener) Largest() (pn uint64, ok bool) { return o.expected - 1, o.expected > 0 }

// Epoch returns the epoch of the largest number. When it rises, late packets of
// the epoch before can still be opened until [Opener.DropPrevious], which is to be
// called when none is to be expected any more: three retransmission timeouts
// after the rise.
func (o *Opener) Epoch() uint64 { return o.epoch }

// DropPrevious drops the key of the epoch before the present one, if there is one.
// Packets of that epoch then meet [ErrEpoch].
func (o *Opener) DropPrevious() { o.prev = nil }

// Failures returns how many packets failed authentication.
func (o *Opener) Failures() uint64 { return o.failures }
