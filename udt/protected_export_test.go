package udt

// SetEpochBits makes keys change every 1<<bits packets. Zero is the default.
func SetEpochBits(s *Security, bits uint) { s.epochBits = bits }
