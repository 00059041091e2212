package main

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func setCongestion(fd int, name string) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name))
}

// missingCongestion says why TCP cannot use a congestion control, or "".
func missingCongestion(name string) string {
	if name == "" {
		return ""
	}
	list, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	if err == nil && !slices.Contains(strings.Fields(string(list)), name) {
		return "the kernel has no TCP " + name
	}
	return ""
}
