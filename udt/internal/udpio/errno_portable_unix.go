//go:build unix && (!linux || udtnooffload)

package udpio

import (
	"errors"
	"syscall"
)

// isRefused reports whether err is an ICMP port unreachable.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
