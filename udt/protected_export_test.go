package udt

// SetEpochBits makes keys change every 1<<bits packets. Zero is the default.
func SetEpochBits(s *Security, bits uint) { s.epochBits = bits }

// SealingEpoch returns how often c has changed the key with which it seals. Nothing
// may be about to be sent.
func SealingEpoch(c *Conn) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.guard.sealer.Epoch()
}

// SocketID returns the socket ID of c.
func SocketID(c *Conn) uint32 { return c.id }
