package memory

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/proto"
)

// Buffers together grow by no more than the limit, and what shrinks makes room.
func TestBudgetBoundsGrowth(t *testing.T) {
	b := Budget{Limit: 100}
	require.True(t, b.Grow(60))
	require.False(t, b.Grow(41))
	require.True(t, b.Grow(40))
	require.EqualValues(t, 100, b.Held())
	b.Shrink(60)
	require.True(t, b.Grow(50))
	require.EqualValues(t, 90, b.Held())
}

// The more waits to be read, the higher the level.
func TestBudgetLevels(t *testing.T) {
	b := Budget{ReadLimit: 1000}
	for _, row := range []struct {
		held int
		want proto.Level
	}{{800, proto.LevelFree}, {801, proto.LevelTight}, {950, proto.LevelTight}, {951, proto.LevelFull}} {
		b.Hold(row.held)
		require.Equal(t, row.want, b.Level(), row.held)
		b.Hold(-row.held)
	}
	require.Zero(t, b.Unread())
}

// A block is shared as long as anybody else has a reference.
func TestBlockIsShared(t *testing.T) {
	b := NewBlock()
	require.False(t, b.Shared())
	b.Hold()
	require.True(t, b.Shared())
	b.Release()
	require.False(t, b.Shared())
	b.Release()
}

// A copy has the bytes, whatever their number, and does not change with the original.
func TestCopy(t *testing.T) {
	for _, n := range []int{0, 1, 63, 64, 65, 1500, 65535} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i)
		}
		p := Copy(b)
		clear(b)
		require.Len(t, p.B, n)
		for i := range p.B {
			require.Equal(t, byte(i), p.B[i])
		}
		p.Owner.Release()
	}
}
