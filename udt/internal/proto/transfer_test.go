package proto

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// transfer sends n bytes from a to b and m the other way, and closes.
func (s *sim) transfer(n, m int64, limit time.Duration) {
	s.t.Helper()
	if s.a.app == nil {
		s.a.app = &streamApp{total: n}
	}
	if s.b.app == nil {
		s.b.app = &streamApp{total: m}
	}
	a, b := s.a.app.(*streamApp), s.b.app.(*streamApp)
	if s.a.c == nil {
		s.start()
	}
	done := s.run(limit, func() bool { return s.b.c != nil && s.ended() })
	require.True(s.t, done, "seed %d: after %v: a phase %d read %d of %d, b read %d of %d\n%+v", s.seed, s.now, s.a.c.phase, a.read, m, b.read, n, s.a.c.Info())
	require.Equal(s.t, n, b.read, "seed %d: a %v, %v; b %v, %v", s.seed, a.readErr, s.a.c.Err(), b.readErr, s.b.c.Err())
	require.Equal(s.t, m, a.read, "seed %d: a %v, %v; b %v, %v", s.seed, a.readErr, s.a.c.Err(), b.readErr, s.b.c.Err())
	s.quiet()
}

// streams returns the kinds of pairs in stream mode.
func streams() []kind {
	var all []kind
	for _, k := range kinds() {
		if !k.message {
			all = append(all, k)
		}
	}
	return all
}

func TestTransferOnPerfectNetwork(t *testing.T) {
	for _, k := range streams() {
		t.Run(k.String(), func(t *testing.T) {
			newSim(t, 1, k).transfer(1<<20, 0, 20*time.Second)
			newSim(t, 2, k).transfer(0, 1<<20, 20*time.Second)
			newSim(t, 3, k).transfer(300_000, 200_000, 20*time.Second)
			newSim(t, 4, k).transfer(0, 0, 20*time.Second)
			newSim(t, 5, k).transfer(1, 1, 20*time.Second)
		})
	}
}
