package protect

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// rfcDecode is DecodePacketNumber of RFC 9000, appendix A.3, word for word.
func rfcDecode(largestPN int64, truncatedPN int64, pnNbits uint) int64 {
	expectedPN := largestPN + 1
	pnWin := int64(1) << pnNbits
	pnHwin := pnWin / 2
	pnMask := pnWin - 1
	candidatePN := (expectedPN & ^pnMask) | truncatedPN
	if candidatePN <= expectedPN-pnHwin && candidatePN < (1<<62)-pnWin {
		return candidatePN + pnWin
	}
	if candidatePN > expectedPN+pnHwin && candidatePN >= pnWin {
		return candidatePN - pnWin
	}
	return candidatePN
}

func TestNumberDecoding(t *testing.T) {
	const w = 1 << 32
	for _, c := range []struct {
		expected uint64
		low      uint32
		want     uint64
	}{
		{0, 0, 0},
		{0, 1<<32 - 1, 1<<32 - 1}, // none is negative
		{1, 0, 0},
		{w, 0, w},
		{w, 1<<32 - 1, w - 1},
		{w - 1, 0, w},
		{w - 1, 5, w + 5},
		{5*w + 7, 7 + 1<<31, 5*w + 7 + 1<<31}, // equally near: the larger
		{5*w + 7, 8 + 1<<31, 4*w + 8 + 1<<31},
		{maxNumber - 1, 1<<32 - 1, maxNumber - 1},
		{maxNumber - 1, 0, maxNumber - w}, // not beyond the end
	} {
		require.Equal(t, c.want, decodeNumber(c.expected, c.low), "%+v", c)
	}
}

func FuzzPNDecode(f *testing.F) {
	for _, expected := range []uint64{0, 1, 1 << 31, 1<<31 + 1, 1 << 32, 1<<32 + 1<<31, 1<<61 + 5, maxNumber - 1<<32, maxNumber - 1<<31, maxNumber - 1} {
		for _, low := range []uint32{0, 1, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<32 - 1} {
			f.Add(expected, low)
			f.Add(expected, uint32(expected)+low)
		}
	}
	f.Fuzz(func(t *testing.T, expected uint64, low uint32) {
		expected %= maxNumber
		pn := decodeNumber(expected, low)
		require.EqualValues(t, rfcDecode(int64(expected)-1, int64(low), 32), pn)
		require.Equal(t, low, uint32(pn))
		require.Less(t, pn, uint64(maxNumber))
	})
}
