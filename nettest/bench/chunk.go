package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
)

// A bulk stream is chunks of one size, which is that of a write. A chunk begins
// with a header, its index and whether it is the last one, and goes on with the
// same random bytes in each: the end needs no end of stream, which not every
// transport has, and the reader need look at no more than the headers.
const chunkHeader = 16

// fillChunk gives b the content of a chunk.
func fillChunk(b []byte) {
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b) // never fails
}

func putChunkHeader(b []byte, index uint64, last bool) {
	binary.LittleEndian.PutUint64(b, index)
	binary.LittleEndian.PutUint64(b[8:], 0)
	if last {
		b[8] = 1
	}
}

// A chunkReader follows a bulk stream through reads of any size.
type chunkReader struct {
	size   int
	want   []byte // if not nil: content to compare with
	header [chunkHeader]byte
	at     int    // offset in the current chunk
	index  uint64 // of the current chunk
	done   bool   // the last chunk is complete
}

func newChunkReader(size int, verify bool) *chunkReader {
	r := &chunkReader{size: size}
	if verify {
		r.want = make([]byte, size)
		fillChunk(r.want)
	}
	return r
}

// add takes the next bytes of the stream.
func (r *chunkReader) add(b []byte) error {
	for len(b) > 0 {
		if r.done {
			return fmt.Errorf("%d bytes after the last chunk", len(b))
		}
		if r.at < chunkHeader {
			n := copy(r.header[r.at:], b)
			r.at += n
			b = b[n:]
			continue
		}
		n := min(r.size-r.at, len(b))
		if r.want != nil && !bytes.Equal(b[:n], r.want[r.at:r.at+n]) {
			return fmt.Errorf("chunk %d was changed between its bytes %d and %d", r.index, r.at, r.at+n)
		}
		r.at += n
		b = b[n:]
		if r.at == r.size {
			if err := r.endChunk(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *chunkReader) endChunk() error {
	if got := binary.LittleEndian.Uint64(r.header[:]); got != r.index {
		return fmt.Errorf("chunk %d where %d is due", got, r.index)
	}
	r.done = r.header[8] == 1
	r.index++
	r.at = 0
	return nil
}

// readFull is io.ReadFull; a transport that ends early is an error.
func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
