package simnet

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkDatagram is a datagram of 1472 bytes written and read over a
// perfect link.
func BenchmarkDatagram(b *testing.B) {
	n := New(Config{})
	defer n.Close()
	from, err := n.Listen(netip.AddrPortFrom(hostA, 0))
	require.NoError(b, err)
	to, err := n.Listen(netip.AddrPortFrom(hostB, 0))
	require.NoError(b, err)
	buf := make([]byte, 1472)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		from.WriteToUDPAddrPort(buf, to.LocalAddrPort())
		to.ReadFromUDPAddrPort(buf)
	}
}

// BenchmarkLongFatLink is a datagram's way through a link of 1 Gbit/s and
// 100 ms that is full, so 8000 others are on the way.
func BenchmarkLongFatLink(b *testing.B) {
	s := NewShaper(Link{Rate: 1e9, Delay: 100 * time.Millisecond, Jitter: time.Millisecond, Loss: 0.01}, 1, 1)
	var line Timeline[int]
	var now time.Duration
	for b.Loop() {
		now += 12 * time.Microsecond
		if f := s.Offer(now, 1472); f.N > 0 {
			line.Push(f.Copies[0].At, 0)
		}
		line.Pop(now)
	}
}
