//go:build !linux

package udpio

import "syscall"

// allowFragments does nothing: the don't-fragment bit is off by default.
func allowFragments(syscall.RawConn) {}
