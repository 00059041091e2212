package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRangeCoding(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, last int64
		want        []byte
	}{
		{"one packet", 5, 5, words(5)},
		{"two are a range", 5, 6, words(1<<31|5, 6)},
		{"packet 0", 0, 0, words(0)},
		{"the highest number", NumberMask, NumberMask, words(NumberMask)},
		{"over the wrap", NumberMask - 1, NumberMask + 1, words(0xFFFFFFFE, 0)},
		{"after the wrap", period31, period31 + 1, words(1<<31, 1)},
		{"before the first packet", -2, -1, words(0xFFFFFFFE, NumberMask)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := AppendRange([]byte("kept"), c.first, c.last)
			require.Equal(t, append([]byte("kept"), c.want...), b)
			require.LessOrEqual(t, len(c.want), MaxRangeLen)
			require.Equal(t, []span{{Number(c.first), Number(c.last)}}, spans(c.want))
		})
	}
}

// One packet may also come as a range, from other implementations.
func TestRangeOfOnePacketIsRead(t *testing.T) {
	require.Equal(t, []span{{7, 7}}, spans(words(1<<31|7, 7)))
}

// That the end is not before the start is for those to judge who know the window.
func TestBackwardRangeIsRead(t *testing.T) {
	require.Equal(t, []span{{9, 3}}, spans(words(1<<31|9, 3)))
}

func TestListStopsAtWhatCannotBeDecoded(t *testing.T) {
	for _, c := range []struct {
		name string
		body []byte
		want []span
	}{
		{"nothing", nil, nil},
		{"part of a word", []byte{0, 0, 1}, nil},
		{"a word and a part", append(words(4), 0, 0, 1), []span{{4, 4}}},
		{"a range without its end", words(4, 1<<31|6), []span{{4, 4}}},
		{"a range with part of its end", append(words(4, 1<<31|6), 0, 0, 0), []span{{4, 4}}},
		{"an end that is a start", words(4, 1<<31|6, 1<<31|9, 12, 13), []span{{4, 4}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, spans(c.body))
			r := ParseRanges(c.body)
			for range c.want {
				_, _, ok := r.Next()
				require.True(t, ok)
			}
			for range 2 { // and stays stopped
				first, last, ok := r.Next()
				require.Equal(t, span{}, span{first, last})
				require.False(t, ok)
			}
		})
	}
}

func TestZeroRangesIsEmpty(t *testing.T) {
	var r Ranges
	_, _, ok := r.Next()
	require.False(t, ok)
}
