package udt

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/memory"
	"github.com/udtgo/udtgo/udt/internal/udpio"
)

// Foreign datagrams that the system merged into one read, because they have the
// same size and source, are handed over one by one.
func TestMergedForeignPacketsAreSeparated(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	var sizes []int
	e, err := NewEndpoint(pc, &EndpointConfig{
		OnForeignPacket: func(b []byte, _ netip.AddrPort) { sizes = append(sizes, len(b)) },
	})
	require.NoError(t, err)
	defer func() {
		e.Close()
		<-e.done
	}()
	for _, id := range []byte{0, 9} {
		sizes = nil
		b := memory.NewBlock()
		clear(b.Buf[:])
		for _, first := range []int{0, 20, 40} {
			b.Buf[first+15] = id // where UDT has the socket ID
		}
		e.dispatch(time.Now(), b, udpio.Received{N: 55, Segment: 20, From: netip.MustParseAddrPort("127.0.0.1:9")})
		b.Release()
		require.Equal(t, []int{20, 20, 15}, sizes, "socket ID %d", id)
	}
}
