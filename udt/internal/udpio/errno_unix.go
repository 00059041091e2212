//go:build unix

package udpio

import (
	"errors"
	"syscall"
)

// isNoBuffers reports whether err says that a queue of the system is full.
func isNoBuffers(err error) bool {
	return errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

// isMisdirected reports whether err from a send is probably about another datagram: an
// ICMP message that came back earlier, or a spurious EPERM.
func isMisdirected(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && misdirected(errno)
}

// misdirected is isMisdirected for a bare error number.
func misdirected(errno syscall.Errno) bool {
	switch errno {
	case syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EPROTO, syscall.EPERM:
		return true
	}
	return false
}
