package protect

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

const shortEpoch = 1 << MinEpochBits

var shortEpochs = Config{EpochBits: MinEpochBits}

// notAtEnd reports whether a packet may be sealed that a timer sends.
func notAtEnd(s *Sealer) bool { return s.next < s.limit }

// Attack A47: whatever the caller does, no nonce is used twice with a key, and no
// key more often than an epoch is long.
func TestNoncesAreUnique(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		s := newSealer(t, suite, shortEpochs)
		perEpoch := map[uint64]int{}
		ivs := map[[nonceLen]byte]uint64{}
		last := int64(-1)
		buffer := make([]byte, 0, 64)
		for i := range 20_000 {
			switch {
			case i%700 == 0:
				s.ForceUpdate()
			case i%5 == 0 && last >= 0:
				require.True(t, s.Confirm(uint64(last)))
			}
			pn := s.Number()
			buffer = append(buffer[:0], newHeader(7)...)
			_, err := s.Seal(buffer, nil)
			require.NoError(t, err)

			require.Greater(t, int64(pn), last, "numbers rise")
			last = int64(pn)
			epoch := pn >> MinEpochBits
			require.Equal(t, epoch, s.epoch)
			perEpoch[epoch]++
			require.LessOrEqual(t, perEpoch[epoch], shortEpoch)
			want := s.keys.iv
			binary.BigEndian.PutUint64(want[4:], binary.BigEndian.Uint64(want[4:])^pn)
			require.Equal(t, want, s.nonce)
			if other, ok := ivs[s.keys.iv]; ok {
				require.Equal(t, other, epoch, "each epoch has its own key")
			}
			ivs[s.keys.iv] = epoch
		}
		require.Len(t, ivs, len(perEpoch))
		require.Greater(t, len(ivs), 20_000/shortEpoch)
	})
}

func TestKeysRatchet(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		s, o := newSealer(t, suite, shortEpochs), newOpener(t, suite, shortEpochs)
		for range 5 * shortEpoch {
			packet, pn := seal(t, s, nil)
			_, got, err := o.Open(packet)
			require.NoError(t, err)
			require.Equal(t, pn, got)
			require.Equal(t, pn>>MinEpochBits, o.Epoch())
			require.True(t, s.Confirm(got))
		}
	})
}

// The secret of an epoch that is over, or that has its successor, is gone: who
// reads the memory learns nothing about the past.
func TestOldSecretsAreForgotten(t *testing.T) {
	zero := make([]byte, AES128GCM.secretLen())
	s, o := newSealer(t, AES128GCM, shortEpochs), newOpener(t, AES128GCM, shortEpochs)
	packet, _ := seal(t, s, nil)
	_, pn, err := o.Open(packet)
	require.NoError(t, err)
	sealing, opening := s.keys, o.keys
	require.True(t, s.Confirm(pn))
	s.ForceUpdate()
	packet, _ = seal(t, s, nil)
	_, _, err = o.Open(packet)
	require.NoError(t, err)
	require.Equal(t, zero, sealing.secret)
	require.Same(t, opening, o.prev)
	require.Equal(t, zero, opening.secret)
	require.NotEqual(t, zero, s.keys.secret)
	require.Equal(t, s.keys.secret, o.keys.secret)
}

func TestSealingStopsUntilConfirmed(t *testing.T) {
	s := newSealer(t, AES128GCM, shortEpochs)
	require.EqualValues(t, shortEpoch, s.EpochLength())
	stopsAt := func(epochs uint64) {
		end := epochs << MinEpochBits
		for s.MaySeal() {
			seal(t, s, nil)
		}
		require.Equal(t, end-shortEpoch/4, s.Number(), "a quarter is reserved")
		for notAtEnd(s) {
			require.False(t, s.MaySeal())
			seal(t, s, nil)
		}
		require.Equal(t, end, s.Number())
		header := newHeader(7)
		out, err := s.Seal(header, []byte("late"))
		require.ErrorIs(t, err, ErrKeyLimit)
		require.Equal(t, newHeader(7), out)
		require.Equal(t, end, s.Number())
	}
	stopsAt(1)
	require.True(t, s.Confirm(0), "any number of the epoch does")
	require.True(t, s.Confirm(5))
	stopsAt(2)
	require.True(t, s.Confirm(shortEpoch-1), "but not one of an epoch before")
	require.False(t, notAtEnd(s))
	require.True(t, s.Confirm(2*shortEpoch-1))
	stopsAt(3)
}

func TestUnusedNumbersAreNotConfirmed(t *testing.T) {
	s := newSealer(t, AES128GCM, shortEpochs)
	require.False(t, s.Confirm(0))
	seal(t, s, nil)
	require.False(t, s.Confirm(1))
	require.False(t, s.Confirm(1<<63))
	require.True(t, s.Confirm(0))
	s.ForceUpdate()
	require.EqualValues(t, shortEpoch, s.Number())
	require.False(t, s.Confirm(shortEpoch-1), "skipped by the update")
}

func TestForcedUpdate(t *testing.T) {
	s, o := newSealer(t, AES128GCM, shortEpochs), newOpener(t, AES128GCM, shortEpochs)
	s.ForceUpdate()
	require.Zero(t, s.Number(), "an unused key is new")

	exchange := func() uint64 {
		packet, pn := seal(t, s, nil)
		_, _, err := o.Open(packet)
		require.NoError(t, err)
		return pn
	}
	pn := exchange()
	s.ForceUpdate()
	require.EqualValues(t, 1, s.Number(), "it waits for the confirmation")
	exchange()
	require.True(t, s.Confirm(pn))
	require.EqualValues(t, shortEpoch, s.Number())
	s.ForceUpdate()
	require.EqualValues(t, shortEpoch, s.Number(), "it is new still")
	pn = exchange()
	require.EqualValues(t, 1, o.Epoch())
	require.True(t, s.Confirm(pn))
	require.EqualValues(t, shortEpoch+1, s.Number(), "one update for one call")
	s.ForceUpdate()
	require.EqualValues(t, 2*shortEpoch, s.Number(), "at once")
	exchange()
	require.EqualValues(t, 2, o.Epoch())
}

// The key of an epoch that has been reached but not begun is new as well.
func TestForcedUpdateBetweenEpochs(t *testing.T) {
	s := newSealer(t, AES128GCM, shortEpochs)
	for range shortEpoch {
		seal(t, s, nil)
	}
	require.True(t, s.Confirm(shortEpoch-1))
	s.ForceUpdate()
	_, pn := seal(t, s, nil)
	require.EqualValues(t, shortEpoch, pn)
	require.True(t, s.Confirm(pn))
	require.EqualValues(t, shortEpoch+1, s.Number())
}

func TestNumbersEnd(t *testing.T) {
	s, o := newSealer(t, AES128GCM, Config{}), newOpener(t, AES128GCM, Config{})
	const last uint64 = maxNumber - 1
	s.next, s.sealed, s.limit = last, last, last
	s.epoch, o.epoch = last>>23, last>>23 // with the first key: the way there is long
	o.expected = last
	require.True(t, s.Confirm(last-1))
	packet, pn := seal(t, s, nil)
	require.Equal(t, last, pn)
	require.True(t, s.Confirm(last))
	s.ForceUpdate()
	require.False(t, notAtEnd(s))
	_, err := s.Seal(newHeader(7), nil)
	require.ErrorIs(t, err, ErrKeyLimit)

	_, pn, err = open(o, packet)
	require.NoError(t, err)
	require.Equal(t, last, pn)
	largest, ok := o.Largest()
	require.True(t, ok)
	require.Equal(t, last, largest)
	_, _, err = open(o, packet)
	require.ErrorIs(t, err, ErrReplay)
}

func TestPreviousKeyOpensLatePacketsUntilDropped(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		s, o := newSealer(t, suite, shortEpochs), newOpener(t, suite, shortEpochs)
		var late [][]byte // three of each of the epochs 0 to 3
		for range 4 {
			packets := sealAll(t, s, 4)
			late = append(late, packets[:3]...)
			_, pn, err := o.Open(packets[3])
			require.NoError(t, err)
			require.True(t, s.Confirm(pn))
			s.ForceUpdate()
		}
		require.EqualValues(t, 3, o.Epoch())
		check := func(i int, want error) {
			_, _, err := open(o, late[i])
			require.ErrorIs(t, err, want, "epoch %d", i/3)
		}
		check(9, nil)
		check(6, nil)
		check(3, ErrEpoch)
		check(0, ErrEpoch)
		o.DropPrevious()
		check(10, nil)
		check(7, ErrEpoch)
	})
}

// Keys of the next epoch are made when a number asks for them, once; a forged
// number does not make them current.
func TestForgedEpochChangesNothing(t *testing.T) {
	s, o := newSealer(t, AES128GCM, shortEpochs), newOpener(t, AES128GCM, shortEpochs)
	first, pn := seal(t, s, nil)
	require.True(t, s.Confirm(pn))
	s.ForceUpdate()
	ahead, _ := seal(t, s, nil)
	forged := append([]byte(nil), ahead...)
	forged[15] ^= 1
	for range 2 {
		_, _, err := open(o, forged)
		require.ErrorIs(t, err, ErrAuth)
		require.Zero(t, o.Epoch())
	}
	for _, packet := range [][]byte{first, ahead} {
		_, _, err := o.Open(packet)
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, o.Epoch())
}
