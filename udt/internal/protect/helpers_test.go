package protect

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

var suites = []Suite{AES128GCM, AES256GCM, ChaCha20Poly1305}

// eachSuite runs f once for each suite.
func eachSuite(t *testing.T, f func(t *testing.T, suite Suite)) {
	t.Helper()
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) { f(t, suite) })
	}
}

// bytesFrom returns n bytes that count up from first.
func bytesFrom(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func secretOf(suite Suite) []byte { return bytesFrom(byte(suite), suite.secretLen()) }

func newSealer(t testing.TB, suite Suite, cfg Config) *Sealer {
	t.Helper()
	s, err := NewSealer(suite, secretOf(suite), cfg)
	require.NoError(t, err)
	return s
}

func newOpener(t testing.TB, suite Suite, cfg Config) *Opener {
	t.Helper()
	o, err := NewOpener(suite, secretOf(suite), cfg)
	require.NoError(t, err)
	return o
}

// newHeader returns the header of a packet for socket ID dest.
func newHeader(dest uint32) []byte {
	b := bytesFrom(1, HeaderLen)
	binary.BigEndian.PutUint32(b[12:], dest)
	return b
}

// seal seals payload and returns the packet and its number.
func seal(t testing.TB, s *Sealer, payload []byte) (packet []byte, pn uint64) {
	t.Helper()
	pn = s.Number()
	packet, err := s.Seal(newHeader(7), payload)
	require.NoError(t, err)
	return packet, pn
}

// sealAll seals n packets whose payloads say which they are.
func sealAll(t testing.TB, s *Sealer, n int) [][]byte {
	t.Helper()
	packets := make([][]byte, n)
	for i := range packets {
		packets[i], _ = seal(t, s, binary.BigEndian.AppendUint32(nil, uint32(i)))
	}
	return packets
}

// open opens a copy of packet.
func open(o *Opener, packet []byte) (payload []byte, pn uint64, err error) {
	return o.Open(append([]byte(nil), packet...))
}
