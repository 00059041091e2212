package udt

// SetInitialNumber makes connections of c start at sequence number n, where the
// side that dials chooses it.
func SetInitialNumber(c *Config, n uint32) { c.initialNumber = &n }
