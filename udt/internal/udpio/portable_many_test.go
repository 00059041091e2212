//go:build udtnooffload && linux

package udpio

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv4"
)

// A faultyBatch records the sizes of batches and lets a part of each through: what
// allow returns, or its error.
type faultyBatch struct {
	batchWriter
	calls []int
	allow func(call, count int) (int, error)
}

func (f *faultyBatch) WriteBatch(m []ipv4.Message, flags int) (int, error) {
	f.calls = append(f.calls, len(m))
	n, err := f.allow(len(f.calls)-1, len(m))
	if err != nil {
		return -1, err
	}
	return f.batchWriter.WriteBatch(m[:n], flags)
}

// Several datagrams are one call. What a call did not take is sent by the next; what
// it refused is tried by itself, so that the error is dealt with as any.
func TestWriteBatch(t *testing.T) {
	for name, c := range map[string]struct {
		allow     func(call, count int) (int, error)
		calls     []int
		transient uint64
	}{
		"all":     {func(_, n int) (int, error) { return n, nil }, []int{64, 36}, 0},
		"partial": {func(_, n int) (int, error) { return min(n, 40), nil }, []int{64, 60, 20}, 0},
		"refused": {func(call, n int) (int, error) {
			if call == 0 {
				return 0, syscall.ECONNREFUSED
			}
			return n, nil
		}, []int{64, 64, 35}, 1},
	} {
		src, dst := listen(t, "udp", "127.0.0.1:0", Options{}), listen(t, "udp", "127.0.0.1:0", Options{})
		s := src.(*systemSocket)
		f := &faultyBatch{batchWriter: s.batch, allow: c.allow}
		s.batch = f
		runs := []Run{{B: pattern(9950), Segment: 100}}
		n, err := src.Send(to(dst.LocalAddr()), runs, true)
		require.NoError(t, err, name)
		require.Equal(t, 100, n, name)
		require.Equal(t, c.calls, f.calls, name)
		require.Equal(t, c.transient, src.Info().TransientErrors, name)
		got, _ := receive(t, dst, n)
		require.Equal(t, split(runs), got, name)
	}
}

// The refusal that a batch comes upon reaches the reader of a connected socket.
func TestWriteBatchHandsOverRefusal(t *testing.T) {
	dst := listen(t, "udp", "127.0.0.1:0", Options{})
	src := connect(t, dst.LocalAddr(), Options{})
	s := src.(*systemSocket)
	s.batch = &faultyBatch{batchWriter: s.batch, allow: func(int, int) (int, error) { return 0, syscall.ECONNREFUSED }}
	n, err := src.Send(to(dst.LocalAddr()), []Run{{B: pattern(200), Segment: 100}}, false)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	_, err = src.Recv(make([]byte, 64<<10))
	var refused *RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, dst.LocalAddr(), refused.Addr)
}

// A pinned source that the system refuses is given up, as without batches.
func TestWriteBatchWithoutItsSource(t *testing.T) {
	src, dst := listen(t, "udp4", "0.0.0.0:0", Options{}), listen(t, "udp4", "127.0.0.1:0", Options{})
	runs := []Run{{B: pattern(950), Segment: 100}}
	n, err := src.Send(NewPeer(dst.LocalAddr(), netip.MustParseAddr("192.0.2.1")), runs, true)
	require.NoError(t, err)
	require.Equal(t, 10, n)
	got, _ := receive(t, dst, n)
	require.Equal(t, split(runs), got)
}
