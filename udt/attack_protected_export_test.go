package udt

// Rejected returns how many packets the protection of c has turned away: those
// that are not the peer's, and those that had come before.
func Rejected(c *Conn) (forged, replayed uint64) {
	return c.guard.rejected[rejectedForged].Load(), c.guard.rejected[rejectedReplayed].Load()
}

// SetEpochBits makes keys last for 2^bits packets.
func SetEpochBits(s *Security, bits uint) { s.epochBits = bits }

// HalfOpen returns how many exchanges e has under way.
func HalfOpen(e *Endpoint) int {
	e.demux.mu.Lock()
	defer e.demux.mu.Unlock()
	return len(e.demux.exchanges)
}

