package proto

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

func messageMode(c *Config) { c.Message = true }

// part gives the connection one packet of a message whose body is one byte.
func (l *lone) part(n int64, message uint32, b wire.Boundary, ordered bool) {
	l.tx++
	p := make([]byte, wire.HeaderLen+1)
	(&wire.Data{Number: wire.Number(loneFirst + n), Boundary: b, Ordered: ordered, Message: message, Time: l.tx, Dest: 1}).Put(p)
	p[wire.HeaderLen] = byte(n)
	give(l.c, l.now, p, 0, nil)
	require.NoError(l.t, invariants(l.c))
}

// messages reads what is there: the packets of each message.
func (l *lone) messages() (out [][]byte) {
	for l.c.Readable() {
		var m []byte
		for _, p := range l.c.Pieces(0, nil) {
			m = append(m, p...)
		}
		out = append(out, m)
		l.c.ConsumeMessage(l.now)
		require.NoError(l.t, invariants(l.c))
	}
	return out
}

// sendMessage commits one message of so many packets.
func (l *lone) sendMessage(packets int, ttl time.Duration) {
	n := packets * l.c.Payload()
	require.True(l.t, l.c.BeginMessage(l.now, n, ttl, false))
	for n > 0 {
		r := l.c.Reserve(n)
		require.NotZero(l.t, r.Size())
		l.c.Commit(l.now, &r, r.Size())
		n -= r.Size()
	}
}

func (l *lone) dropRequest(first, last int64) {
	b := make([]byte, wire.DropRequestLen)
	wire.PutDropRequest(b, loneFirst+first, loneFirst+last)
	l.handle(wire.TypeDropRequest, 1, b)
	require.NoError(l.t, invariants(l.c))
}

func dropped(packets [][]byte) (out []span) {
	for _, p := range ofType(packets, wire.TypeDropRequest) {
		f, l, _ := wire.ParseDropRequest(p[wire.HeaderLen:])
		out = append(out, span{int64(f) - loneFirst, int64(l) - loneFirst + 1})
	}
	return out
}

// An unordered message is delivered as soon as it is complete
// (SPEC.md#messages).
func TestUnorderedMessageOvertakes(t *testing.T) {
	l := newLone(t, true, messageMode)
	l.part(3, 2, wire.First, false)
	l.part(5, 2, wire.Last, false)
	require.Empty(t, l.messages())
	l.part(4, 2, wire.Middle, false)
	require.Equal(t, [][]byte{{3, 4, 5}}, l.messages())
	l.part(4, 2, wire.Middle, false)
	require.Empty(t, l.messages(), "once only")
	l.part(7, 4, wire.Solo, false)
	require.Equal(t, [][]byte{{7}}, l.messages())
	l.part(0, 1, wire.First, false)
	l.part(2, 1, wire.Last, false)
	l.part(1, 1, wire.Middle, false)
	require.Equal(t, [][]byte{{0, 1, 2}}, l.messages())
	l.part(6, 3, wire.Solo, false)
	require.Equal(t, [][]byte{{6}}, l.messages())
	require.EqualValues(t, loneFirst+8, l.c.recv.buf.head)
}

// An ordered one waits for all before it to be delivered or dropped
// (SPEC.md#messages).
func TestOrderedMessageWaits(t *testing.T) {
	l := newLone(t, true, messageMode)
	l.part(2, 2, wire.Solo, true)
	l.part(4, 4, wire.Solo, true)
	l.part(3, 3, wire.Solo, false)
	require.Equal(t, [][]byte{{3}}, l.messages())
	l.part(1, 1, wire.Last, true)
	require.Empty(t, l.messages())
	l.part(0, 1, wire.First, true)
	require.Equal(t, [][]byte{{0, 1}, {2}, {4}}, l.messages())
}

// Payload is freed at delivery while the number stays open
// (SPEC.md#receive-window).
func TestDeliveredPayloadIsFreed(t *testing.T) {
	l := newLone(t, true, messageMode)
	l.part(1, 2, wire.Solo, false)
	require.Equal(t, 1, l.mem.refs)
	require.Len(t, l.messages(), 1)
	require.Zero(t, l.mem.refs)
	require.EqualValues(t, loneFirst, l.c.recv.buf.head)
}

// A drop request is inclusive and clipped; what has arrived complete is kept,
// and pieces of what never will be are discarded
// (SPEC.md#drop-requests-received).
func TestDropRequestIsObeyed(t *testing.T) {
	l := newLone(t, true, messageMode)
	l.part(1, 1, wire.Middle, true)
	l.part(5, 3, wire.Solo, true)
	l.dropRequest(0, 2)
	require.EqualValues(t, loneFirst+3, l.c.recv.next)
	require.Empty(t, l.messages())
	require.Equal(t, 1, l.c.recv.buf.bytes)
	l.dropRequest(3, 5)
	require.Equal(t, [][]byte{{5}}, l.messages())
	l.dropRequest(8, 9) // above all that arrived
	require.EqualValues(t, loneFirst+6, l.c.recv.next)
	l.part(6, 4, wire.Solo, true)
	l.part(7, 5, wire.Solo, true)
	require.Len(t, l.messages(), 2)
	require.EqualValues(t, loneFirst+10, l.c.recv.next)
	l.dropRequest(20, 15)       // inverted
	l.dropRequest(1<<20, 1<<21) // far away
	l.dropRequest(-1<<20, 12)   // from far behind, over the window
	require.EqualValues(t, loneFirst+10, l.c.recv.buf.high)
	l.dropRequest(12, 1<<28) // clipped
	require.LessOrEqual(t, l.c.recv.buf.high, l.c.edge()+windowReserve)

	l = newLone(t, true)
	l.dropRequest(0, 5) // on a stream
	require.EqualValues(t, loneFirst, l.c.recv.next)
}

// Wherever a number of an expired message would be sent, a drop request for
// its range goes out instead, again for each report (SPEC.md#time-to-live).
func TestExpiredMessageIsDropped(t *testing.T) {
	l := newLone(t, true, messageMode)
	l.sendMessage(3, 50*time.Millisecond)
	l.sendMessage(1, 0)
	require.Equal(t, []int64{0, 1, 2, 3}, numbers(l.poll()))
	out, at := l.run(60 * time.Millisecond)
	require.Equal(t, []span{{0, 3}}, dropped(out))
	require.Equal(t, 50*time.Millisecond, at[0])
	require.Empty(t, numbers(out))
	require.EqualValues(t, 1, l.c.stats.MessagesExpired)
	l.now = l.now.Add(40 * time.Millisecond)
	l.ack(0, 4, 2, span{0, 2})
	require.Equal(t, []span{{0, 3}}, dropped(l.poll()))
	l.nak(span{0, 1})
	out = l.poll()
	require.Empty(t, numbers(out))
	out, _ = l.run(time.Second) // and for probes
	require.NotEmpty(t, dropped(out))
	for _, n := range numbers(out) {
		require.EqualValues(t, 3, n)
	}
}

// An expired message that was never sent is passed over, with a request for
// what it would have been, whatever the window (SPEC.md#time-to-live).
func TestExpiredMessageBehindAFullWindow(t *testing.T) {
	for _, extended := range []bool{true, false} {
		l := newLone(t, extended, messageMode)
		l.setWindow(2)
		l.sendMessage(4, 50*time.Millisecond)
		l.sendMessage(4, 60*time.Millisecond)
		require.Equal(t, []int64{0, 1}, numbers(l.poll()))
		out, _ := l.run(55 * time.Millisecond)
		all := dropped(out)
		require.NotEmpty(t, all)
		end := all[len(all)-1].end
		require.LessOrEqual(t, loneFirst+end, l.c.send.buf.next, "no more is asked for than was reached")
		// The peer acknowledges what it was told to, and is believed.
		if extended {
			l.ack(end, 2, 0)
		} else {
			l.legacyAck(end, 1, 5000)
		}
		require.EqualValues(t, loneFirst+end, l.c.send.buf.una)
		l.run(20 * time.Millisecond)
		require.EqualValues(t, loneFirst+8, l.c.send.buf.next)
		require.Zero(t, l.c.Unsent())
	}
}

// Adjacent dropped messages share a request (SPEC.md#time-to-live).
func TestAdjacentDropRequestsAreMerged(t *testing.T) {
	l := newLone(t, true, messageMode)
	for range 3 {
		l.sendMessage(2, 50*time.Millisecond)
	}
	l.poll()
	out, _ := l.run(60 * time.Millisecond)
	require.Equal(t, []span{{0, 6}}, dropped(out))
}

// The same for messages that were never sent.
func TestUnsentMessagesExpire(t *testing.T) {
	l := newLone(t, true, messageMode)
	l.setWindow(2)
	l.sendMessage(2, 0)
	for range 3 {
		l.sendMessage(2, 10*time.Millisecond)
	}
	require.Equal(t, []int64{0, 1}, numbers(l.poll()))
	out, _ := l.run(20 * time.Millisecond)
	require.Equal(t, []span{{2, 8}}, dropped(out))
	require.Zero(t, l.c.Unsent())
}

// What the network refused is given back even if a message in between has
// expired and was passed over.
func TestRefusedAcrossAnExpiredMessage(t *testing.T) {
	l := newLone(t, true, messageMode)
	l.setWindow(1)
	l.sendMessage(1, 0)
	l.poll()
	l.sendMessage(2, 0)
	l.sendMessage(2, 10*time.Millisecond)
	l.sendMessage(2, 0)
	l.run(20 * time.Millisecond) // the middle one expires unsent
	l.setWindow(100)
	l.now = l.now.Add(80 * time.Millisecond)
	l.ack(1, 1, 1)
	var b Batch
	for poll(l.c, l.now, &b) && b.Packets() == 0 {
		l.c.Sent(l.now, &b, 1)
	}
	require.Equal(t, 3, b.Packets())
	l.c.Sent(l.now, &b, b.controls)
	require.NoError(t, invariants(l.c))
	require.EqualValues(t, loneFirst+2, l.c.send.buf.next)
	require.Equal(t, []int64{2, 5, 6}, numbers(l.poll()))
}

// A message larger than the window can ever be ends reading with an error.
func TestMessageTooLong(t *testing.T) {
	l := newLone(t, true, messageMode, func(c *Config) { c.RecvBuffer = 30 * 1456 })
	l.part(0, 1, wire.First, false)
	for n := int64(1); n < 32; n++ {
		l.part(n, 1, wire.Middle, false)
	}
	require.False(t, l.c.Readable())
	require.ErrorIs(t, l.c.ReadErr(), ErrMessageTooLong)
}

// Small messages take whole slots: it is memory that SendBuffer bounds.
func TestSmallMessagesAreBoundedByMemory(t *testing.T) {
	l := newLone(t, true, messageMode, func(c *Config) { c.SendBuffer = 1 << 20 })
	n := 0
	for ; l.c.WritableMessage(1); n++ {
		require.True(t, l.c.BeginMessage(l.now, 1, 0, false))
		r := l.c.Reserve(1)
		l.c.Commit(l.now, &r, 1)
		require.Less(t, n, 10_000)
	}
	require.False(t, l.c.BeginMessage(l.now, 1, 0, false))
	require.LessOrEqual(t, l.mem.lent, 1<<20+2*LargeSlab)
	require.Greater(t, n, 600)
}

// Message numbers start again behind 2^29 - 2 and never are 0.
func TestMessageNumbersWrap(t *testing.T) {
	l := newLone(t, true, messageMode)
	l.c.send.outgoing.number = wire.MaxMessage - 1
	for range 3 {
		l.sendMessage(1, 0)
	}
	var got []uint32
	for _, p := range l.poll() {
		got = append(got, wire.ParseData(p).Message)
	}
	require.Equal(t, []uint32{wire.MaxMessage, 1, 2}, got)
}

// Nothing can be begun or reserved on a connection that is closing, and no
// memory is borrowed for it.
func TestNothingIsBegunAfterClose(t *testing.T) {
	l := newLone(t, true, messageMode)
	require.Zero(t, func() int { r := l.c.Reserve(100); return r.Size() }(), "no message begun")
	l.sendMessage(1, 0)
	l.c.Close(l.now)
	require.False(t, l.c.BeginMessage(l.now, 4<<20, 0, false))
	require.Zero(t, l.mem.borrowed)
}

// A message that was lost and then given up leaves nothing on its way, although no
// later transmission tells so: the window is open for the next one.
func TestGivenUpTailDoesNotFillTheWindow(t *testing.T) {
	l := newLone(t, true, func(c *Config) { c.Message = true })
	l.setWindow(2)
	l.sendMessage(2, 10*time.Millisecond)
	require.Equal(t, []int64{0, 1}, numbers(l.poll()))
	l.now = l.now.Add(time.Second)
	require.NotEmpty(t, dropped(l.poll()))
	l.ack(2, 0, 0)
	l.sendMessage(2, 0)
	require.Equal(t, []int64{2, 3}, numbers(l.poll()))
	require.NoError(t, invariants(l.c))
}
