package udpio

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkTransfer sends batches of 44 datagrams of 1472 bytes over loopback from one
// goroutine to another, with a window that the receiver's buffer holds.
func BenchmarkTransfer(b *testing.B) {
	b.Run("offload", func(b *testing.B) { benchmarkTransfer(b, Options{}, Options{}) })
	b.Run("no offload", func(b *testing.B) {
		benchmarkTransfer(b, Options{DisableOffload: true}, Options{DisableOffload: true})
	})
	b.Run("offload at the sender", func(b *testing.B) { benchmarkTransfer(b, Options{}, Options{DisableOffload: true}) })
	b.Run("offload at the receiver", func(b *testing.B) { benchmarkTransfer(b, Options{DisableOffload: true}, Options{}) })
}

func benchmarkTransfer(b *testing.B, from, at Options) {
	const datagrams, size = 44, 1472
	at.RecvBuffer = 4 << 20
	dst, err := Listen(context.Background(), "udp", netip.MustParseAddrPort("127.0.0.1:0"), at)
	require.NoError(b, err)
	src := listen(b, "udp", "127.0.0.1:0", from)
	// Small datagrams take about twice their size of the buffer.
	window := int64(max(dst.Info().RecvBuffer/2, datagrams*size))

	var arrived atomic.Int64 // bytes
	done := make(chan error)
	go func() {
		buf := make([]byte, 64<<10)
		for {
			got, err := dst.Recv(buf)
			if err != nil {
				done <- err
				return
			}
			arrived.Add(int64(got.N))
		}
	}()

	peer := to(dst.LocalAddr())
	runs := []Run{{B: make([]byte, datagrams*size), Segment: size}}
	b.SetBytes(datagrams * size)
	b.ReportAllocs()
	var sent int64
	for b.Loop() {
		for sent-arrived.Load() > window {
			runtime.Gosched()
		}
		n, err := src.Send(peer, runs, true)
		require.NoError(b, err)
		sent += int64(n) * size
	}
	for arrived.Load() < sent {
		runtime.Gosched()
	}
	require.NoError(b, dst.Close())
	require.ErrorIs(b, <-done, net.ErrClosed)
}
