package main

import (
	"encoding/binary"
	"io"
)

// content is a file that nobody has to store: its bytes follow from their places.
// It is an io.ReadSeeker for http.ServeContent.
type content struct {
	size, offset int64
}

func (c *content) Read(b []byte) (int, error) {
	if c.offset >= c.size {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), c.size-c.offset)]
	n := 0
	for n < len(b) {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], scramble(uint64(c.offset/8)))
		k := copy(b[n:], word[c.offset%8:])
		n += k
		c.offset += int64(k)
	}
	return n, nil
}

func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.offset
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	c.offset = offset
	return offset, nil
}

// scramble is the output function of SplitMix64: no block of the file equals
// another, so bytes in the wrong place are seen.
func scramble(x uint64) uint64 {
	x = (x + 1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
