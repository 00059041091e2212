package proto

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux/internal/frame"
)

// testConfig allows little, so that limits are near.
func testConfig() Config {
	return Config{
		Messages: true, Streams: [2]int64{20, 20}, Backlog: 20, StreamWindow: EarlyStreamWindow,
		MaxStreamWindow: 4 * EarlyStreamWindow, SessionWindow: EarlySessionWindow, MaxFrame: 16 << 10,
		NewStream: func() *Stream { return new(Stream) },
	}
}

// testSession is a session whose peer is the test.
type testSession struct {
	*Session
	t    testing.TB
	time time.Time
	out  []frame.Frame // what it sent and the test has not looked at
}

// newTest makes a client that has met its peer, and has nothing to send.
func newTest(t testing.TB, change func(*Config)) *testSession {
	t.Helper()
	c := testConfig()
	if change != nil {
		change(&c)
	}
	start := time.Unix(1000, 0)
	ts := &testSession{Session: New(c, start), t: t, time: start}
	ts.recvHello(frame.Greeting{})
	ts.send()
	require.Equal(t, frame.Hello, ts.out[0].Type)
	require.Equal(t, frame.Ping, ts.out[1].Type)
	require.NoError(t, ts.HandlePacket(ts.time, frame.Append(nil, frame.Frame{Type: frame.Pong, Value: ts.out[1].Value})))
	ts.out = nil
	return ts
}

func (ts *testSession) recvHello(g frame.Greeting) {
	ts.t.Helper()
	g.Version, g.Server, g.Messages = frame.Version, !ts.cfg.Server, ts.cfg.Messages
	require.NoError(ts.t, ts.HandlePacket(ts.time, frame.AppendHello(nil, g)))
}

// recv hands frames to the session, which must take them.
func (ts *testSession) recv(frames ...frame.Frame) {
	ts.t.Helper()
	require.NoError(ts.t, ts.try(frames...))
}

func (ts *testSession) try(frames ...frame.Frame) error {
	var p []byte
	for _, f := range frames {
		p = frame.Append(p, f)
	}
	return ts.HandlePacket(ts.time, p)
}

// send lets the session send all it wants.
func (ts *testSession) send() {
	ts.t.Helper()
	buf := make([]byte, 1456)
	for {
		n := ts.Pack(ts.time, buf)
		if n == 0 {
			require.False(ts.t, ts.Ready(), "ready, but packed nothing")
			return
		}
		for p := append([]byte(nil), buf[:n]...); len(p) > 0; {
			f, rest, err := frame.Parse(p)
			require.NoError(ts.t, err)
			ts.out = append(ts.out, f)
			p = rest
		}
	}
}

// want requires that the session now sends these frames and no others.
func (ts *testSession) want(frames ...frame.Frame) {
	ts.t.Helper()
	ts.send()
	for i := range ts.out {
		if len(ts.out[i].Data) == 0 {
			ts.out[i].Data = nil
		}
	}
	require.Equal(ts.t, frames, ts.out)
	ts.out = nil
}

// wantViolation requires that frames end the session with code.
func (ts *testSession) wantViolation(code uint64, frames ...frame.Frame) {
	ts.t.Helper()
	var e *ProtocolError
	require.ErrorAs(ts.t, ts.try(frames...), &e)
	require.Equal(ts.t, code, e.Code, e.Reason)
}

// open opens a stream, and lets the peer know.
func (ts *testSession) open(k Kind) *Stream {
	ts.t.Helper()
	st, err := ts.Open(k)
	require.NoError(ts.t, err)
	require.NotNil(ts.t, st)
	ts.want(frame.Frame{Type: frame.Stream, Stream: st.ID()})
	return st
}

// accept lets the peer open the stream, and accepts it.
func (ts *testSession) accept(id int64) *Stream {
	ts.t.Helper()
	ts.recv(frame.Frame{Type: frame.Stream, Stream: id})
	st := ts.Accept()
	require.NotNil(ts.t, st)
	return st
}

// read reads what there is of st.
func (ts *testSession) read(st *Stream) (string, error) {
	buf := make([]byte, 1<<20)
	n, err := st.Read(ts.time, buf)
	return string(buf[:n]), err
}

// data, fin and so on are frames that tests use often.
func data(id int64, off int, s string) frame.Frame {
	return frame.Frame{Type: frame.Stream, Stream: id, Value: uint64(off), Data: []byte(s)}
}

func fin(id int64, off int) frame.Frame {
	return frame.Frame{Type: frame.Stream, Stream: id, Value: uint64(off), Fin: true}
}

func reset(id int64, code uint64, size int64) frame.Frame {
	return frame.Frame{Type: frame.ResetStream, Stream: id, Value: code, Size: size}
}

func stop(id int64, code uint64) frame.Frame {
	return frame.Frame{Type: frame.StopSending, Stream: id, Value: code}
}

func maxStreamData(id int64, v uint64) frame.Frame {
	return frame.Frame{Type: frame.MaxStreamData, Stream: id, Value: v}
}
