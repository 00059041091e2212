package udpio

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isNoBuffers reports whether err says that a queue of the system is full.
func isNoBuffers(err error) bool { return errors.Is(err, windows.WSAENOBUFS) }

// isRefused reports whether err is an ICMP port unreachable. Windows calls it a reset.
func isRefused(err error) bool { return errors.Is(err, windows.WSAECONNRESET) }

// isMisdirected reports whether err from a send is probably about another datagram.
func isMisdirected(err error) bool {
	return isRefused(err) || errors.Is(err, windows.WSAENETRESET)
}
