package protect

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Attack A27: each packet is delivered once, in whatever order and however often
// it comes.
func TestReplayedPacketsAreRefused(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		random := rand.New(rand.NewPCG(1, uint64(suite)))
		s, o := newSealer(t, suite, Config{}), newOpener(t, suite, Config{})
		const n = 10_000
		packets := sealAll(t, s, n)
		order := make([]int, n)
		for i := range order { // each within 1000 of its place
			order[i] = i
			j := max(0, i-random.IntN(1000))
			order[i], order[j] = order[j], order[i]
		}
		delivered := make([]int, n)
		deliver := func(i int) error {
			payload, pn, err := open(o, packets[i])
			if err == nil {
				require.EqualValues(t, i, pn)
				delivered[binary.BigEndian.Uint32(payload)]++
			} else {
				require.ErrorIs(t, err, ErrReplay)
			}
			return err
		}
		for at, i := range order {
			require.NoError(t, deliver(i))
			require.Error(t, deliver(order[random.IntN(at+1)]))
		}
		for _, i := range random.Perm(n) {
			require.Error(t, deliver(i))
		}
		for i, times := range delivered {
			require.Equal(t, 1, times, "packet %d", i)
		}
		require.Zero(t, o.Failures(), "a replay never costs an AEAD operation")
	})
}

func TestPacketBehindTheWindowIsRefused(t *testing.T) {
	cfg := Config{Window: 256}
	s, o := newSealer(t, AES128GCM, cfg), newOpener(t, AES128GCM, cfg)
	packets := sealAll(t, s, 1001)
	_, _, err := open(o, packets[1000])
	require.NoError(t, err)
	_, _, err = open(o, packets[1000-256+64])
	require.NoError(t, err)
	_, _, err = open(o, packets[1000-256])
	require.ErrorIs(t, err, ErrReplay)
}

// What has not been authenticated does not move the window.
func TestForgedPacketDoesNotMoveTheWindow(t *testing.T) {
	s, o := newSealer(t, AES128GCM, Config{}), newOpener(t, AES128GCM, Config{})
	first, _ := seal(t, s, nil)
	s.next = 1 << 20
	ahead, _ := seal(t, s, nil)
	forged := append([]byte(nil), ahead...)
	forged[15] ^= 1
	_, _, err := o.Open(forged)
	require.ErrorIs(t, err, ErrAuth)
	require.Len(t, o.seen.words, minWords)
	for _, packet := range [][]byte{first, ahead} {
		_, _, err = o.Open(packet)
		require.NoError(t, err)
	}
}

// A connection that loses and skips nothing never needs more than the first two
// words; one hole needs as many as lie behind it.
func TestWindowGrowsForHolesOnly(t *testing.T) {
	var r replayWindow
	r.init(DefaultWindow)
	pn := uint64(0)
	for ; pn < 100_000; pn++ {
		require.False(t, r.has(pn))
		r.add(pn)
	}
	require.Len(t, r.words, minWords)

	hole := pn
	for pn++; pn < hole+1000; pn++ {
		r.add(pn)
	}
	require.Len(t, r.words, 32, "17 are needed")
	require.False(t, r.has(hole))
	for seen := hole - 10_000; seen < hole; seen++ {
		require.True(t, r.has(seen))
	}
	for seen := hole + 1; seen < pn; seen++ {
		require.True(t, r.has(seen))
	}
	r.add(1 << 50)
	require.Len(t, r.words, DefaultWindow/wordBits, "never more")
	require.False(t, r.has(1<<50-1))
	require.True(t, r.has(1<<50-DefaultWindow))
}

// Words that never began are holes too, however far the next number is.
func TestWindowGrowsForJumps(t *testing.T) {
	for jump := uint64(1); jump < 400; jump++ {
		var r replayWindow
		r.init(DefaultWindow)
		const seen = 10 * minWords * wordBits
		for pn := range uint64(seen) {
			r.add(pn)
		}
		r.add(seen + jump)
		for pn := uint64(seen); pn < seen+jump; pn++ {
			require.False(t, r.has(pn), "%d after a jump of %d", pn, jump)
		}
		require.True(t, r.has(seen-1))
	}
}

// A window that grows decides as a set of all numbers would, as far as it reaches.
func FuzzReplay(f *testing.F) {
	f.Add([]byte{0, 0, 1, 1, 0, 63, 0, 64, 0, 1, 3, 255, 0, 2, 128, 9}, byte(0))
	f.Add([]byte{1, 0, 1, 0, 255, 255, 0, 1, 130, 0, 131, 0}, byte(1))
	f.Add([]byte{127, 255, 127, 255, 128, 1, 240, 0, 128, 0}, byte(2))
	inOrder := make([]byte, 0, 2000)
	for i := range 1000 {
		inOrder = append(inOrder, 0, 1)
		if i%300 == 299 {
			inOrder = append(inOrder, 0, 2)
		}
	}
	f.Add(inOrder, byte(1))
	f.Fuzz(func(t *testing.T, steps []byte, size byte) {
		var r replayWindow
		window := uint64(MinWindow) << (size % 4)
		r.init(int(window))
		seen, largest := map[uint64]bool{}, uint64(0)
		for ; len(steps) >= 2; steps = steps[2:] {
			// A step ahead of the largest number, by up to 32767, or behind it.
			step := int64(int16(binary.BigEndian.Uint16(steps)))
			pn := uint64(max(0, int64(largest)+step))
			tooOld := pn/wordBits+window/wordBits <= largest/wordBits
			require.Equal(t, seen[pn] || tooOld, r.has(pn), "%d, largest %d", pn, largest)
			if r.has(pn) {
				continue
			}
			r.add(pn)
			seen[pn] = true
			largest = max(largest, pn)
			require.True(t, r.has(pn))
			require.LessOrEqual(t, uint64(len(r.words)), window/wordBits)
		}
	})
}
