package udpio

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// allowFragments clears the don't-fragment bit of IPv4, which Linux sets by default
// and other systems do not. A UDT packet's size is final once it has a number, so a
// path that became narrower must fragment it rather than lose it for good. It is
// best effort.
func allowFragments(c syscall.RawConn) {
	_ = c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
	})
}
