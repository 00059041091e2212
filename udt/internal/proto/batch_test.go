package proto

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A Batch that was never used has room for control packets: Poll asks before it
// appends the first one.
func TestNewBatchHasRoom(t *testing.T) {
	b := new(Batch)
	require.True(t, b.room(controlBytes))
	require.False(t, b.room(controlBytes+1))
	b.end(append(b.begin(), make([]byte, 100)...))
	require.True(t, b.room(controlBytes-100))
	require.False(t, b.room(controlBytes-99))
}
