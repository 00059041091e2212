package mux_test

import (
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/mux/internal/frame"
)

// A hostile client ends its session with GOAWAY's stronger sister, CLOSE with code
// FLOOD or FLOW_CONTROL, and makes the server hold little (attack A42).
func TestHostilePeers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		code  uint64
		frame func(n int) frame.Frame
	}{
		{"a million streams opened and reset", mux.CodeFlowControl, func(n int) frame.Frame {
			return frame.Frame{Type: frame.ResetStream, Stream: int64(4 * n)}
		}},
		{"pings", mux.CodeFlood, func(n int) frame.Frame { return frame.Frame{Type: frame.Ping, Value: uint64(n)} }},
		{"window updates", mux.CodeFlood, func(n int) frame.Frame { return frame.Frame{Type: frame.MaxData, Value: uint64(n)} }},
		{"empty frames", mux.CodeFlood, func(int) frame.Frame { return frame.Frame{Type: frame.Stream} }},
		{"a hundred thousand idle streams", mux.CodeFlowControl, func(n int) frame.Frame {
			return frame.Frame{Type: frame.Stream, Stream: int64(4 * n)}
		}},
		{"data that nobody reads", mux.CodeFlowControl, func(n int) frame.Frame {
			return frame.Frame{Type: frame.Stream, Stream: int64(n / 16 * 4), Value: uint64(n % 16 * 16 << 10), Data: make([]byte, 16<<10)}
		}},
		{"a byte in each chunk", mux.CodeFlowControl, func(n int) frame.Frame {
			return frame.Frame{Type: frame.Stream, Stream: int64(n / 31 * 4), Value: uint64((n%31 + 1) * 8 << 10), Data: []byte("x")}
		}},
		{"single bytes with holes", mux.CodeFlood, func(n int) frame.Frame {
			return frame.Frame{Type: frame.Stream, Value: uint64(2*n + 1), Data: []byte("x")}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			synctest.Test(t, func(t *testing.T) {
				c1, c2 := net.Pipe()
				runtime.GC()
				runtime.ReadMemStats(&before)
				server, err := mux.Server(c2, nil)
				require.NoError(t, err)
				go func() { _, _ = io.Copy(io.Discard, c1) }()
				hello := frame.AppendHello(nil, frame.Greeting{Version: frame.Version})
				for n := -1; ; n++ {
					require.Less(t, n, 1_000_000, "the server takes it all")
					p := hello
					if n >= 0 {
						p = frame.Append(nil, tt.frame(n))
					}
					if _, err := c1.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(p))), p...)); err != nil {
						break
					}
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				var e *mux.SessionError
				require.ErrorAs(t, server.Err(), &e)
				require.Equal(t, tt.code, e.Code, e.Reason)
				require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(40<<20))
				c1.Close()
				require.NoError(t, server.Close())
			})
		})
	}
}
