//go:build !unix && !windows

package udpio

import "syscall"

// bufferSizes returns 0: the sizes are unknown.
func bufferSizes(syscall.RawConn) (recv, send int) { return 0, 0 }
