package udpio

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// Sending and receiving allocate nothing. (Under the race detector sync.Pool drops what
// it is given at random.)
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("race detector")
	}
	foreign := func(c *net.UDPConn) net.PacketConn { return foreignConn{c} }
	for _, o := range []Options{{}, {DisableOffload: true}} {
		testNoAllocations(t, o, foreign)
	}
}

func testNoAllocations(t *testing.T, o Options, foreign func(*net.UDPConn) net.PacketConn) {
	dst := listen(t, "udp", "127.0.0.1:0", o)
	for name, src := range map[string]Socket{
		"IPv4":       listen(t, "udp4", "127.0.0.1:0", o),
		"both":       listen(t, "udp", "[::]:0", o),
		"connected":  connect(t, dst.LocalAddr(), o),
		"PacketConn": wrap(t, "127.0.0.1:0", foreign),
	} {
		peer := NewPeer(dst.LocalAddr(), dst.LocalAddr().Addr())
		data := pattern(5000)
		runs := []Run{{B: data[:3500], Segment: 1000}, {B: data[4000:]}}
		b := make([]byte, 64<<10)
		var n int
		var err error
		require.Zero(t, testing.AllocsPerRun(100, func() {
			var sent int
			sent, err = src.Send(peer, runs, true)
			for n = 0; n < sent && err == nil; {
				var got Received
				got, err = dst.Recv(b)
				n += (got.N + got.Segment - 1) / max(got.Segment, 1)
			}
		}), name)
		require.NoError(t, err, name)
		require.Equal(t, 5, n, name)
	}
}
