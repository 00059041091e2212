package udpio

import "syscall"

// bufferSizes returns the sizes of the receive and send buffers, 0 if unknown.
func bufferSizes(raw syscall.RawConn) (recv, send int) {
	_ = raw.Control(func(fd uintptr) {
		recv, _ = syscall.GetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
		send, _ = syscall.GetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
	})
	return max(recv, 0), max(send, 0)
}
