package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// bulkStream is a stream of n chunks.
func bulkStream(n, size int) []byte {
	var stream []byte
	for i := range n {
		chunk := make([]byte, size)
		fillChunk(chunk)
		putChunkHeader(chunk, uint64(i), i == n-1)
		stream = append(stream, chunk...)
	}
	return stream
}

// A reader finds the end of the stream however it is cut into reads.
func TestChunkReaderFollowsAnyReads(t *testing.T) {
	stream := bulkStream(5, 100)
	for step := 1; step <= len(stream); step++ {
		r := newChunkReader(100, true)
		for part := range slices.Chunk(stream, step) {
			require.False(t, r.done)
			require.NoError(t, r.add(part))
		}
		require.True(t, r.done)
	}
}

// Content that was changed, a chunk out of place and bytes after the end are
// errors.
func TestChunkReaderRefuses(t *testing.T) {
	changed := bulkStream(5, 100)
	changed[250]++
	swapped := bulkStream(5, 100)
	swapped = slices.Concat(swapped[:100], swapped[200:300], swapped[100:200], swapped[300:])
	for name, stream := range map[string][]byte{
		"changed": changed,
		"swapped": swapped,
		"longer":  append(bulkStream(5, 100), 0),
	} {
		require.Error(t, newChunkReader(100, true).add(stream), name)
	}
	require.NoError(t, newChunkReader(100, false).add(changed), "only headers are looked at unless asked")
	require.Error(t, newChunkReader(100, false).add(swapped))
}
