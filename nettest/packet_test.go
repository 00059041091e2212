package nettest_test

import (
	"net"
	"testing"

	"github.com/udtgo/udtgo/nettest"
)

// The suite holds for UDP on loopback, which is what a net.PacketConn is measured against.
func TestPacketConnUDP(t *testing.T) {
	nettest.TestPacketConn(t, func() (c1, c2 net.PacketConn, stop func(), err error) {
		c1, err = net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			return nil, nil, nil, err
		}
		c2, err = net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			c1.Close()
			return nil, nil, nil, err
		}
		return c1, c2, func() { c1.Close(); c2.Close() }, nil
	})
}
