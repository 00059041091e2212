package frame

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

// The bytes of every frame are part of the protocol.
func TestGolden(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    Frame
		hex  string
	}{
		{"padding", Frame{Type: Padding}, "00"},
		{"ping", Frame{Type: Ping, Value: 0x0102030405060708}, "020102030405060708"},
		{"pong", Frame{Type: Pong, Value: 1}, "030000000000000001"},
		{"reset", Frame{Type: ResetStream, Stream: 4, Value: 70, Size: 16384}, "0404404680004000"},
		{"stop", Frame{Type: StopSending, Stream: 1, Value: 0}, "050100"},
		{"max data", Frame{Type: MaxData, Value: 1 << 30}, "06c000000040000000"},
		{"max stream data", Frame{Type: MaxStreamData, Stream: 63, Value: 64}, "073f4040"},
		{"max streams", Frame{Type: MaxStreams, Value: 5}, "0805"},
		{"max uni streams", Frame{Type: MaxUniStreams, Value: 5}, "0905"},
		{"go away", Frame{Type: GoAway}, "0a"},
		{"close", Frame{Type: Close, Value: 9, Data: []byte("bye")}, "0b0903627965"},
		{"datagram", Frame{Type: Datagram, Data: []byte("hi")}, "0c6869"},
		{"priority", Frame{Type: Priority, Stream: 8, Value: 2, Urgency: 7, Incremental: true}, "0d08020f"},
		{"stream opens", Frame{Type: Stream, Stream: 0, Data: []byte{}}, "120000"},
		{"stream", Frame{Type: Stream, Stream: 4, Value: 256, Data: []byte("ab")}, "16044100026162"},
		{"stream ends", Frame{Type: Stream, Stream: 4, Value: 1, Fin: true, Data: []byte{}}, "17040100"},
		{"extension", Frame{Type: 0x41, Data: []byte("x")}, "40410178"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.hex, hex.EncodeToString(Append(nil, tt.f)))
			raw, err := hex.DecodeString(tt.hex)
			require.NoError(t, err)
			got, rest, err := Parse(raw)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.Equal(t, tt.f, got)
		})
	}
}

// A STREAM frame without a length takes the rest of the packet.
func TestStreamToTheEnd(t *testing.T) {
	b := append(AppendStreamHeader(nil, 4, 7, -1, false), "rest"...)
	require.Len(t, b, SizeStreamHeader(4, 7)+4)
	f, rest, err := Parse(b)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Equal(t, Frame{Type: Stream, Stream: 4, Value: 7, Data: []byte("rest")}, f)
}

// Every proper prefix of a frame that carries its length is no frame.
func TestTruncated(t *testing.T) {
	for _, f := range []Frame{
		{Type: Ping, Value: 1},
		{Type: ResetStream, Stream: 100, Value: 70, Size: 16384},
		{Type: MaxStreamData, Stream: 63, Value: 1 << 40},
		{Type: Close, Value: 9, Data: []byte("bye")},
		{Type: Stream, Stream: 4, Value: 256, Data: []byte("ab")},
	} {
		b := Append(nil, f)
		for n := range b {
			_, _, err := Parse(b[:n])
			require.ErrorIs(t, err, ErrFormat, "%v cut to %d", f, n)
		}
	}
}

// What a STREAM frame ends at must be a valid offset itself.
func TestOffsetOutOfRange(t *testing.T) {
	b := Append(nil, Frame{Type: Stream, Value: MaxOffset, Data: []byte("x")})
	_, _, err := Parse(b)
	require.ErrorIs(t, err, ErrFormat)
}

func TestVarintSizes(t *testing.T) {
	for v, n := range map[uint64]int{0: 1, 63: 1, 64: 2, 16383: 2, 16384: 4, 1<<30 - 1: 4, 1 << 30: 8, MaxVarint: 8} {
		b := AppendVarint(nil, v)
		require.Len(t, b, n)
		require.Equal(t, n, SizeVarint(v))
		got, k := Varint(b)
		require.Equal(t, v, got)
		require.Equal(t, n, k)
	}
}

func TestHello(t *testing.T) {
	want := Greeting{Version: Version, Server: true, Messages: true, StreamWindow: 1 << 18, SessionWindow: 1 << 25, Streams: 256, UniStreams: 3}
	f, rest, err := Parse(AppendHello(nil, want))
	require.NoError(t, err)
	require.Empty(t, rest)
	got, err := ParseHello(f.Data)
	require.NoError(t, err)
	require.Equal(t, want, got)

	got, err = ParseHello(append(bytes.Clone(f.Data), 0x20, 0x01)) // a setting that we do not know
	require.NoError(t, err)
	require.Equal(t, want, got)

	_, err = ParseHello([]byte("GET / HTTP/1.1"))
	require.ErrorIs(t, err, ErrFormat)
}

// Decoding never panics, and encoding what was decoded gives a frame that decodes
// to the same.
func FuzzParse(f *testing.F) {
	f.Add(Append(nil, Frame{Type: Stream, Stream: 4, Value: 256, Data: []byte("ab")}))
	f.Add(Append(nil, Frame{Type: Close, Value: 9, Data: []byte("bye")}))
	f.Add(Append(nil, Frame{Type: Priority, Stream: 8, Value: 2, Urgency: 7}))
	f.Add(AppendHello(nil, Greeting{Version: 1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			frame, rest, err := Parse(b)
			if err != nil {
				return
			}
			require.Less(t, len(rest), len(b))
			again, left, err := Parse(Append(nil, frame))
			require.NoError(t, err)
			require.Empty(t, left)
			require.Equal(t, frame, again)
			if frame.Type == Hello {
				_, _ = ParseHello(frame.Data)
			}
			b = rest
		}
	})
}
