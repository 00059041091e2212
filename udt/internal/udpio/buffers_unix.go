//go:build unix

package udpio

import (
	"runtime"
	"syscall"
)

// bufferSizes returns the sizes of the receive and send buffers, 0 if unknown. Linux
// reports twice the usable size: the other half is for its bookkeeping.
func bufferSizes(raw syscall.RawConn) (recv, send int) {
	_ = raw.Control(func(fd uintptr) {
		recv, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
		send, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
	})
	if runtime.GOOS == "linux" {
		recv, send = recv/2, send/2
	}
	return max(recv, 0), max(send, 0)
}
