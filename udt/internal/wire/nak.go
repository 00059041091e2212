package wire

import "encoding/binary"

// rangeBit marks the first word of a range of lost packets.
const rangeBit = 1 << 31

// MaxRangeLen is the most bytes one range takes in a loss list.
const MaxRangeLen = 8

// AppendRange appends the lost packets first to last, inclusive, in the coding
// of SPEC.md#nak.
func AppendRange(b []byte, first, last int64) []byte {
	if first == last {
		return binary.BigEndian.AppendUint32(b, Number(first))
	}
	b = binary.BigEndian.AppendUint32(b, rangeBit|Number(first))
	return binary.BigEndian.AppendUint32(b, Number(last))
}

// Ranges reads a loss list. Its zero value is an empty list.
type Ranges struct{ rest []byte }

// ParseRanges returns a reader of the loss list b.
func ParseRanges(b []byte) Ranges { return Ranges{b} }

// Next returns the next range, inclusive. ok is false at the end of the list
// and at a word that cannot be decoded (a range without its end, or whose end
// is marked as a start): what follows such a word is not trusted.
func (r *Ranges) Next() (first, last uint32, ok bool) {
	if len(r.rest) < 4 {
		return 0, 0, false
	}
	first = binary.BigEndian.Uint32(r.rest)
	if first&rangeBit == 0 {
		r.rest = r.rest[4:]
		return first, first, true
	}
	if len(r.rest) < 8 {
		r.rest = nil
		return 0, 0, false
	}
	last = binary.BigEndian.Uint32(r.rest[4:])
	if last&rangeBit != 0 {
		r.rest = nil
		return 0, 0, false
	}
	r.rest = r.rest[8:]
	return first & NumberMask, last, true
}
