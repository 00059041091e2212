package mux_test

import (
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/mux/internal/frame"
)

// A server closes the session of a hostile client with code FLOOD or FLOW_CONTROL, and
// holds little memory until then. All attacks are in one table.
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
		{"changes of priority", mux.CodeFlood, func(n int) frame.Frame {
			return frame.Frame{Type: frame.Priority, Value: uint64(n), Urgency: uint8(n & 7)}
		}},
		{"GOAWAY", mux.CodeFlood, func(int) frame.Frame { return frame.Frame{Type: frame.GoAway} }},
		{"bytes that have arrived", mux.CodeFlood, func(int) frame.Frame { return frame.Frame{Type: frame.Stream, Data: []byte("x")} }},
		{"packets without frames", mux.CodeFlood, func(int) frame.Frame { return frame.Frame{} }},
		{"extensions", mux.CodeFlood, func(int) frame.Frame { return frame.Frame{Type: frame.Extension, Data: []byte("x")} }},
		{"a huge offset", mux.CodeFlowControl, func(int) frame.Frame {
			return frame.Frame{Type: frame.Stream, Value: 1<<62 - 2, Data: []byte("x")}
		}},
		{"a huge final size", mux.CodeFlowControl, func(int) frame.Frame {
			return frame.Frame{Type: frame.ResetStream, Size: 1<<62 - 1}
		}},
		{"a huge stream", mux.CodeFlowControl, func(int) frame.Frame { return frame.Frame{Type: frame.Stream, Stream: 1<<62 - 4} }},
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
						p = nil
						if f := tt.frame(n); f.Type != 0 {
							p = frame.Append(nil, f)
						}
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

// A peer that says something now and then, but never all of it, is silent.
func TestSlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c1, c2 := net.Pipe()
		server, err := mux.Server(c2, nil)
		require.NoError(t, err)
		go func() { _, _ = io.Copy(io.Discard, c1) }()
		start := time.Now()
		for range 5 {
			_, err := c1.Write([]byte{255})
			require.NoError(t, err)
			time.Sleep(10 * time.Second)
		}
		require.ErrorIs(t, server.Err(), mux.ErrPeerTimeout)
		<-server.Done()
		require.Equal(t, 50*time.Second, time.Since(start))
		c1.Close()
		require.NoError(t, server.Close())
	})
}

// Streams whose windows have grown, and which nobody reads any more, hold no more than
// the window of the session, and half of it is left to streams that did not grow.
func TestGrownWindowsAreBounded(t *testing.T) {
	config := &mux.Config{MaxSessionWindow: 4 << 20, InitialStreamWindow: 64 << 10}
	overMessages(t, config, func(t *testing.T, client, server *mux.Session) {
		const growing = 5
		var unread []*mux.Stream
		for range growing {
			a, b := pairOf(t, client, server)
			go func() { _ = pour(a) }()
			_, err := io.CopyN(io.Discard, b, 4<<20)
			require.NoError(t, err)
			unread = append(unread, b)
			time.Sleep(10 * time.Second) // as much as may arrive does
		}
		require.Less(t, server.Stats().BytesReceived, int64(growing*(4<<20)+4<<20+1))
		a, b := pairOf(t, client, server)
		wrote := writeAll(a, make([]byte, 1<<20))
		n, err := io.CopyN(io.Discard, b, 1<<20)
		require.NoError(t, err)
		require.EqualValues(t, 1<<20, n)
		require.NoError(t, <-wrote)
		for _, st := range unread {
			require.NoError(t, st.Reset(0))
		}
	})
}
