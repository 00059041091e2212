//go:build !unix && !windows

package udpio

// isNoBuffers reports whether err says that a queue of the system is full.
func isNoBuffers(error) bool { return false }

// isRefused reports whether err is an ICMP port unreachable.
func isRefused(error) bool { return false }

// isMisdirected reports whether err from a send is probably about another datagram.
func isMisdirected(error) bool { return false }
