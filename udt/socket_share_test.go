package udt

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The connections that receive through a socket share its buffer, and those that
// have stopped give their part back.
func TestSocketBufferIsShared(t *testing.T) {
	now := time.Unix(1000, 0)
	s := socketShare{buffer: 4 << 20}
	conns := []*Conn{{}, {}, {}, {}}
	require.Equal(t, 4<<20, s.note(now, conns[0]), "alone")
	require.Equal(t, 4<<20, s.note(now, conns[0]), "still alone")
	for _, c := range conns {
		s.note(now, c)
	}
	require.Equal(t, 1<<20, s.note(now, conns[0]), "one of four")

	now = now.Add(shareInterval)
	require.Equal(t, 1<<20, s.note(now, conns[0]), "the others received in the interval before")
	now = now.Add(shareInterval)
	require.Equal(t, 4<<20, s.note(now, conns[0]), "the others have stopped")

	unknown := socketShare{}
	require.Zero(t, unknown.note(now, conns[0]))
}
