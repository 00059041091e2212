package nettest_test

import (
	"io"
	"net"
	"testing"

	"github.com/udtgo/udtgo/nettest"
	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/udt"
)

// PacketConns keep the promises of net.PacketConn on the kernel's loopback.
func TestPacketConnUDT(t *testing.T) { testPacketConn(t, nil) }

// So do those whose every packet is sealed.
func TestPacketConnProtected(t *testing.T) { testPacketConn(t, protected) }

func testPacketConn(t *testing.T, config *udt.Config) {
	config = pipes.Patient(config)
	nettest.TestPacketConnWith(t, func() (c1, c2 net.PacketConn, stop func(), err error) {
		p1, err := udt.ListenPacket("udt", "127.0.0.1:0", config)
		if err != nil {
			return nil, nil, nil, err
		}
		p2, err := udt.ListenPacket("udt", "127.0.0.1:0", config)
		if err != nil {
			p1.Endpoint().Close()
			return nil, nil, nil, err
		}
		return p1, p2, func() {
			p1.Endpoint().Close()
			p2.Endpoint().Close()
		}, nil
	}, nettest.PacketOptions{MaxSize: 64 << 10, ShortBuffer: io.ErrShortBuffer})
}
