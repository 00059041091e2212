package protect

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew from the reference implementation")

const vectorFile = "testdata/vectors.json"

// A vector is one protected packet. Epochs are 2^23 numbers long. The frozen file
// is the promise that an old and a new version of this package understand each
// other.
type vector struct {
	Suite   Suite  `json:"suite"`
	Secret  string `json:"secret"`
	Number  uint64 `json:"number"`
	Epoch   uint64 `json:"epoch"`
	Header  string `json:"header"` // its third word does not matter
	Payload string `json:"payload"`
	Packet  string `json:"packet"`
}

// vectorNumbers are in epochs 0, 1, 2 and 512, where the number needs more than
// the 32 bits that travel.
var vectorNumbers = []uint64{0, 1, 1<<23 - 1, 1 << 23, 1<<24 + 0x12345, 1<<32 + 7}

func referenceVectors() []vector {
	var list []vector
	for _, suite := range suites {
		for _, pn := range vectorNumbers {
			for _, n := range []int{0, 4, 100} {
				secret, header, payload := secretOf(suite), newHeader(0x12345678), bytesFrom(byte(n), n)
				list = append(list, vector{
					Suite: suite, Secret: hex.EncodeToString(secret),
					Number: pn, Epoch: pn >> 23,
					Header: hex.EncodeToString(header), Payload: hex.EncodeToString(payload),
					Packet: hex.EncodeToString(refSeal(suite, secret, 23, pn, header, payload)),
				})
			}
		}
	}
	return list
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func TestVectors(t *testing.T) {
	if *update {
		b, err := json.MarshalIndent(referenceVectors(), "", "\t")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(vectorFile, append(b, '\n'), 0o644))
	}
	file, err := os.ReadFile(vectorFile)
	require.NoError(t, err)
	var list []vector
	require.NoError(t, json.Unmarshal(file, &list))
	require.Equal(t, referenceVectors(), list, "the reference implementation disagrees with the file")

	for _, v := range list {
		secret, payload, packet := unhex(t, v.Secret), unhex(t, v.Payload), unhex(t, v.Packet)

		s, err := NewSealer(v.Suite, secret, Config{})
		require.NoError(t, err)
		s.next, s.limit = v.Number, maxNumber
		got, err := s.Seal(unhex(t, v.Header), payload)
		require.NoError(t, err)
		require.Equal(t, v.Packet, hex.EncodeToString(got), "%v, number %d", v.Suite, v.Number)

		o, err := NewOpener(v.Suite, secret, Config{})
		require.NoError(t, err)
		o.goTo(t, v.Number)
		opened, pn, err := o.Open(packet)
		require.NoError(t, err)
		require.Equal(t, v.Number, pn)
		require.Equal(t, v.Payload, hex.EncodeToString(opened))
		require.Equal(t, v.Epoch, o.Epoch())
		require.Equal(t, unhex(t, v.Header)[:8], packet[:8], "the header is plain")
		require.Equal(t, unhex(t, v.Header)[12:], packet[12:16])
	}
}

// goTo lets the opener expect pn next.
func (o *Opener) goTo(t testing.TB, pn uint64) {
	for ; o.epoch < pn>>o.bits; o.epoch++ {
		k, err := o.keys.next()
		require.NoError(t, err)
		o.keys = k
	}
	o.expected = pn
}

// What is expanded is what HKDF-Expand makes, however often the same secret was
// expanded before.
func TestDeriverIsHKDF(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		newHash := sha256.New
		if suite == AES256GCM {
			newHash = sha512.New384
		}
		secret := bytesFrom(7, suite.secretLen())
		d := suite.deriver(secret)
		for _, label := range []string{"udt hp", "udt key", "udt iv", "udt ku"} {
			for _, n := range []int{nonceLen, suite.keyLen(), suite.secretLen()} {
				info := string([]byte{0, byte(n), byte(6 + len(label))}) + "tls13 " + label + "\x00"
				want, err := hkdf.Expand(newHash, secret, info, n)
				require.NoError(t, err)
				require.Equal(t, want, d.expand(label, n), "%s of %d bytes", label, n)
			}
		}
	})
}

// The secrets of two directions or connections differ; nothing else has to, for
// all that is derived to differ.
func TestKeysDependOnSecretAndLabel(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		seen := map[string]string{}
		for _, label := range []string{"udt key", "udt iv", "udt hp", "udt ku", "quic key"} {
			for _, first := range []byte{0, 1} {
				out := suite.deriver(bytesFrom(first, suite.secretLen())).expand(label, 12)
				require.Empty(t, seen[string(out)])
				seen[string(out)] = label
			}
		}
	})
}
