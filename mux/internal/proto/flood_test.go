package proto

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux/internal/frame"
)

// flood sends what next makes until the session ends, and returns how many it took.
func (ts *testSession) flood(t testing.TB, next func(n int) frame.Frame) (taken int) {
	t.Helper()
	for n := range 200_000 {
		err := ts.try(next(n))
		if err != nil {
			var e *ProtocolError
			require.ErrorAs(t, err, &e)
			require.EqualValues(t, CodeFlood, e.Code, e.Reason)
			return n
		}
		ts.send()
		ts.out = ts.out[:0]
	}
	t.Fatal("the session takes whatever comes")
	return 0
}

// "An endpoint may end a session with FLOOD whose peer exceeds ..."
func TestFloods(t *testing.T) {
	for _, tt := range []struct {
		name string
		most int
		next func(ts *testSession, n int) frame.Frame
	}{
		{"pings", 200, func(_ *testSession, n int) frame.Frame { return frame.Frame{Type: frame.Ping, Value: uint64(n)} }},
		{"window updates", 1100, func(_ *testSession, n int) frame.Frame {
			return frame.Frame{Type: frame.MaxData, Value: uint64(n) << 20}
		}},
		{"window updates of a stream", 1100, func(_ *testSession, n int) frame.Frame { return maxStreamData(1, uint64(n)<<20) }},
		{"empty frames", 410, func(*testSession, int) frame.Frame { return data(1, 0, "") }},
		{"padding", 410, func(*testSession, int) frame.Frame { return frame.Frame{Type: frame.Padding} }},
		{"extensions", 410, func(*testSession, int) frame.Frame { return frame.Frame{Type: frame.Extension, Data: []byte("x")} }},
		{"priorities", 4500, func(_ *testSession, n int) frame.Frame {
			return frame.Frame{Type: frame.Priority, Stream: 1, Value: uint64(n), Urgency: uint8(n % 8)}
		}},
		{"priorities without effect", 410, func(_ *testSession, n int) frame.Frame {
			return frame.Frame{Type: frame.Priority, Stream: 1, Value: 1}
		}},
		{"bytes that have arrived", 410, func(*testSession, int) frame.Frame { return data(1, 0, "x") }},
		{"ends that have arrived", 410, func(*testSession, int) frame.Frame { return fin(1, 0) }},
		{"GOAWAY", 410, func(*testSession, int) frame.Frame { return frame.Frame{Type: frame.GoAway} }},
		{"streams opened and reset", 410, func(ts *testSession, n int) frame.Frame {
			if st := ts.Accept(); st != nil {
				require.NoError(t, st.Reset(0))
			}
			return reset(int64(4*n+1), 0, 0)
		}},
		{"bytes with holes between", 5000, func(_ *testSession, n int) frame.Frame { return data(1, 2*n+1, "x") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts := newTest(t, nil)
			taken := ts.flood(t, func(n int) frame.Frame { return tt.next(ts, n) })
			require.LessOrEqual(t, taken, tt.most)
			require.Greater(t, taken, 50, "honest peers do some of it")
		})
	}
}

// The same at a moderate pace is no flood.
func TestModeratePace(t *testing.T) {
	ts := newTest(t, nil)
	for n := range 2000 {
		ts.time = ts.time.Add(150 * time.Millisecond)
		ts.recv(frame.Frame{Type: frame.Ping, Value: uint64(n)}, maxStreamData(1, uint64(n)), data(1, 0, ""))
		ts.send()
		ts.out = nil
	}
}

// Answers to pings that cannot be sent do not pile up.
func TestPongsAreBounded(t *testing.T) {
	ts := newTest(t, nil)
	taken := 0
	for ; taken < 10_000; taken++ {
		ts.time = ts.time.Add(time.Second)
		if ts.try(frame.Frame{Type: frame.Ping}) != nil {
			break
		}
	}
	require.Equal(t, maxPongs, taken)
}

// Packets without frames are frames without effect.
func TestEmptyPackets(t *testing.T) {
	ts := newTest(t, nil)
	for range 400 {
		require.NoError(t, ts.try())
	}
	ts.wantViolation(CodeFlood)
}

// Holes in many streams together are no more than in one.
func TestHolesOfManyStreams(t *testing.T) {
	ts := newTest(t, nil)
	holes := 0
	taken := ts.flood(t, func(n int) frame.Frame {
		holes++
		return data(int64(4*(n/1000)+1), 2*(n%1000)+1, "x")
	})
	require.Less(t, taken, maxFragments+10*64+1000)
	require.Greater(t, taken, maxFragments)
}

// What is forgotten of a stream that ends is its holes as well.
func TestHolesOfEndedStreams(t *testing.T) {
	ts := newTest(t, nil)
	for id := int64(1); id < 100; id += 4 {
		st := ts.accept(id)
		for n := range 1000 {
			ts.recv(data(id, 2*n+1, "x"))
		}
		require.Positive(t, ts.fragments)
		require.NoError(t, st.Reset(0))
		ts.recv(reset(id, 0, 3000))
		require.Zero(t, ts.fragments)
		ts.send()
		ts.out = nil
	}
}

// What a peer may do for each stream, it may do long after, for all streams at once.
func TestEarnedBudgetsStay(t *testing.T) {
	const streams = 5000
	ts := newTest(t, nil)
	ts.recv(frame.Frame{Type: frame.MaxStreams, Value: streams})
	for range streams {
		st, err := ts.Open(Bidi)
		require.NoError(t, err)
		require.NoError(t, st.CloseWrite())
	}
	ts.time = ts.time.Add(time.Hour)
	ts.send()
	for n := range int64(streams) {
		ts.recv(stop(4*n, 0), maxStreamData(4*n, 1<<20), frame.Frame{Type: frame.MaxStreams, Value: streams + uint64(n)})
	}
}

// Our own pings stay within what peers let through.
func TestOwnPingsAreModerate(t *testing.T) {
	ts := newTest(t, nil)
	sent := 0
	start := ts.time
	for ts.time.Sub(start) < 20*time.Second {
		ts.RequestPing(ts.time)
		ts.send()
		for _, f := range ts.out {
			if f.Type == frame.Ping {
				sent++
				ts.recv(frame.Frame{Type: frame.Pong, Value: f.Value})
			}
		}
		ts.out = nil
		ts.time = ts.time.Add(time.Millisecond)
	}
	require.InDelta(t, pingBurst+20*pingRate, sent, 5)
}
