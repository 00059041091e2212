package protect

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSealAndOpenAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	eachSuite(t, func(t *testing.T, suite Suite) {
		s, o := newSealer(t, suite, Config{}), newOpener(t, suite, Config{})
		header, payload := newHeader(7), bytesFrom(0, 1440)
		buffer := make([]byte, 0, 44*(HeaderLen+1440+Overhead))
		packets := 0
		allocs := testing.AllocsPerRun(100, func() {
			b := buffer
			for range 44 {
				at := len(b)
				b = append(b, header...)
				var err error
				if b, err = s.Seal(b, payload); err != nil {
					panic(err)
				}
				if _, _, err = o.Open(b[at:]); err != nil {
					panic(err)
				}
				packets++
			}
		})
		require.Zero(t, allocs)
		require.Equal(t, 44*101, packets)

		packet, _ := seal(t, s, payload)
		packet[15] ^= 1
		forged := make([]byte, len(packet))
		require.Zero(t, testing.AllocsPerRun(100, func() {
			copy(forged, packet)
			if _, _, err := o.Open(forged); err != ErrAuth {
				panic(err)
			}
		}), "forged packets")
	})
}

// A connection that is idle has its two directions' keys of one epoch and a replay
// window of 128 bits.
func TestIdlePairIsSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const n, limit = 1000, 4 << 10
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	eachSuite(t, func(t *testing.T, suite Suite) {
		sealers, openers := make([]*Sealer, n), make([]*Opener, n)
		before := heap()
		for i := range n {
			sealers[i], openers[i] = newSealer(t, suite, Config{}), newOpener(t, suite, Config{})
			packet, _ := seal(t, sealers[i], nil)
			_, _, err := openers[i].Open(packet)
			require.NoError(t, err)
		}
		size := (int64(heap()) - int64(before)) / n
		t.Logf("%d bytes", size)
		require.Less(t, size, int64(limit))
		runtime.KeepAlive(sealers)
		runtime.KeepAlive(openers)
	})
}
