package wire

import (
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

// unhex decodes hexadecimal digits; spaces may part them.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var digits []byte
	for i := range len(s) {
		if s[i] != ' ' {
			digits = append(digits, s[i])
		}
	}
	b := make([]byte, hex.DecodedLen(len(digits)))
	_, err := hex.Decode(b, digits)
	require.NoError(t, err)
	return b
}

// words is the encoding of w, big-endian.
func words(w ...uint32) []byte {
	var b []byte
	for _, v := range w {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// A span is an inclusive range of wire numbers.
type span [2]uint32

// spans reads a loss list to its end.
func spans(b []byte) []span {
	var list []span
	r := ParseRanges(b)
	for {
		first, last, ok := r.Next()
		if !ok {
			return list
		}
		list = append(list, span{first, last})
	}
}
