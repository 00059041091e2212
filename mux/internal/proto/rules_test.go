package proto

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux/internal/frame"
)

// "The first frame about a stream opens it and all lower ones of its kind."
func TestHigherStreamOpensLower(t *testing.T) {
	ts := newTest(t, nil)
	ts.recv(data(9, 0, "third"))
	for _, id := range []int64{1, 5, 9} {
		require.Equal(t, id, ts.Accept().ID())
	}
	require.Nil(t, ts.Accept())
}

// Bytes are read in order, however their frames arrive.
func TestFramesInAnyOrder(t *testing.T) {
	ts := newTest(t, nil)
	st := ts.accept(1)
	ts.recv(fin(1, 9), data(1, 6, "ghi"))
	got, err := ts.read(st)
	require.NoError(t, err)
	require.Empty(t, got)
	ts.recv(data(1, 0, "abc"))
	got, _ = ts.read(st)
	require.Equal(t, "abc", got)
	ts.recv(data(1, 2, "cdefg")) // overlaps both
	got, _ = ts.read(st)
	require.Equal(t, "defghi", got)
	_, err = ts.read(st)
	require.Equal(t, io.EOF, err)
}

// "frames beyond the final size, or two final sizes, end the session"
func TestFinalSize(t *testing.T) {
	for name, second := range map[string]frame.Frame{
		"data beyond":     data(1, 3, "d"),
		"another FIN":     fin(1, 4),
		"a lower FIN":     fin(1, 2),
		"another reset":   reset(1, 0, 4),
		"a smaller reset": reset(1, 0, 2),
	} {
		t.Run(name, func(t *testing.T) {
			ts := newTest(t, nil)
			ts.recv(data(1, 1, "bc"), fin(1, 3))
			ts.wantViolation(CodeProtocol, second)
		})
	}
}

// "RESET_STREAM after everything has arrived changes nothing."
func TestResetAfterTheEnd(t *testing.T) {
	ts := newTest(t, nil)
	st := ts.accept(1)
	ts.recv(data(1, 0, "abc"), fin(1, 3), reset(1, 7, 3))
	got, _ := ts.read(st)
	require.Equal(t, "abc", got)
	_, err := ts.read(st)
	require.Equal(t, io.EOF, err)
}

// A reset discards what was not read, and is an error.
func TestResetIsAnError(t *testing.T) {
	ts := newTest(t, nil)
	st := ts.accept(1)
	ts.recv(data(1, 0, "abc"), reset(1, 7, 5))
	_, err := ts.read(st)
	require.Equal(t, &StreamError{Code: 7, Remote: true}, err)
	ts.recv(data(1, 3, "de")) // late
}

// "STOP_SENDING ... Its receiver sends RESET_STREAM with the same code", and what
// the application writes fails.
func TestStopSending(t *testing.T) {
	ts := newTest(t, nil)
	st := ts.open(Bidi)
	require.NoError(t, st.Offer([]byte("abc")))
	ts.want(data(0, 0, "abc"))
	ts.recv(stop(0, 5))
	ts.want(reset(0, 5, 3))
	require.Equal(t, &StreamError{Code: 5, Remote: true}, st.Offer([]byte("d")))
}

// "... unless it has sent FIN or RESET_STREAM."
func TestStopSendingAfterTheEnd(t *testing.T) {
	ts := newTest(t, nil)
	st := ts.open(Bidi)
	require.NoError(t, st.CloseWrite())
	ts.want(fin(0, 0))
	ts.recv(stop(0, 5))
	ts.want()
}

// What arrives in order while a reader waits is put where it wants it, and counts as
// read when it has taken notice; what does not fit, and what follows a gap, is kept.
func TestLend(t *testing.T) {
	ts := newTest(t, nil)
	st := ts.accept(1)
	b := make([]byte, 4)
	require.True(t, st.Lend(b))
	ts.recv(data(1, 0, "ab"), data(1, 3, "d"), data(1, 0, "abc"), data(1, 4, "efg"))
	require.Equal(t, "ab", string(b[:st.TakeBack(ts.time)]), "more waits behind the gap that was filled")
	got, err := ts.read(st)
	require.NoError(t, err)
	require.Equal(t, "cdefg", got)

	require.True(t, st.Lend(b))
	ts.recv(data(1, 7, "hi"), data(1, 9, "jklm"))
	require.Zero(t, ts.done-7, "not read yet")
	require.Equal(t, "hijk", string(b[:st.TakeBack(ts.time)]))
	require.EqualValues(t, 11, ts.done)
	got, err = ts.read(st)
	require.NoError(t, err)
	require.Equal(t, "lm", got)

	require.True(t, st.Lend(b))
	ts.recv(data(1, 13, "no"))
	require.NoError(t, st.CloseRead(0))
	require.Equal(t, 2, st.TakeBack(ts.time))
	require.Equal(t, ts.received, ts.done, "no byte of the window is lost")
}

// "A stream that its application closes before it has all data sends STOP_SENDING";
// one that has them does not.
func TestCloseRead(t *testing.T) {
	ts := newTest(t, nil)
	st := ts.accept(1)
	ts.recv(data(1, 0, "abc"))
	require.NoError(t, st.CloseRead(0))
	ts.want(stop(1, 0))
	st = ts.accept(5)
	ts.recv(data(5, 0, "abc"), fin(5, 3))
	require.NoError(t, st.CloseRead(0))
	ts.want()
}

// Going beyond a limit ends the session.
func TestLimitsAreEnforced(t *testing.T) {
	last := EarlyStreamWindow - 1 // what is highest counts, not what is there
	for name, frames := range map[string][]frame.Frame{
		"stream":       {data(1, last, "xx")},
		"session":      {data(1, last, "x"), data(5, last, "x"), data(9, last, "x"), data(13, last, "x"), data(17, 0, "x")},
		"reset":        {reset(1, 0, EarlyStreamWindow+1)},
		"streams":      {data(4*20+1, 0, "x")},
		"uni streams":  {data(4*20+3, 0, "x")},
		"far too many": {data(1<<61+1, 0, "x")},
	} {
		t.Run(name, func(t *testing.T) {
			newTest(t, nil).wantViolation(CodeFlowControl, frames...)
		})
	}
}

// We stay within the peer's limits, and go on when they move.
func TestLimitsAreKept(t *testing.T) {
	ts := newTest(t, nil)
	st := ts.open(Bidi)
	lent := make([]byte, EarlyStreamWindow+3)
	require.NoError(t, st.Offer(lent))
	ts.send()
	require.Equal(t, 3, st.Left())
	ts.out = nil
	ts.recv(maxStreamData(0, EarlyStreamWindow+1))
	ts.want(data(0, EarlyStreamWindow, "\x00"))
	ts.recv(maxStreamData(0, EarlyStreamWindow)) // late: limits only grow
	ts.want()
	require.Equal(t, 2, st.Left())
}

// The window of the session binds all streams together.
func TestSessionLimitIsKept(t *testing.T) {
	ts := newTest(t, nil)
	for range 5 {
		st := ts.open(Bidi)
		require.NoError(t, st.Offer(make([]byte, EarlyStreamWindow)))
		ts.send()
		ts.out = nil
	}
	require.EqualValues(t, EarlySessionWindow, ts.Stats().BytesSent)
	ts.recv(frame.Frame{Type: frame.MaxData, Value: EarlySessionWindow + 1})
	ts.want(data(16, 0, "\x00"))
}

// A frame of the peer may not be about what only the other side may do.
func TestDirections(t *testing.T) {
	for name, f := range map[string]frame.Frame{
		"data on our uni stream":        data(2, 0, "x"),
		"reset of our uni stream":       reset(2, 0, 0),
		"stop of its uni stream":        stop(3, 0),
		"window of its uni stream":      maxStreamData(3, 1),
		"a stream that we did not open": data(4, 0, "x"),
		"priority of a stream of ours":  {Type: frame.Priority, Stream: 0, Value: 1},
		"pong without ping":             {Type: frame.Pong, Value: 77},
	} {
		t.Run(name, func(t *testing.T) {
			ts := newTest(t, nil)
			ts.open(Bidi)
			ts.open(Uni)
			ts.wantViolation(CodeProtocol, f)
		})
	}
}

// "MAX_STREAMS ... when the application is done with one": a peer that opens and
// resets streams gets no credit for it.
func TestStreamCreditNeedsTheApplication(t *testing.T) {
	ts := newTest(t, nil)
	for n := range 20 {
		ts.recv(reset(int64(4*n+1), 0, 0))
	}
	ts.wantViolation(CodeFlowControl, reset(4*20+1, 0, 0))

	ts = newTest(t, nil)
	for n := range 20 {
		ts.recv(reset(int64(4*n+1), 0, 0))
		st := ts.Accept()
		require.NoError(t, st.Reset(0))
	}
	ts.send()
	ts.recv(data(4*20+1, 0, "x"))
	require.Equal(t, 1, ts.Len())
}

// Streams that wait for Accept hold credit back.
func TestBacklogHoldsCredit(t *testing.T) {
	ts := newTest(t, func(c *Config) { c.Backlog = 16 })
	for n := range 16 {
		ts.recv(data(int64(4*n+1), 0, "x"))
	}
	ts.want()
	for range 4 {
		ts.Accept()
	}
	ts.send()
	require.Len(t, ts.out, 1)
	require.Equal(t, frame.MaxStreams, ts.out[0].Type)
	require.EqualValues(t, 20, ts.out[0].Value)
}

// "streams below that number which it does not want it resets with code REFUSED"
func TestRefused(t *testing.T) {
	ts := newTest(t, func(c *Config) { c.Streams = [2]int64{0, 0} })
	ts.recv(data(1, 0, "x"))
	ts.want(stop(1, CodeRefused), reset(1, CodeRefused, 0))
	require.Nil(t, ts.Accept())
	ts.recv(reset(1, CodeRefused, 1))
	require.Zero(t, ts.Len())
}

// Streams are forgotten when both sides are done, and late frames do no harm.
func TestForgotten(t *testing.T) {
	ts := newTest(t, nil)
	st := ts.accept(1)
	ts.recv(data(1, 0, "abc"), fin(1, 3))
	ts.read(st)
	ts.read(st)
	require.NoError(t, st.CloseWrite())
	require.Equal(t, 1, ts.Len())
	ts.send()
	require.Zero(t, ts.Len())
	ts.recv(data(1, 0, "abc"), stop(1, 0), maxStreamData(1, 1<<40), reset(1, 0, 3))
	require.Zero(t, ts.Len())
	require.Nil(t, ts.Accept())
}

// A window moves when half of it was read, and grows if that took less than two
// round trips.
func TestWindowGrows(t *testing.T) {
	ts := newTest(t, nil)
	st := ts.accept(1)
	at := 0
	half := strings.Repeat("x", EarlyStreamWindow/2)
	step := func(after time.Duration) (window int) {
		ts.time = ts.time.Add(after)
		for window == 0 {
			ts.recv(data(1, at, half))
			at += len(half)
			ts.read(st)
			ts.send()
			for _, f := range ts.out {
				if f.Type == frame.MaxStreamData {
					window = int(f.Value) - at
				}
			}
			ts.out = nil
		}
		return window
	}
	require.Equal(t, EarlyStreamWindow, step(0))
	require.Equal(t, EarlyStreamWindow, step(time.Second), "the reader is slow")
	require.Equal(t, 2*EarlyStreamWindow, step(0))
	require.Equal(t, 3*EarlyStreamWindow, step(0), "growth is bounded by half the session's window")
	require.Equal(t, 3*EarlyStreamWindow, step(0))
}

// What is discarded does not use up the window of the session.
func TestDiscardedBytesAreReleased(t *testing.T) {
	ts := newTest(t, nil)
	for id := int64(1); id < 4*16; id += 4 {
		st := ts.accept(id)
		ts.recv(data(id, 0, strings.Repeat("x", EarlyStreamWindow/2)))
		require.NoError(t, st.CloseRead(0))
		ts.recv(reset(id, 0, EarlyStreamWindow))
		ts.send()
	}
	require.Equal(t, ts.received, ts.done)
}

// Streams of lower urgency go first; incremental ones take turns of a
// quantum.
func TestPriorities(t *testing.T) {
	order := func(size int, set func(st [3]*Stream)) (ids []int64) {
		ts := newTest(t, nil)
		var st [3]*Stream
		for i := range st {
			st[i] = ts.open(Uni)
		}
		set(st)
		for _, s := range st {
			require.NoError(t, s.Offer(make([]byte, size)))
		}
		ts.send()
		for _, f := range ts.out {
			if n := len(ids); f.Type == frame.Stream && (n == 0 || ids[n-1] != f.Stream>>2) {
				ids = append(ids, f.Stream>>2)
			}
		}
		return ids
	}
	require.Equal(t, []int64{0, 1, 2, 0, 1, 2}, order(quantum+2000, func([3]*Stream) {}))
	require.Equal(t, []int64{2, 0, 1}, order(2000, func(st [3]*Stream) { st[2].SetPriority(0, true) }))
	require.Equal(t, []int64{0, 1, 2}, order(2000, func(st [3]*Stream) {
		for _, s := range st {
			s.SetPriority(3, false)
		}
	}))
}

// "PRIORITY tells the acceptor ...; a lower count is ignored", and the acceptor's own
// application has the last word.
func TestPriorityFrame(t *testing.T) {
	ts := newTest(t, nil)
	st := ts.open(Bidi)
	st.SetPriority(1, false)
	st.SetPriority(2, false)
	ts.want(frame.Frame{Type: frame.Priority, Stream: 0, Value: 2, Urgency: 2})

	st = ts.accept(1)
	ts.recv(frame.Frame{Type: frame.Priority, Stream: 1, Value: 2, Urgency: 5})
	ts.recv(frame.Frame{Type: frame.Priority, Stream: 1, Value: 1, Urgency: 7})
	require.EqualValues(t, 5, st.urgency)
	st.SetPriority(0, true)
	ts.recv(frame.Frame{Type: frame.Priority, Stream: 1, Value: 3, Urgency: 6})
	require.EqualValues(t, 0, st.urgency)
	ts.want() // only openers tell
}

// "After GOAWAY its receiver opens no more streams; those that exist go on."
func TestGoAway(t *testing.T) {
	ts := newTest(t, nil)
	st := ts.open(Bidi)
	ts.recv(frame.Frame{Type: frame.GoAway})
	_, err := ts.Open(Bidi)
	require.Equal(t, ErrGoAway, err)
	require.NoError(t, st.Offer([]byte("x")))
	ts.want(data(0, 0, "x"))
	ts.GoAway()
	ts.want(frame.Frame{Type: frame.GoAway})
	ts.accept(1) // it was on its way
}

// A closed session still sends the ends of streams, then CLOSE, and nothing more.
func TestClose(t *testing.T) {
	ts := newTest(t, nil)
	st := ts.open(Bidi)
	require.NoError(t, st.CloseWrite())
	ts.Close(io.ErrClosedPipe, 9, strings.Repeat("x", 1000))
	ts.want(fin(0, 0))
	buf := make([]byte, MinPacket)
	f, rest, err := frame.Parse(buf[:ts.PackClose(buf)])
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Equal(t, frame.Frame{Type: frame.Close, Value: 9, Data: []byte(strings.Repeat("x", MaxReason))}, f)
	require.Zero(t, ts.PackClose(buf))
	require.ErrorIs(t, st.WriteErr(), io.ErrClosedPipe)
	require.Equal(t, &ClosedError{1, "too"}, ts.try(frame.Frame{Type: frame.Close, Value: 1, Data: []byte("too")}))
}

// A silent peer is asked, and then given up.
func TestSilence(t *testing.T) {
	ts := newTest(t, func(c *Config) { c.KeepAlive, c.Idle = 15*time.Second, 45*time.Second })
	require.Equal(t, ts.time.Add(15*time.Second), ts.Next())
	ts.time = ts.Next()
	require.NoError(t, ts.Advance(ts.time))
	ts.send()
	require.Equal(t, frame.Ping, ts.out[0].Type)
	require.Equal(t, ts.time.Add(30*time.Second), ts.Next())
	ts.time = ts.Next()
	require.Equal(t, ErrIdle, ts.Advance(ts.time))
}

// A Hello that does not fit ends the session.
func TestHello(t *testing.T) {
	hello := func(g frame.Greeting) []byte { return frame.AppendHello(nil, g) }
	good := frame.Greeting{Version: 1, Server: true, Messages: true}
	for name, p := range map[string][]byte{
		"version": hello(frame.Greeting{Version: 2, Server: true, Messages: true}),
		"role":    hello(frame.Greeting{Version: 1, Messages: true}),
		"carrier": hello(frame.Greeting{Version: 1, Server: true}),
		"twice":   append(hello(good), hello(good)...),
		"other":   []byte("GET / HTTP/1.1\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			var e *ProtocolError
			require.ErrorAs(t, New(testConfig(), time.Unix(1, 0)).HandlePacket(time.Unix(1, 0), p), &e)
			require.EqualValues(t, CodeProtocol, e.Code)
		})
	}
}

// "on a byte stream it is the first frame to arrive"; among messages it may be late.
func TestHelloFirst(t *testing.T) {
	for _, messages := range []bool{false, true} {
		c := testConfig()
		c.Messages = messages
		err := New(c, time.Unix(1, 0)).HandlePacket(time.Unix(1, 0), frame.Append(nil, data(1, 0, "x")))
		require.Equal(t, messages, err == nil)
	}
}

// Streams that wait for others get a share of one byte in sixteen, for the others
// may never end: those of a higher number, and those behind one that is not
// incremental.
func TestNoStarvation(t *testing.T) {
	for name, set := range map[string]func(st []*Stream){
		"urgency": func(st []*Stream) {
			st[0].SetPriority(0, true)
			st[1].SetPriority(7, true)
			st[2].SetPriority(7, false)
			st[3].SetPriority(5, true)
		},
		"not incremental": func(st []*Stream) {
			for _, s := range st {
				s.SetPriority(3, false)
			}
			st[3].SetPriority(3, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ts := newTest(t, func(c *Config) { c.MaxFrame = 1000 })
			ts.sendLimit = 1 << 30
			var st []*Stream
			for range 4 {
				st = append(st, ts.open(Uni))
				st[len(st)-1].send.limit = 1 << 30
			}
			set(st)
			for _, s := range st {
				require.NoError(t, s.Offer(make([]byte, 1<<20)))
			}
			buf := make([]byte, 1100)
			for range 900 {
				ts.Pack(ts.time, buf)
			}
			require.InDelta(t, 15.0/16, float64(st[0].Sent())/float64(ts.sent), 0.02)
			for _, s := range st[1:] {
				require.Greater(t, float64(s.Sent())/float64(ts.sent), 1.0/80)
			}
		})
	}
}

// Streams that were refused take no place in the backlog: the peer may open others.
func TestRefusedTakeNoBacklog(t *testing.T) {
	ts := newTest(t, func(c *Config) { c.Backlog = 4 })
	for n := range EarlyStreams {
		ts.recv(data(int64(4*n+1), 0, "x"))
	}
	for range 4 {
		require.NotNil(t, ts.Accept())
	}
	require.Nil(t, ts.Accept())
	ts.send()
	last := ts.out[len(ts.out)-1]
	for _, f := range ts.out {
		if f.Type == frame.MaxStreams {
			last = f
		}
	}
	require.Equal(t, frame.MaxStreams, last.Type)
	require.EqualValues(t, EarlyStreams+4, last.Value)
}

// Of a reason no half a character is sent.
func TestReasonIsCutBetweenCharacters(t *testing.T) {
	ts := newTest(t, nil)
	ts.Close(io.ErrClosedPipe, 9, strings.Repeat("x", MaxReason-1)+"ü")
	buf := make([]byte, MinPacket)
	f, _, err := frame.Parse(buf[:ts.PackClose(buf)])
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("x", MaxReason-1), string(f.Data))
}

// Messages of one size leave together, so a long write is cut evenly, and what is left
// of a difference is padded. A short write is not.
func TestLongWritesAreCutEvenly(t *testing.T) {
	ts := newTest(t, nil)
	ts.sendLimit = 1 << 30
	st := ts.open(Uni)
	st.send.limit, st.send.offset = 1<<30, 1<<20 // so that all offsets have four bytes
	buf := make([]byte, 1448)
	for _, n := range []int{1500, 5000, 16 << 10, 64<<10 + 1, 1 << 20} {
		require.NoError(t, st.Offer(make([]byte, n)))
		sizes := make(map[int]int)
		for st.Left() > 0 {
			sizes[ts.Pack(ts.time, buf)]++
		}
		require.Len(t, sizes, 1, "%d bytes: %v", n, sizes)
		for _, packets := range sizes {
			require.Equal(t, (n+1439)/1440, packets, "as few as possible")
		}
	}
	require.NoError(t, st.Offer(make([]byte, 300)))
	require.Less(t, ts.Pack(ts.time, buf), 310)
	require.Zero(t, ts.Pack(ts.time, buf))
}

// PADDING after other frames is not a frame without effect.
func TestPaddingIsFree(t *testing.T) {
	ts := newTest(t, nil)
	for n := range 10_000 {
		p := append(frame.Append(nil, data(1, n, "x")), 0, 0xff, 0)
		require.NoError(t, ts.HandlePacket(ts.time, p))
		ts.send()
		if st := ts.Accept(); st != nil {
			require.Zero(t, n)
		}
		_, err := ts.streams[1].Read(ts.time, make([]byte, 10))
		require.NoError(t, err)
	}
}
