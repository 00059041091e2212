package frame

import "encoding/binary"

// MaxVarint is the largest number that a variable-length integer holds.
const MaxVarint = 1<<62 - 1

// AppendVarint appends v as in RFC 9000, section 16: the two highest bits of the
// first byte say whether 1, 2, 4 or 8 bytes are used. v is at most MaxVarint.
func AppendVarint(b []byte, v uint64) []byte {
	switch {
	case v < 1<<6:
		return append(b, byte(v))
	case v < 1<<14:
		return append(b, 0x40|byte(v>>8), byte(v))
	case v < 1<<30:
		return binary.BigEndian.AppendUint32(b, 0x80<<24|uint32(v))
	case v <= MaxVarint:
		return binary.BigEndian.AppendUint64(b, 0xc0<<56|v)
	}
	panic("BUG: variable-length integer out of range")
}

// SizeVarint returns how many bytes AppendVarint appends.
func SizeVarint(v uint64) int {
	switch {
	case v < 1<<6:
		return 1
	case v < 1<<14:
		return 2
	case v < 1<<30:
		return 4
	}
	return 8
}

// Varint decodes the number at the start of b and returns how many bytes it takes,
// 0 if b ends within it. A longer form than needed is valid.
func Varint(b []byte) (v uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	n = 1 << (b[0] >> 6)
	if len(b) < n {
		return 0, 0
	}
	switch n {
	case 1:
		v = uint64(b[0])
	case 2:
		v = uint64(binary.BigEndian.Uint16(b)) & (1<<14 - 1)
	case 4:
		v = uint64(binary.BigEndian.Uint32(b)) & (1<<30 - 1)
	case 8:
		v = binary.BigEndian.Uint64(b) & (1<<62 - 1)
	}
	return v, n
}
