package udt_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// The tests whose names begin with TestRegression are of defects that earlier
// implementations of UDT in Go had. Each holds for our extended
// acknowledgements and for those of the reference.

// Types of control packets.
const (
	typeHandshake = 0
	typeKeepAlive = 1
	typeAck       = 2
	typeNak       = 3
	typeShutdown  = 5
	typeAck2      = 6
)

// isControl reports whether a datagram is a control packet of type t.
func isControl(b []byte, t uint16) bool {
	return len(b) >= 16 && binary.BigEndian.Uint16(b) == 0x8000|t
}

// inBothLabs runs f in a lab with each kind of peer.
func inBothLabs(t *testing.T, link simnet.Link, f func(l *lab, c *udt.Config)) {
	t.Helper()
	for name, c := range map[string]*udt.Config{"extended": {}, "legacy": legacy} {
		t.Run(name, func(t *testing.T) { inLab(t, link, func(l *lab) { f(l, c) }) })
	}
}

// noise returns n bytes that never repeat.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// requireTransfer requires that data, written to a by the given number of bytes
// at a time, arrive at b and are followed by the end, within limit.
func (l *lab) requireTransfer(a, b *udt.Conn, data []byte, step int, limit time.Duration) {
	l.Helper()
	start := time.Now()
	written := make(chan error, 1)
	go func() {
		buf := make([]byte, step)
		for rest := data; len(rest) > 0; {
			// The buffer is the caller's again once Write has returned.
			n := copy(buf, rest)
			rest = rest[n:]
			if _, err := a.Write(buf[:n]); err != nil {
				written <- err
				return
			}
			clear(buf)
		}
		written <- a.Close()
	}()
	require.NoError(l, b.SetReadDeadline(start.Add(limit)))
	got, err := io.ReadAll(b)
	require.NoError(l, err, "after %d of %d bytes", len(got), len(data))
	require.True(l, bytes.Equal(data, got), "%d bytes arrived, not the %d that were sent", len(got), len(data))
	require.NoError(l, <-written)
	require.NoError(l, b.Close())
}

// dropEvery loses every kth datagram that is chosen.
func dropEvery(k int, choose func(b []byte, from netip.AddrPort) bool) simnet.Filter {
	n := 0
	return func(b []byte, from, _ netip.AddrPort) simnet.Verdict {
		if !choose(b, from) {
			return simnet.Pass
		}
		if n++; (n-1)%k == 0 {
			return simnet.Drop
		}
		return simnet.Pass
	}
}

// A lost NAK is repeated, or made unnecessary: both ends waited for ever.
func TestRegressionLostNak(t *testing.T) {
	inBothLabs(t, simnet.Link{Delay: 10 * time.Millisecond, Loss: 0.02}, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		l.net.SetFilter(dropEvery(2, func(b []byte, _ netip.AddrPort) bool { return isControl(b, typeNak) }))
		l.requireTransfer(a, b, noise(1<<20), 64<<10, time.Minute)
	})
}

// A lost ACK is repeated while the sender is blocked, even if no ACK2 arrives.
func TestRegressionLostAck(t *testing.T) {
	inBothLabs(t, wan, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		acks := dropEvery(2, func(b []byte, _ netip.AddrPort) bool { return isControl(b, typeAck) })
		l.net.SetFilter(func(b []byte, from, to netip.AddrPort) simnet.Verdict {
			if isControl(b, typeAck2) {
				return simnet.Drop
			}
			return acks(b, from, to)
		})
		l.requireTransfer(a, b, noise(1<<20), 64<<10, time.Minute)
	})
}

// The last packet of a burst arrives although nothing follows that would show
// that it is missing.
func TestRegressionTailLoss(t *testing.T) {
	inBothLabs(t, wan, func(l *lab, c *udt.Config) {
		const burst = 10 // packets
		a, b := l.pair(c, c)
		seen := make(map[uint32]bool)
		l.net.SetFilter(func(b []byte, from, _ netip.AddrPort) simnet.Verdict {
			if n := binary.BigEndian.Uint32(b); from == addrA && isData(b) && !seen[n] {
				seen[n] = true
				if len(seen)%burst == 0 {
					return simnet.Drop
				}
			}
			return simnet.Pass
		})
		data := noise(burst * a.PacketPayload())
		for range 20 {
			start := time.Now()
			_, err := a.Write(data)
			require.NoError(l, err)
			got := make([]byte, len(data))
			_, err = io.ReadFull(b, got)
			require.NoError(l, err)
			require.True(l, bytes.Equal(data, got))
			l.requireTook(start, 0, 2*time.Second, "a burst whose last packet was lost")
		}
		require.NoError(l, a.Close())
	})
}

// Control packets do not feed on themselves: there are fewer than data packets,
// with loss in both directions too.
func TestRegressionControlStorm(t *testing.T) {
	inBothLabs(t, simnet.Link{Delay: 10 * time.Millisecond, Loss: 0.02}, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		var data, control int
		l.net.SetFilter(func(b []byte, _, _ netip.AddrPort) simnet.Verdict {
			if isData(b) {
				data++
			} else {
				control++
			}
			return simnet.Pass
		})
		l.requireTransfer(a, b, noise(4<<20), 64<<10, 2*time.Minute)
		l.net.SetFilter(nil)
		require.Less(l, control, data, "control packets for so many data packets")
	})
}

// Write keeps nothing of the caller's buffer, which is overwritten at once while
// packets still have to be sent again.
func TestRegressionWriteKeepsTheSlice(t *testing.T) {
	inBothLabs(t, simnet.Link{Delay: 10 * time.Millisecond, Loss: 0.05}, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		l.requireTransfer(a, b, noise(512<<10), 3000, 2*time.Minute)
	})
}

// Many small Writes without a pause all arrive.
func TestRegressionTinyWrites(t *testing.T) {
	inBothLabs(t, wan, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		l.requireTransfer(a, b, noise(50_000), 7, time.Minute)
	})
}

// Packet buffers are not used again before they were sent: many connections of
// one endpoint, both ways, with reordering and copies, keep their data apart.
func TestRegressionPacketBufferReuse(t *testing.T) {
	link := simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.01, Duplicate: 0.02, Reorder: 0.05, ReorderDelay: 5 * time.Millisecond}
	inBothLabs(t, link, func(l *lab, c *udt.Config) {
		e, listener := l.endpoint(addrA), l.listen(addrB, c)
		data := noise(1 << 20)
		var all sync.WaitGroup
		for i := range 6 {
			a, b := l.dial(e, c, listener)
			if i%2 == 1 {
				a, b = b, a
			}
			all.Go(func() { l.requireTransfer(a, b, data[i*1000:][:300<<10], 10_000+i, time.Minute) })
		}
		all.Wait()
	})
}

// A packet that is lost again and again is still known to be missing.
func TestRegressionSamePacketLostFiveTimes(t *testing.T) {
	inBothLabs(t, wan, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		var numbers, losses int
		seen := make(map[uint32]bool)
		var victim uint32
		l.net.SetFilter(func(b []byte, from, _ netip.AddrPort) simnet.Verdict {
			if from != addrA || !isData(b) {
				return simnet.Pass
			}
			n := binary.BigEndian.Uint32(b)
			if !seen[n] {
				seen[n] = true
				if numbers++; numbers == 20 {
					victim = n
				}
			}
			if numbers >= 20 && n == victim && losses < 5 {
				losses++
				return simnet.Drop
			}
			return simnet.Pass
		})
		l.requireTransfer(a, b, noise(200<<10), 64<<10, time.Minute)
		require.Equal(l, 5, losses)
	})
}

// Sequence numbers start anywhere and wrap in the middle of a transfer, in the
// direction of the dialing side and in the other one.
func TestRegressionInitialSequenceNumber(t *testing.T) {
	for name, number := range map[string]uint32{"zero": 0, "last": 1<<31 - 1, "wraps": 1<<31 - 100} {
		t.Run(name, func(t *testing.T) {
			inBothLabs(t, simnet.Link{Delay: 10 * time.Millisecond, Loss: 0.01}, func(l *lab, c *udt.Config) {
				c = c.Clone()
				udt.SetInitialNumber(c, number)
				e, listener := l.endpoint(addrA), l.listen(addrB, c)
				a, b := l.dial(e, c, listener)
				l.requireTransfer(a, b, noise(400<<10), 64<<10, time.Minute)
				a, b = l.dial(e, c, listener)
				l.requireTransfer(b, a, noise(400<<10), 64<<10, time.Minute)
			})
		})
	}
}
