package udt_test

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/udtgo/udtgo/udt"
)

// forge returns a function that sends a datagram with any source address over the
// loopback device, by a raw socket, which only root may open.
func forge(t *testing.T) func(from, to netip.AddrPort, payload []byte) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		t.Skipf("a raw socket: %v", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return func(from, to netip.AddrPort, payload []byte) {
		require.True(t, from.Addr().IsLoopback() && to.Addr().IsLoopback())
		b := []byte{0: 0x45, 8: 64, 9: unix.IPPROTO_UDP, 19: 0} // the kernel sums it up
		a := from.Addr().As4()
		copy(b[12:], a[:])
		a = to.Addr().As4()
		copy(b[16:], a[:])
		b = binary.BigEndian.AppendUint16(b, from.Port())
		b = binary.BigEndian.AppendUint16(b, to.Port())
		b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
		b = append(append(b, 0, 0), payload...) // no checksum
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		require.NoError(t, unix.Sendto(fd, b, 0, &unix.SockaddrInet4{Addr: a}))
	}
}

// A21, over sockets of the system: ten thousand random packets per second, from the
// peer's own address and with the right socket ID, are not accepted, not answered, and
// take no more goodput than the same packets to a closed port do.
func TestA21GoodputUnderForgedPackets(t *testing.T) {
	send := forge(t)
	local := netip.MustParseAddrPort("127.0.0.1:0")
	listen := func() *udt.Endpoint {
		pc, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(local))
		require.NoError(t, err)
		e, err := udt.NewEndpoint(pc, nil)
		require.NoError(t, err)
		t.Cleanup(func() { e.Close() })
		return e
	}
	client, server := listen(), listen()
	listener, err := server.Listen(psk(udt.ModeStream))
	require.NoError(t, err)
	a, err := client.DialContext(context.Background(), "udt", server.LocalAddr().String(), psk(udt.ModeStream))
	require.NoError(t, err)
	b, err := listener.AcceptUDT()
	require.NoError(t, err)
	gone, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(local))
	require.NoError(t, err)
	closed := addrOf(gone.LocalAddr())
	require.NoError(t, gone.Close())

	var transfer sync.WaitGroup
	var read int64
	transfer.Go(func() {
		for buf := make([]byte, 1<<20); ; {
			if _, err := a.Write(buf); err != nil {
				return
			}
		}
	})
	transfer.Go(func() { read, _ = io.Copy(io.Discard, onlyReader{b}) })

	from := addrOf(a.LocalAddr())
	var to atomic.Pointer[netip.AddrPort]
	to.Store(&closed)
	stop := make(chan bool)
	var hostile sync.WaitGroup
	sent := 0 // to the server
	hostile.Go(func() {
		r := rand.New(rand.NewPCG(21, 21))
		for start, n := time.Now(), 0; ; {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			for ; n < int(time.Since(start)/(100*time.Microsecond)); n++ {
				p := randomBytes(r, 32+r.IntN(100))
				binary.BigEndian.PutUint32(p[12:], udt.SocketID(b))
				if d := *to.Load(); d == closed {
					send(from, d, p)
				} else {
					send(from, d, p)
					sent++
				}
			}
		}
	})
	slices := 8
	if *attacksLong {
		slices = 100
	}
	target := addrOf(b.LocalAddr())
	time.Sleep(500 * time.Millisecond)
	var goodput [2]uint64
	for i := range slices {
		attacked := (i + i/2) % 2 // which of the two comes first changes too
		to.Store([]*netip.AddrPort{&closed, &target}[attacked])
		before := b.Stats().BytesReceived
		time.Sleep(250 * time.Millisecond)
		goodput[attacked] += b.Stats().BytesReceived - before
	}
	close(stop)
	hostile.Wait()
	require.NoError(t, a.Close())
	transfer.Wait()
	s := b.Stats()
	share := float64(goodput[1]) / float64(goodput[0])
	require.NotZero(t, s.PacketsForged)
	require.LessOrEqual(t, s.PacketsForged, uint64(sent))
	require.Zero(t, s.Malformed)
	require.EqualValues(t, read, s.BytesReceived, "not a byte of theirs")
	if *attacksLong {
		require.Greater(t, share, 0.95)
	}
	require.NoError(t, b.Close())
	row(t, "A21", "10000 random packets per second to a protected connection at full rate, from its peer's address (raw sockets)",
		"%d of %d looked at, 0 accepted; goodput %.3f of that with a closed port", s.PacketsForged, sent, share)
}
