package nettest

import (
	"errors"
	"fmt"
)

// patternByte is the byte at an offset of the endless stream that the suites send. It depends on the whole offset, so
// a stream that lost, repeated or moved bytes does not match.
func patternByte(off int) byte { return byte(uint64(off) * 0x9e3779b97f4a7c15 >> 56) }

// pattern returns n bytes of the stream from an offset.
func pattern(off, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = patternByte(off + i)
	}
	return p
}

// checkPattern returns an error that names the first byte of p that differs from the stream at an offset. It is used
// instead of an equality assertion because that would print megabytes.
func checkPattern(p []byte, off int) error {
	for i, b := range p {
		if want := patternByte(off + i); b != want {
			return fmt.Errorf("byte %d is %#02x, want %#02x", off+i, b, want)
		}
	}
	return nil
}

// errMixedMessage says that a message holds bytes of another one, or of a buffer after it was handed back.
var errMixedMessage = errors.New("message does not hold what was written")

// fill sets every byte of p to b.
func fill(p []byte, b byte) {
	for i := range p {
		p[i] = b
	}
}
