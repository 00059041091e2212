package testkit

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
)

// UnusedPort returns a UDP port of 127.0.0.1 that is closed. It is below those that
// systems choose for sockets without a port of their own, 32768 and up on Linux, so
// that other processes are not given it before it is used. The test fails if there is
// none.
func UnusedPort(tb testing.TB) netip.AddrPort {
	tb.Helper()
	for range 100 {
		port := uint16(20_000 + rand.IntN(32_768-20_000))
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
		if err != nil {
			continue
		}
		if err := c.Close(); err != nil {
			tb.Fatal(err)
		}
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	}
	tb.Fatal("found no unused port")
	return netip.AddrPort{}
}
