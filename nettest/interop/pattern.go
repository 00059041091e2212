package interop

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// Pattern returns the endless test data of a seed: the SplitMix64 sequence as
// little-endian words. The driver sends and expects the same.
func Pattern(seed uint64) io.Reader { return &pattern{state: seed} }

type pattern struct {
	state uint64
	word  [8]byte
	left  int // bytes of word not yet read
}

func (p *pattern) Read(b []byte) (int, error) {
	n := copy(b, p.word[len(p.word)-p.left:])
	p.left -= n
	for ; len(b)-n >= len(p.word); n += len(p.word) {
		binary.LittleEndian.PutUint64(b[n:], p.next())
	}
	if n < len(b) {
		binary.LittleEndian.PutUint64(p.word[:], p.next())
		k := copy(b[n:], p.word[:])
		p.left = len(p.word) - k
		n += k
	}
	return n, nil
}

func (p *pattern) next() uint64 {
	p.state += 0x9e3779b97f4a7c15
	z := p.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// A Sum identifies data by its length and its CRC-32 (IEEE).
type Sum struct {
	Bytes int64
	CRC   uint32
}

func (s Sum) String() string { return fmt.Sprintf("%d bytes, crc %08x", s.Bytes, s.CRC) }

// PatternSum returns the sum of the first n bytes of Pattern(seed).
func PatternSum(seed uint64, n int64) Sum {
	s, _ := SumOf(io.LimitReader(Pattern(seed), n)) // a pattern does not fail
	return s
}

// SumOf reads r to its end and returns the sum of what it gave.
func SumOf(r io.Reader) (Sum, error) {
	h := crc32.NewIEEE()
	n, err := io.Copy(h, r)
	return Sum{n, h.Sum32()}, err
}

// FileSum returns the sum of a file.
func FileSum(name string) (Sum, error) {
	f, err := os.Open(name)
	if err != nil {
		return Sum{}, err
	}
	defer f.Close()
	return SumOf(f)
}
