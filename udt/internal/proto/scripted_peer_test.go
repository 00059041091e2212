package proto

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// lone is a connection whose peer is the test itself: rules are checked packet
// by packet. Numbers are relative to the initial one, 1000.
type lone struct {
	t   *testing.T
	c   *Conn
	cfg Config
	mem *testMemory
	ctl *fixedController
	now time.Time
	tx  uint32 // transmissions of the peer
}

const loneFirst = 1000

// newLone returns an accepted connection with a round trip of 100 ms.
func newLone(t *testing.T, extended bool, set ...func(c *Config)) *lone {
	l := &lone{t: t, now: epoch, mem: newTestMemory(), ctl: &fixedController{window: 100}}
	l.cfg = baseConfig(1)
	l.cfg.LocalID, l.cfg.Memory, l.cfg.Controller = 1, l.mem, l.ctl
	for _, f := range set {
		f(&l.cfg)
	}
	a := Acceptance{RTT: 100 * time.Millisecond}
	a.Handshake = wire.Handshake{Version: 4, Type: 1, Number: loneFirst, MSS: 1500, FlowWindow: 8192, Request: -1, SocketID: 2, Cookie: 3}
	if extended {
		a.Marker = wire.MarkerClient | wire.CapExtendedAck
	}
	l.c = NewServer(l.now, &l.cfg, &a)
	require.Len(t, l.poll(), 1, "the response")
	l.handle(wire.TypeKeepAlive, 0, nil)
	l.poll()
	return l
}

// poll returns what is sent now.
func (l *lone) poll() [][]byte {
	var out [][]byte
	var batch Batch
	for poll(l.c, l.now, &batch) {
		n := 0
		for _, r := range batch.Runs {
			for b := r.B; len(b) > 0; n++ {
				k := len(b)
				if r.Segment > 0 {
					k = min(k, r.Segment)
				}
				out = append(out, append([]byte(nil), b[:k]...))
				b = b[k:]
			}
		}
		l.c.Sent(l.now, &batch, n)
		require.NoError(l.t, invariants(l.c))
	}
	return out
}

// run lets d pass and returns what was sent, and when.
func (l *lone) run(d time.Duration) (out [][]byte, at []time.Duration) {
	end := l.now.Add(d)
	start := l.now
	for {
		for _, p := range l.poll() {
			out, at = append(out, p), append(at, l.now.Sub(start))
		}
		next := nextOf(l.c, l.now)
		if next.IsZero() || next.After(end) {
			l.now = end
			return out, at
		}
		require.True(l.t, next.After(l.now), timers(l.c))
		l.now = next
	}
}

// handle gives the connection a control packet.
func (l *lone) handle(t wire.Type, info uint32, body []byte) {
	b := make([]byte, wire.HeaderLen)
	(&wire.Control{Type: t, Info: info, Dest: 1}).Put(b)
	give(l.c, l.now, append(b, body...), 0, nil)
}

// data gives it the packets of these numbers in one read.
func (l *lone) data(size int, numbers ...int64) {
	var run []byte
	for _, n := range numbers {
		l.tx++
		b := make([]byte, wire.HeaderLen+size)
		(&wire.Data{Number: wire.Number(loneFirst + n), Boundary: wire.Solo, Message: 1, Time: l.tx, Dest: 1}).Put(b)
		run = append(run, b...)
	}
	give(l.c, l.now, run, wire.HeaderLen+size, nil)
}

func span64(first, end int64) (all []int64) {
	for n := first; n < end; n++ {
		all = append(all, n)
	}
	return all
}

// ofType returns the control packets of a type.
func ofType(packets [][]byte, t wire.Type) (out [][]byte) {
	for _, p := range packets {
		if isType(t)(p) {
			out = append(out, p)
		}
	}
	return out
}

func (l *lone) acks(packets [][]byte) (out []wire.Ack) {
	for _, p := range ofType(packets, wire.TypeAck) {
		a, err := wire.ParseAck(p[wire.HeaderLen:])
		require.NoError(l.t, err)
		a.Next -= loneFirst
		a.HighNext -= loneFirst
		out = append(out, a)
	}
	return out
}

// ranges returns the spans in a loss list.
func loneRanges(b []byte) (out []span) {
	list := wire.ParseRanges(b)
	for f, l, ok := list.Next(); ok; f, l, ok = list.Next() {
		out = append(out, span{int64(f) - loneFirst, int64(l) - loneFirst + 1})
	}
	return out
}

// numbers returns the numbers of the data packets.
func numbers(packets [][]byte) (out []int64) {
	for _, p := range packets {
		if isData(p) {
			out = append(out, int64(wire.ParseData(p).Number)-loneFirst)
		}
	}
	return out
}

// write commits packets as large as they may be.
func (l *lone) write(packets int) {
	b := &l.c.send.buf
	for end := b.end + int64(packets); b.end < end; {
		r := l.c.Reserve(int(end-b.end) * l.c.Payload())
		require.NotZero(l.t, r.Size())
		l.c.Commit(l.now, &r, r.Size())
	}
	b.close()
}

// setWindow sets the controller's window.
func (l *lone) setWindow(n int) { l.ctl.window, l.c.cc.Window = n, n }

// ack acknowledges as an extended peer: all before next, with counters.
func (l *lone) ack(next int64, largest, received uint32, missing ...span) {
	a := wire.Ack{
		Form: wire.AckExtended, Next: wire.Number(loneFirst + next), RTT: 100_000, RTTVar: 1000, Window: 5000,
		LargestTx: largest, Received: received, HighNext: wire.Number(loneFirst + int64(largest)),
	}
	for _, m := range missing {
		a.Missing = wire.AppendRange(a.Missing, loneFirst+m.first, loneFirst+m.end-1)
	}
	l.handle(wire.TypeAck, 0, a.Append(nil))
}

// legacyAck acknowledges as the reference does.
func (l *lone) legacyAck(next int64, number, window uint32) {
	a := wire.Ack{Form: wire.AckFull, Next: wire.Number(loneFirst + next), RTT: 100_000, RTTVar: 1000, Window: window, RecvRate: 1000, Capacity: 1000}
	l.handle(wire.TypeAck, number, a.Append(nil))
}

func (l *lone) nak(gaps ...span) {
	var b []byte
	for _, g := range gaps {
		b = wire.AppendRange(b, loneFirst+g.first, loneFirst+g.end-1)
	}
	l.handle(wire.TypeNak, 0, b)
}
