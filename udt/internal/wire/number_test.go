package wire

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	period31 = int64(1) << 31
	period32 = int64(1) << 32
)

func TestNumberKeepsTheLow31Bits(t *testing.T) {
	for n, want := range map[int64]uint32{
		0:                  0,
		1:                  1,
		NumberMask:         NumberMask,
		NumberMask + 1:     0,
		5*period31 + 7:     7,
		-1:                 NumberMask,
		-period31:          0,
		1<<62 | 0x12345678: 0x12345678,
	} {
		require.Equal(t, want, Number(n), "%d", n)
	}
}

func TestUnwrapFindsTheNearestNumber(t *testing.T) {
	const half = period31 / 2
	for _, near := range []int64{0, 1, half, NumberMask, period31, 3*period31 - 1, 1 << 50, -5} {
		for _, d := range []int64{0, 1, -1, 1000, -1000, half - 1, -half + 1, -half} {
			require.Equal(t, near+d, Unwrap(near, Number(near+d)), "near %d, distance %d", near, d)
		}
		// Exactly half a period away both candidates are as near; the lower is taken.
		require.Equal(t, near-half, Unwrap(near, Number(near+half)))
		require.Equal(t, near+half+1-period31, Unwrap(near, Number(near+half+1)), "the one behind is nearer")
	}
}

func TestUnwrapAcrossTheWrap(t *testing.T) {
	require.Equal(t, period31, Unwrap(NumberMask, 0))
	require.Equal(t, period31+1, Unwrap(NumberMask-1, 1))
	require.Equal(t, int64(NumberMask), Unwrap(period31, NumberMask))
	require.Equal(t, int64(-1), Unwrap(0, NumberMask), "before the first packet")
}

func TestUnwrapIgnoresBit31(t *testing.T) {
	require.Equal(t, int64(100), Unwrap(90, 1<<31|100))
	require.Equal(t, int64(-1), Unwrap(0, 0xFFFFFFFF))
}

func TestUnwrapUndoesNumber(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		near := rnd.Int64N(1<<60) - 1<<30
		n := near + rnd.Int64N(period31) - period31/2
		require.Equal(t, n, Unwrap(near, Number(n)))
	}
	for range 10_000 {
		near, num := rnd.Int64N(1<<60), rnd.Uint32()
		n := Unwrap(near, num)
		require.Equal(t, num&NumberMask, Number(n), "the result has the given wire form")
		require.LessOrEqual(t, max(n-near, near-n), period31/2)
	}
}

func TestUnwrap32FindsTheNearestValue(t *testing.T) {
	const half = period32 / 2
	for _, near := range []int64{0, period31, period32 - 1, period32, 7*period32 + 3, 1 << 50} {
		for _, d := range []int64{0, 1, -1, period31 - 1, -period31, half - 1, -half} {
			require.Equal(t, near+d, Unwrap32(near, uint32(near+d)), "near %d, distance %d", near, d)
		}
		require.Equal(t, near-half, Unwrap32(near, uint32(near+half)), "of two as near the lower")
	}
	require.Equal(t, period32, Unwrap32(period32-1, 0))
	require.Equal(t, period32-1, Unwrap32(period32, 0xFFFFFFFF))
	require.Equal(t, int64(-1), Unwrap32(0, 0xFFFFFFFF))
	require.Equal(t, int64(1)<<31-1, Unwrap32(0, 1<<31-1), "bit 31 counts")
}

// The reference sends neither 0 nor 1<<29 - 1.
func TestMessageNumbersSkipTheTwoUnusedOnes(t *testing.T) {
	require.EqualValues(t, 2, NextMessage(1))
	require.EqualValues(t, 0x1FFFFFFE, NextMessage(0x1FFFFFFD))
	require.EqualValues(t, 1, NextMessage(0x1FFFFFFE))
	require.EqualValues(t, 1, NextMessage(0x1FFFFFFF), "not a number to continue from")
	require.EqualValues(t, 1, NextMessage(0), "what a connection begins with")
}

func TestRunDatagrams(t *testing.T) {
	for _, c := range []struct{ length, segment, want int }{
		{1472, 0, 1},
		{1472, -1, 1},
		{1472, 1472, 1},
		{1472, 2000, 1},
		{2944, 1472, 2},
		{2945, 1472, 3},
		{1473, 1472, 2},
		{44 * 1472, 1472, 44},
		{0, 0, 1},
	} {
		r := Run{B: make([]byte, c.length), Segment: c.segment}
		require.Equal(t, c.want, r.Datagrams(), "%d bytes in segments of %d", c.length, c.segment)
	}
}
