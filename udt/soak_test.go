package udt_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"flag"
	"io"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt"
)

var soakTime = flag.Duration("soak", 2*time.Second, "how long TestSoak transfers")

// soakEpoch is the logarithm of the number of packets sealed with one key.
const soakEpoch = 12

// Protected connections that carry data both ways as fast as they can, through loss,
// change their keys every few milliseconds without an error, a wrong byte or growing
// memory.
func TestSoak(t *testing.T) {
	const loss = 0.01
	local := netip.MustParseAddrPort("127.0.0.1:0")
	listen := func() *udt.Endpoint {
		e, err := udt.ListenLossy(local, loss)
		require.NoError(t, err)
		t.Cleanup(func() { e.Close() })
		return e
	}
	key := make([]byte, 32)
	rand.Read(key)
	config := func() *udt.Config {
		s := &udt.Security{PSKs: []udt.PreSharedKey{{Key: key}}}
		udt.SetEpochBits(s, soakEpoch)
		// Buffers that grow little: so what is in flight at a moment, after a pause of the
		// machine, say, does not look like a leak.
		return &udt.Config{Security: s, SendBuffer: 2 << 20, RecvBuffer: 2 << 20, HandshakeTimeout: time.Minute}
	}
	pattern := make([]byte, 1<<20+7)
	rand.Read(pattern)

	clients, servers := listen(), listen()
	idle := int64(heapInUse())
	l, err := servers.Listen(config())
	require.NoError(t, err)
	connect := func() (dialed, accepted *udt.Conn) {
		dialed, err := clients.DialContext(context.Background(), "udt", servers.LocalAddr().String(), config())
		require.NoError(t, err)
		accepted, err = l.AcceptUDT()
		require.NoError(t, err)
		return dialed, accepted
	}
	upFrom, upTo := connect()
	downTo, downFrom := connect()

	var stop atomic.Bool
	var transfers sync.WaitGroup
	send := func(c *udt.Conn) {
		for !stop.Load() {
			if _, err := c.Write(pattern); err != nil {
				t.Error("write:", err)
				return
			}
		}
		if err := c.Close(); err != nil {
			t.Error("close:", err)
		}
	}
	receive := func(c *udt.Conn) {
		buf := make([]byte, 256<<10)
		for at := 0; ; {
			n, err := c.Read(buf)
			for got := buf[:n]; len(got) > 0; {
				same := min(len(got), len(pattern)-at)
				if !bytes.Equal(got[:same], pattern[at:at+same]) {
					t.Error("wrong bytes")
					return
				}
				got, at = got[same:], (at+same)%len(pattern)
			}
			if err == io.EOF {
				if at != 0 {
					t.Error("the end is missing")
				}
				return
			}
			if err != nil {
				t.Error("read:", err)
				return
			}
		}
	}
	transfers.Go(func() { send(upFrom) })
	transfers.Go(func() { receive(upTo) })
	transfers.Go(func() { send(downFrom) })
	transfers.Go(func() { receive(downTo) })

	const looks = 60
	heap := make([]int64, looks)
	goroutines := make([]int, looks)
	var before uint64
	for i := range looks {
		time.Sleep(*soakTime / looks)
		heap[i], goroutines[i] = int64(heapInUse()), runtime.NumGoroutine()
		if *soakTime >= time.Minute {
			now := upTo.Stats().BytesReceived + downTo.Stats().BytesReceived
			t.Logf("%v: %.2f Gbit/s, heap %.1f MiB, %d goroutines", *soakTime/looks*time.Duration(i+1),
				float64(now-before)*8/(*soakTime/looks).Seconds()/1e9, float64(heap[i])/(1<<20), goroutines[i])
			before = now
		}
		if t.Failed() {
			break
		}
	}
	stop.Store(true)
	transfers.Wait()
	for _, c := range []*udt.Conn{upFrom, downFrom} {
		s := c.Stats()
		require.NotZero(t, s.PacketsRetransmitted)
		require.Greater(t, s.PacketsSent>>soakEpoch, uint64(2), "keys were changed")
		t.Logf("%d packets sent, %d of them again, with %d keys", s.PacketsSent, s.PacketsRetransmitted, s.PacketsSent>>soakEpoch)
	}
	for _, c := range []*udt.Conn{upFrom, upTo, downFrom, downTo} {
		s := c.Stats()
		require.Zero(t, s.PacketsForged)
		require.Zero(t, s.PacketsReplayed)
		require.Zero(t, s.Malformed)
	}
	// Buffers grow at first and, at any time, hold what is in flight.
	require.Less(t, median(heap[looks*3/4:]), median(heap[looks/4:looks/2])*5/4+8<<20, "heap, in the last quarter and the second")
	require.LessOrEqual(t, slices.Max(goroutines[looks/2:]), slices.Max(goroutines[:looks/2])+4)
	require.NoError(t, upTo.Close())
	require.NoError(t, downTo.Close())
	require.NoError(t, l.Close())
	require.NoError(t, clients.Close())
	require.NoError(t, servers.Close())
	require.Less(t, int64(heapInUse()), idle+4<<20, "heap after the connections were closed")
}

func median[T cmp.Ordered](v []T) T {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}
