package protect

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSealedPacketOpens(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		s, o := newSealer(t, suite, Config{}), newOpener(t, suite, Config{})
		_, ok := o.Largest()
		require.False(t, ok)
		for i, n := range []int{0, 1, 15, 16, 17, 1440, 65491} {
			payload := bytesFrom(3, n)
			packet, pn := seal(t, s, payload)
			require.Len(t, packet, HeaderLen+n+Overhead)
			require.Equal(t, newHeader(7)[12:], packet[12:HeaderLen], "the socket ID stays readable")
			require.EqualValues(t, i, pn)

			got, gotNumber, err := o.Open(packet)
			require.NoError(t, err)
			require.Equal(t, payload, append([]byte{}, got...))
			require.Equal(t, pn, gotNumber)
			require.Equal(t, newHeader(7)[:8], packet[:8])
			require.EqualValues(t, pn, binary.BigEndian.Uint32(packet[8:]))
			if n > 0 {
				require.Same(t, &packet[HeaderLen], &got[0], "opened in place")
			}
			largest, ok := o.Largest()
			require.True(t, ok)
			require.Equal(t, pn, largest)
		}
	})
}

// Packets are sealed one behind the other into one buffer; those before are left
// alone, and a payload that is in place already need not be moved.
func TestSealAppends(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		apart, inPlace := newSealer(t, suite, Config{}), newSealer(t, suite, Config{})
		payload := bytesFrom(9, 100)
		var want []byte
		buffer := make([]byte, 0, 10*(HeaderLen+len(payload)+Overhead))
		for range 10 {
			packet, _ := seal(t, apart, payload)
			want = append(want, packet...)

			buffer = append(buffer, newHeader(7)...)
			behind := append(buffer, payload...)[len(buffer):]
			var err error
			buffer, err = inPlace.Seal(buffer, behind)
			require.NoError(t, err)
			require.Equal(t, want, buffer)
		}
	})
}

// Attack A25.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		s, o := newSealer(t, suite, Config{}), newOpener(t, suite, Config{})
		for range 5 {
			packet, _ := seal(t, s, nil)
			_, _, err := o.Open(packet)
			require.NoError(t, err)
		}
		packet, pn := seal(t, s, bytesFrom(0, 1440))
		outcomes := map[error]int{}
		b := make([]byte, len(packet))
		for bit := range len(packet) * 8 {
			copy(b, packet)
			b[bit/8] ^= 1 << (bit % 8)
			_, _, err := o.Open(b)
			require.Error(t, err, "bit %d", bit)
			outcomes[err]++
		}
		require.Equal(t, len(packet)*8, outcomes[ErrAuth]+outcomes[ErrEpoch]+outcomes[ErrReplay])
		require.EqualValues(t, outcomes[ErrAuth], o.Failures(), "only what reaches the AEAD counts")

		_, got, err := o.Open(packet)
		require.NoError(t, err, "none of that did any harm")
		require.Equal(t, pn, got)
	})
}

func TestChangedLengthIsNoticed(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		s, o := newSealer(t, suite, Config{}), newOpener(t, suite, Config{})
		packet, _ := seal(t, s, bytesFrom(0, 40))
		for n := range len(packet) {
			_, _, err := open(o, packet[:n])
			require.Error(t, err, n)
			require.Equal(t, n < HeaderLen+Overhead, errors.Is(err, ErrShort), n)
		}
		_, _, err := open(o, append(packet[:len(packet):len(packet)], 0))
		require.ErrorIs(t, err, ErrAuth)
		_, _, err = open(o, packet)
		require.NoError(t, err)
	})
}

// Attack A21: nearly all random packets end before the AEAD.
func TestRandomPacketsAreNotAccepted(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		o := newOpener(t, suite, Config{})
		o.goTo(t, 1<<33)
		b := make([]byte, 64)
		const n = 20_000
		for range n {
			_, err := rand.Read(b)
			require.NoError(t, err)
			tag := bytes.Clone(b[len(b)-Overhead:])
			_, _, err = o.Open(b)
			require.Error(t, err)
			require.Equal(t, tag, b[len(b)-Overhead:], "a stateless reset is still there to be seen")
		}
		// 2 of 512 epochs have a key here, or 78 packets of 20 000.
		require.Less(t, o.Failures(), uint64(n/64))
	})
}

// Another connection's packets, or our own reflected, are no packets of this one.
func TestOtherSecretsPacketsAreNotAccepted(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		s, err := NewSealer(suite, bytesFrom(200, suite.secretLen()), Config{})
		require.NoError(t, err)
		o := newOpener(t, suite, Config{})
		for _, packet := range sealAll(t, s, 1000) {
			_, _, err := o.Open(packet)
			require.Error(t, err)
		}
	})
}

// The same mask and key, but a header that the peer did not write.
func TestHeaderIsAuthenticated(t *testing.T) {
	s, o := newSealer(t, AES128GCM, Config{}), newOpener(t, AES128GCM, Config{})
	packet, _ := seal(t, s, []byte("payload"))
	packet[15] ^= 1 // the socket ID is not masked
	_, _, err := o.Open(packet)
	require.ErrorIs(t, err, ErrAuth)
}

func TestFailuresAreLimited(t *testing.T) {
	require.Equal(t, uint64(1<<52), newOpener(t, AES128GCM, Config{}).maxFailures)
	require.Equal(t, uint64(1<<52), newOpener(t, AES256GCM, Config{}).maxFailures)
	require.Equal(t, uint64(1<<36), newOpener(t, ChaCha20Poly1305, Config{}).maxFailures)

	s, o := newSealer(t, AES128GCM, Config{}), newOpener(t, AES128GCM, Config{})
	o.maxFailures = 3
	packet, _ := seal(t, s, nil)
	bad := bytes.Clone(packet)
	bad[15] ^= 1
	for _, want := range []error{ErrAuth, ErrAuth, ErrLimit, ErrLimit} {
		_, _, err := open(o, bad)
		require.ErrorIs(t, err, want)
	}
	_, _, err := open(o, packet)
	require.ErrorIs(t, err, ErrLimit, "nothing is opened any more")
	require.EqualValues(t, 3, o.Failures())
}

// The sample is the attacker's to choose; one with the last block counter must not
// stop the receiver.
func TestMaskOfAnySample(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		for _, c := range []byte{0, 0xFF} {
			o := newOpener(t, suite, Config{})
			require.NotPanics(t, func() { _, _, _ = o.Open(bytes.Repeat([]byte{c}, 64)) })
		}
	})
}

func TestBadParametersAreRefused(t *testing.T) {
	good := secretOf(AES128GCM)
	for name, c := range map[string]struct {
		suite  Suite
		secret []byte
		cfg    Config
	}{
		"unknown suite":  {0x1304, good, Config{}},
		"no suite":       {0, good, Config{}},
		"no secret":      {AES128GCM, nil, Config{}},
		"short secret":   {AES256GCM, good, Config{}},
		"long secret":    {AES128GCM, secretOf(AES256GCM), Config{}},
		"short epoch":    {AES128GCM, good, Config{EpochBits: MinEpochBits - 1}},
		"long epoch":     {AES128GCM, good, Config{EpochBits: MaxEpochBits + 1}},
		"small window":   {AES128GCM, good, Config{Window: MinWindow - 1}},
		"large window":   {AES128GCM, good, Config{Window: MaxWindow + 1}},
		"negative value": {AES128GCM, good, Config{Window: -1}},
	} {
		_, err := NewSealer(c.suite, c.secret, c.cfg)
		require.Error(t, err, name)
		_, err = NewOpener(c.suite, c.secret, c.cfg)
		require.Error(t, err, name)
	}
}

// The caller may wipe its copy of the secret.
func TestSecretIsNotKept(t *testing.T) {
	secret := secretOf(AES128GCM)
	s, err := NewSealer(AES128GCM, secret, Config{EpochBits: MinEpochBits})
	require.NoError(t, err)
	clear(secret)
	o := newOpener(t, AES128GCM, Config{EpochBits: MinEpochBits})
	for range 2 {
		packet, pn := seal(t, s, nil)
		_, _, err = o.Open(packet)
		require.NoError(t, err)
		require.True(t, s.Confirm(pn))
		s.ForceUpdate()
	}
}

func TestFIPSOnlyModeIsRefused(t *testing.T) {
	if os.Getenv("PROTECT_TEST_FIPS") == "" {
		if runtime.GOOS == "windows" && runtime.GOARCH == "386" {
			t.Skip("the Go FIPS 140 module does not support the platform")
		}
		exe, err := os.Executable()
		require.NoError(t, err)
		cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestFIPSOnlyModeIsRefused$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "PROTECT_TEST_FIPS=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "--- PASS: TestFIPSOnlyModeIsRefused")
		return
	}
	for _, suite := range suites {
		_, err := NewSealer(suite, secretOf(suite), Config{})
		require.ErrorIs(t, err, ErrFIPS)
		_, err = NewOpener(suite, secretOf(suite), Config{})
		require.ErrorIs(t, err, ErrFIPS)
	}
}

// A packet opens if and only if it is one that was sealed, and then to what it was
// sealed from.
func FuzzOpen(f *testing.F) {
	cfg := Config{EpochBits: MinEpochBits}
	sealed := map[Suite]map[string]uint32{}
	for i, suite := range suites {
		sealed[suite] = map[string]uint32{}
		for j, packet := range sealAll(f, newSealer(f, suite, cfg), 4) {
			sealed[suite][string(packet)] = uint32(j)
			f.Add(byte(i), packet)
			f.Add(byte(i), packet[:len(packet)-1])
		}
	}
	f.Add(byte(0), []byte{})
	f.Add(byte(2), bytes.Repeat([]byte{0xFF}, 32))
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		suite := suites[int(which)%len(suites)]
		o := newOpener(t, suite, cfg)
		want, genuine := sealed[suite][string(b)]
		before := bytes.Clone(b)
		payload, pn, err := o.Open(b)
		require.Len(t, b, len(before))
		tail := max(0, len(b)-Overhead)
		require.True(t, bytes.Equal(before[tail:], b[tail:]), "the last bytes stay")
		if !genuine {
			require.Error(t, err)
			require.Nil(t, payload)
			require.Equal(t, len(b) < HeaderLen+Overhead, errors.Is(err, ErrShort))
			return
		}
		require.NoError(t, err)
		require.EqualValues(t, want, pn)
		require.Equal(t, want, binary.BigEndian.Uint32(payload))
		_, _, err = o.Open(before)
		require.ErrorIs(t, err, ErrReplay)
	})
}
