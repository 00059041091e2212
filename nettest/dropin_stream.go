package nettest

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/udtgo/udtgo/nettest/internal/require"
)

// streamRows say what Read and Write do with bytes.
var streamRows = []dropInRow{
	{"row07_racing_readers_and_writers", rowRacingReadersWriters},
	{"row08_one_Write_is_contiguous_with_concurrent_writers", rowContiguousWrites},
	{"row09_Write_takes_all", rowWriteTakesAll},
	{"row09_backpressure_is_bounded", rowBackpressure},
	{"row14_zero_length_read_and_write", rowZeroLength},
	{"row15_Read_returns_what_is_there_and_keeps_the_rest", rowReadReturnsWhatIsThere},
}

// rowRacingReadersWriters: several readers and several writers share a connection, and every buffer is the caller's
// again when a call returns. Each writer sends only its own byte, so each byte has a known count.
func rowRacingReadersWriters(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	const workers, writes, size, poison = 4, 64, 3000, 0xff
	var counts [256]atomic.Int64
	var readers, writers []*call[error]
	for id := range byte(workers) {
		readers = append(readers, start(func() error {
			buf := make([]byte, 1777)
			for {
				n, err := server.Read(buf)
				for _, b := range buf[:n] {
					counts[b].Add(1)
				}
				fill(buf, poison)
				if err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
		}))
		writers = append(writers, start(func() error {
			p := make([]byte, size)
			for range writes {
				fill(p, id)
				_, err := client.Write(p)
				fill(p, poison)
				if err != nil {
					return err
				}
			}
			return nil
		}))
	}
	for _, w := range writers {
		require.NoError(t, w.wait(t, "writer"))
	}
	require.NoError(t, start(client.Close).wait(t, "Close"))
	for _, r := range readers {
		require.NoError(t, r.wait(t, "reader"))
	}
	for b := range counts {
		want := int64(0)
		if b < workers {
			want = writes * size
		}
		require.Equal(t, want, counts[b].Load(), "how often byte %#02x arrived", b)
	}
}

// rowContiguousWrites: the bytes of one Write are never interleaved with those of another, whatever its size.
func rowContiguousWrites(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	const workers, records = 4, 6
	const header = 5 // size of the record, then the writer
	var writers []*call[error]
	begin := make(chan struct{}) // all at once, so that they compete
	for id := range byte(workers) {
		writers = append(writers, start(func() error {
			<-begin
			for i := range records {
				rec := make([]byte, header+100_000*(i+1)+int(id))
				fill(rec, id)
				binary.BigEndian.PutUint32(rec, uint32(len(rec)))
				if _, err := client.Write(rec); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	close(begin)
	reading := start(func() error {
		for range workers * records {
			var h [header]byte
			if _, err := io.ReadFull(server, h[:]); err != nil {
				return err
			}
			n := int(binary.BigEndian.Uint32(h[:])) - header
			if n < 0 || n > 1<<20 {
				return fmt.Errorf("record header % x is the middle of a record", h)
			}
			body := make([]byte, n)
			if _, err := io.ReadFull(server, body); err != nil {
				return err
			}
			for _, b := range body {
				if b != h[4] {
					return fmt.Errorf("record of writer %d holds a byte of writer %d", h[4], b)
				}
			}
		}
		return nil
	})
	// The reader first: when it fails the writers stay blocked.
	require.NoError(t, reading.wait(t, "reader"))
	for _, w := range writers {
		require.NoError(t, w.wait(t, "writer"))
	}
}

func rowWriteTakesAll(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	const size = 8<<20 + 1
	writing := startWrite(client, pattern(0, size))
	got := make([]byte, size)
	require.NoError(t, readFull(t, server, got))
	require.NoError(t, checkPattern(got, 0))
	w := writing.wait(t, "Write")
	require.NoError(t, w.err)
	require.Equal(t, size, w.n)
}

// rowBackpressure: a peer that does not read stops the writer before memory runs out.
func rowBackpressure(t *testing.T, f *fixture, opts DropInOptions) {
	client, _ := f.pair(t)
	w := start(func() ioResult {
		p, total := make([]byte, 64<<10), 0
		for total <= opts.maxBuffered() {
			if err := client.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
				return ioResult{n: total, err: err}
			}
			n, err := client.Write(p)
			total += n
			if err != nil {
				return ioResult{n: total, err: err}
			}
		}
		return ioResult{n: total}
	}).wait(t, "Write to a peer that does not read")
	require.LessOrEqual(t, w.n, opts.maxBuffered(), "bytes taken while nobody reads")
	require.ErrorIs(t, w.err, os.ErrDeadlineExceeded)
}

func rowZeroLength(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	for _, p := range [][]byte{nil, {}} {
		require.Equal(t, ioResult{}, startRead(client, p).wait(t, "zero-length Read with nothing to read"))
		require.Equal(t, ioResult{}, startWrite(client, p).wait(t, "zero-length Write"))
	}
	// The peer saw neither data nor an end of the stream.
	requireEcho(t, client, server)

	_, err := server.Write([]byte("ab"))
	require.NoError(t, err)
	buf := make([]byte, 1)
	require.NoError(t, readFull(t, client, buf))
	require.Equal(t, ioResult{}, startRead(client, nil).wait(t, "zero-length Read with data buffered"))
	require.NoError(t, readFull(t, client, buf))
	require.Equal(t, "b", string(buf))
}

func rowReadReturnsWhatIsThere(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	_, err := server.Write([]byte("0123456789"))
	require.NoError(t, err)

	// Read does not wait until the buffer is full; it keeps what does not fit.
	big := make([]byte, 64<<10)
	r := startRead(client, big).wait(t, "Read into a large buffer")
	require.NoError(t, r.err)
	require.NotZero(t, r.n)
	require.NoError(t, readFull(t, client, big[r.n:10]))
	require.Equal(t, "0123456789", string(big[:10]))

	_, err = server.Write([]byte("0123456789"))
	require.NoError(t, err)
	var got []byte
	for len(got) < 10 {
		small := make([]byte, 3)
		r := startRead(client, small).wait(t, "Read into a small buffer")
		require.NoError(t, r.err)
		require.NotZero(t, r.n)
		got = append(got, small[:r.n]...)
	}
	require.Equal(t, "0123456789", string(got))
}
