package proto

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// The counters of an extended ACK count each transmission once,
// retransmissions too, and copies made by the network not at all
// (../wire/SPEC.md#extended-ack).
func TestExtendedAckCounters(t *testing.T) {
	l := newLone(t, true)
	l.data(1456, 0, 1, 2)
	l.tx -= 2
	l.data(1456, 1, 2) // copies
	l.now = l.now.Add(700 * time.Microsecond)
	l.handle(wire.TypeKeepAlive, wire.KeepAliveAckRequest, nil)
	acks := l.acks(l.poll())
	require.Len(t, acks, 1)
	a := acks[0]
	require.Equal(t, wire.AckExtended, a.Form)
	require.EqualValues(t, 3, a.LargestTx)
	require.EqualValues(t, 3, a.Received)
	require.EqualValues(t, 3, a.Next)
	require.EqualValues(t, 3, a.HighNext)
	require.EqualValues(t, 700, a.Delay)

	l.tx++ // one is lost
	l.data(1456, 1)
	a = l.acks(l.poll())[0]
	require.EqualValues(t, 5, a.LargestTx)
	require.EqualValues(t, 4, a.Received)
}

// The list names the first hole always, then goes on from where the previous
// list stopped, so that a few ACKs cover any number of holes
// (SPEC.md#loss-reports).
func TestMissingListCursor(t *testing.T) {
	l := newLone(t, true)
	for n := int64(1); n < 601; n += 2 {
		l.data(1456, n)
	}
	seen := map[int64]bool{}
	for range 4 {
		l.handle(wire.TypeKeepAlive, wire.KeepAliveAckRequest, nil)
		acks := l.acks(l.poll())
		list := loneRanges(acks[len(acks)-1].Missing)
		require.LessOrEqual(t, len(list), wire.MaxAckRanges)
		require.EqualValues(t, 0, list[0].first)
		for _, s := range list {
			seen[s.first] = true
		}
	}
	require.Len(t, seen, 300)
}

// One ACK per sync period is numbered; the rest carry 0 and want no ACK2
// (SPEC.md#acknowledgement-to-an-extended-peer).
func TestNumberedAckPerSyncPeriod(t *testing.T) {
	l := newLone(t, true)
	numbered, all := 0, 0
	l.now = l.now.Add(syncPeriod) // short connections number none
	for range 100 {               // 100 ms
		l.data(1456, span64(int64(l.tx), int64(l.tx)+2)...)
		l.handle(wire.TypeKeepAlive, wire.KeepAliveAckRequest, nil)
		for _, p := range ofType(l.poll(), wire.TypeAck) {
			all++
			if wire.ParseControl(p).Info != 0 {
				numbered++
			}
		}
		l.now = l.now.Add(time.Millisecond)
	}
	require.Equal(t, 100, all)
	require.Equal(t, 10, numbered)
}

// An ACK with number 0 from an extended peer gets no ACK2; any full ACK of
// the reference does, number 0 included (../wire/SPEC.md#extended-ack).
func TestAck2(t *testing.T) {
	l := newLone(t, true)
	l.write(2)
	l.poll()
	l.ack(1, 1, 1)
	require.Empty(t, ofType(l.poll(), wire.TypeAck2))
	a := wire.Ack{Form: wire.AckExtended, Next: loneFirst + 2, Window: 100, LargestTx: 2, Received: 2, HighNext: loneFirst + 2}
	l.handle(wire.TypeAck, 77, a.Append(nil))
	out := ofType(l.poll(), wire.TypeAck2)
	require.Len(t, out, 1)
	require.EqualValues(t, 77, wire.ParseControl(out[0]).Info)

	l = newLone(t, false)
	l.write(2)
	l.poll()
	l.legacyAck(1, 0, 100)
	require.Len(t, ofType(l.poll(), wire.TypeAck2), 1)
	light := wire.Ack{Form: wire.AckLight, Next: loneFirst + 2}
	l.handle(wire.TypeAck, 0, light.Append(nil))
	require.Empty(t, ofType(l.poll(), wire.TypeAck2))
}

// At once on a gap, a duplicate and on request; else every few packets or
// after a quarter of a round trip
// (SPEC.md#acknowledgement-to-an-extended-peer).
func TestWhenAnExtendedSenderIsAcknowledged(t *testing.T) {
	l := newLone(t, true)
	l.data(1456, 0)
	out, at := l.run(50 * time.Millisecond)
	require.Len(t, ofType(out, wire.TypeAck), 1)
	require.Equal(t, 10*time.Millisecond, at[0])

	l.data(100, 1) // short packets are not special
	require.Empty(t, l.poll())
	l.data(1456, 3)
	require.Len(t, ofType(l.poll(), wire.TypeAck), 1, "gap")
	l.data(1456, 3)
	require.Len(t, ofType(l.poll(), wire.TypeAck), 1, "duplicate")
	l.handle(wire.TypeKeepAlive, wire.KeepAliveAckRequest, nil)
	require.Len(t, ofType(l.poll(), wire.TypeAck), 1, "request")

	for range 3 { // no rate yet: every second packet
		n := int64(l.tx) + 10
		l.data(1456, 2)
		l.poll()
		l.data(1456, span64(n, n+2)...)
		require.Len(t, ofType(l.poll(), wire.TypeAck), 1)
	}
}

// Every 10 ms, a light ACK per 64 packets, at once after a packet of
// irregular size (SPEC.md#acknowledgement-to-a-legacy-peer).
func TestWhenALegacySenderIsAcknowledged(t *testing.T) {
	l := newLone(t, false)
	l.data(1456, 0)
	require.Len(t, l.acks(l.poll()), 1, "the first at once")
	l.now = l.now.Add(time.Millisecond)
	l.data(1456, span64(1, 65)...)
	acks := l.acks(l.poll())
	require.Len(t, acks, 1)
	require.Equal(t, wire.AckLight, acks[0].Form)
	require.EqualValues(t, 65, acks[0].Next)
	out, at := l.run(20 * time.Millisecond)
	acks = l.acks(out)
	require.Len(t, acks, 1)
	require.Equal(t, wire.AckFull, acks[0].Form)
	require.Equal(t, 9*time.Millisecond, at[0])
	l.data(1000, 65)
	acks = l.acks(l.poll())
	require.Len(t, acks, 1)
	require.EqualValues(t, 66, acks[0].Next)
}

// An ACK is repeated until its ACK2 comes, and never after
// (SPEC.md#repeated-acknowledgement).
func TestLegacyAckIsRepeatedUntilConfirmed(t *testing.T) {
	l := newLone(t, false)
	l.data(1000, 0)
	first := ofType(l.poll(), wire.TypeAck)
	require.Len(t, first, 1)
	out, _ := l.run(2 * time.Second)
	repeats := ofType(out, wire.TypeAck)
	require.NotEmpty(t, repeats)
	require.Less(t, len(repeats), 6)
	last := repeats[len(repeats)-1]
	require.NotEqual(t, wire.ParseControl(first[0]).Info, wire.ParseControl(last).Info)
	l.handle(wire.TypeAck2, wire.ParseControl(last).Info, nil)
	out, _ = l.run(4 * time.Second)
	require.Empty(t, ofType(out, wire.TypeAck))
}

// A gap is reported once it has lasted 3 later packets or an eighth of a
// round trip; to a sender of the reference at once, until it is known that
// the path reorders (SPEC.md#loss-reports).
func TestWhenAGapIsReported(t *testing.T) {
	l := newLone(t, true)
	l.data(1456, 0, 2)
	require.Empty(t, ofType(l.poll(), wire.TypeNak))
	l.data(1456, 3)
	require.Empty(t, ofType(l.poll(), wire.TypeNak))
	l.data(1456, 4, 5)
	naks := ofType(l.poll(), wire.TypeNak)
	require.Len(t, naks, 1)
	require.Equal(t, []span{{1, 2}}, loneRanges(naks[0][wire.HeaderLen:]))
	l.data(1456, 7)
	out, at := l.run(100 * time.Millisecond)
	naks = ofType(out, wire.TypeNak)
	require.Len(t, naks, 1, "by time; never again")
	for i := range out {
		if isType(wire.TypeNak)(out[i]) {
			require.Equal(t, l.c.rtt.rtt()/8, at[i])
		}
	}

	l = newLone(t, false)
	l.data(1456, 0, 2, 4)
	naks = ofType(l.poll(), wire.TypeNak)
	require.Len(t, naks, 1, "decided once per batch")
	require.Equal(t, []span{{1, 2}, {3, 4}}, loneRanges(naks[0][wire.HeaderLen:]))
	l.data(1456, 6, 5) // fills itself
	require.Empty(t, ofType(l.poll(), wire.TypeNak))
	l.data(1456, 8)
	require.Empty(t, ofType(l.poll(), wire.TypeNak), "the path reorders")
	l.data(1456, 9, 10, 11)
	require.Len(t, ofType(l.poll(), wire.TypeNak), 1)
}

// Towards a sender of the reference a report is repeated, first after at
// least 40 ms, then ever less often; at most 32 ranges, lowest first, and
// never a number above the highest received (SPEC.md#loss-reports).
func TestNakRepetition(t *testing.T) {
	l := newLone(t, false)
	l.c.rtt = rttEstimator{}
	l.c.rtt.sample(l.c.now, time.Millisecond)
	for n := int64(1); n < 101; n += 2 {
		l.data(1456, n)
	}
	l.poll()
	out, at := l.run(2 * time.Second)
	var times []time.Duration
	for i, p := range out {
		if !isType(wire.TypeNak)(p) {
			continue
		}
		list := loneRanges(p[wire.HeaderLen:])
		require.LessOrEqual(t, len(list), 32)
		require.EqualValues(t, 0, list[0].first)
		require.LessOrEqual(t, list[len(list)-1].end, int64(99))
		times = append(times, at[i])
	}
	require.GreaterOrEqual(t, len(times), 3)
	require.GreaterOrEqual(t, times[0], 40*time.Millisecond)
	for i := 1; i < len(times); i++ {
		gap := times[i] - times[i-1]
		require.GreaterOrEqual(t, gap, 40*time.Millisecond)
		require.LessOrEqual(t, gap, 650*time.Millisecond)
	}
	require.Greater(t, times[2]-times[1], times[1]-times[0])
}

// Towards a sender of the reference that sends no data all packets stay apart
// far enough for its EXP timer to run (SPEC.md#silence-for-a-legacy-sender).
func TestQuietTowardsASilentLegacySender(t *testing.T) {
	l := newLone(t, false)
	l.data(1456, 0, 2)
	l.poll()
	l.run(time.Second)
	_, at := l.run(20 * time.Second)
	require.NotEmpty(t, at)
	quiet := 0
	for i := 1; i < len(at); i++ {
		if at[i]-at[i-1] >= 400*time.Millisecond {
			quiet++
		}
	}
	require.Greater(t, quiet, 8, "%v", at)
}

// What a full window made us discard is no gap on the path
// (SPEC.md#loss-reports).
func TestDiscardedPacketIsNoGap(t *testing.T) {
	l := newLone(t, false, func(c *Config) { c.RecvBuffer = 20 * 1456 })
	edge := l.c.edge() - loneFirst
	l.data(1456, span64(0, edge+windowReserve)...)
	l.poll()
	l.data(1456, edge+windowReserve, edge+windowReserve+1, edge+20)
	require.EqualValues(t, 3, l.c.stats.PacketsDropped)
	out, _ := l.run(300 * time.Millisecond)
	require.Empty(t, ofType(out, wire.TypeNak))
}

// Two slots above the advertised window take what the minimum window of 2
// lets through, unacknowledged until the reader has drained
// (SPEC.md#reopening-a-window).
func TestReserveBehindAClosedWindow(t *testing.T) {
	l := newLone(t, false, func(c *Config) { c.RecvBuffer, c.PeerTimeout = 20*1456, time.Minute })
	edge := l.c.edge() - loneFirst
	l.data(1456, span64(0, edge+windowReserve)...)
	out, _ := l.run(time.Second)
	acks := l.acks(out)
	require.EqualValues(t, edge, acks[len(acks)-1].Next)
	require.EqualValues(t, minWindow, acks[len(acks)-1].Window)
	l.handle(wire.TypeAck2, wire.ParseControl(ofType(out, wire.TypeAck)[len(acks)-1]).Info, nil)
	out, at := l.run(19 * time.Second)
	require.NotEmpty(t, ofType(out, wire.TypeKeepAlive), "a keep-alive every 5 s")
	require.LessOrEqual(t, at[0], 5*time.Second)
	l.c.Consume(l.now, 20*1456)
	acks = l.acks(l.poll())
	require.Len(t, acks, 1)
	require.EqualValues(t, edge+2, acks[0].Next)
	require.Greater(t, acks[0].Window, uint32(10))
}

// A numbered ACK announces a window that has opened, and is repeated until
// its ACK2 (SPEC.md#reopening-a-window).
func TestWindowUpdateIsRepeated(t *testing.T) {
	l := newLone(t, true, func(c *Config) { c.RecvBuffer = 40 * 1456 })
	edge := l.c.edge() - loneFirst
	l.data(1456, span64(0, edge)...)
	l.run(time.Second)
	l.c.Consume(l.now, 30*1456)
	update := ofType(l.poll(), wire.TypeAck)
	require.Len(t, update, 1)
	require.NotZero(t, wire.ParseControl(update[0]).Info)
	require.EqualValues(t, 30, l.acks(update)[0].Window)
	out, _ := l.run(time.Second)
	again := ofType(out, wire.TypeAck)
	require.NotEmpty(t, again)
	l.handle(wire.TypeAck2, wire.ParseControl(again[len(again)-1]).Info, nil)
	out, _ = l.run(10 * time.Second)
	require.Empty(t, ofType(out, wire.TypeAck))
}

// A sender of the reference is never told of more than the handshake's flow
// window, which sizes its loss list (SPEC.md#receive-window).
func TestLegacyWindowStaysWithinTheHandshake(t *testing.T) {
	l := newLone(t, false, func(c *Config) { c.FlowWindow, c.RecvBuffer = 100, 64<<20 })
	for n := int64(0); n < 3000; n += 20 {
		l.data(1456, span64(n, n+20)...)
		l.c.Consume(l.now, 20*1456)
		out, _ := l.run(10 * time.Millisecond)
		for _, a := range l.acks(out) {
			require.LessOrEqual(t, a.Window, uint32(100))
		}
	}
}

// The window doubles while the path uses it and the reader keeps up, and
// memory follows what is held, not what was promised
// (SPEC.md#receive-window).
func TestReceiveWindowGrows(t *testing.T) {
	l := newLone(t, true)
	size := l.c.recv.window.size
	require.EqualValues(t, initialWindow/1456, size)
	require.Empty(t, l.c.recv.buf.pages)
	for n := int64(0); n < 4000; n += 100 {
		l.data(1456, span64(n, n+100)...)
		l.c.Consume(l.now, 100*1456)
		l.run(10 * time.Millisecond)
	}
	require.GreaterOrEqual(t, l.c.recv.window.size, 4*size)
	require.LessOrEqual(t, len(l.c.recv.buf.pages), 8)
	require.Equal(t, (l.c.recv.window.size-size)*1456, l.mem.borrowed)
	grown := l.c.recv.window.size
	for n := int64(4000); n < 4000+int64(grown); n += 100 { // nobody reads
		l.data(1456, span64(n, n+100)...)
		l.run(10 * time.Millisecond)
	}
	require.LessOrEqual(t, l.c.recv.window.size, 2*grown)
}

// The endpoint's budget bounds what a connection grows to
// (SPEC.md#receive-window).
func TestReceiveWindowObeysTheBudget(t *testing.T) {
	l := newLone(t, true)
	l.mem.budget = 1000
	size := l.c.recv.window.size
	for n := int64(0); n < 4000; n += 100 {
		l.data(1456, span64(n, n+100)...)
		l.c.Consume(l.now, 100*1456)
		l.run(10 * time.Millisecond)
	}
	require.Equal(t, size, l.c.recv.window.size)
}

// The window is counted in packets of the negotiated size, not of our own.
func TestWindowIsInNegotiatedPackets(t *testing.T) {
	s := newSim(t, 1, kind{})
	s.a.cfg.MSS = 144
	s.open()
	require.Equal(t, initialWindow/100, s.b.c.recv.window.size)
}

// trim keeps what has not arrived yet apart from what has.
func TestTrimKeepsHoles(t *testing.T) {
	l := newLone(t, true)
	l.data(1456, 0, 2)
	l.c.trim()
	require.NoError(t, invariants(l.c))
	l.c.Consume(l.now, 1456)
	require.False(t, l.c.Readable())
	l.data(1456, 1)
	require.True(t, l.c.Readable())
}

// Where a path reorders by more than 3 packets, a packet that was reported
// but comes in its first transmission, which word 2 shows, means that only
// time tells a loss. A repair means nothing (SPEC.md#loss-reports).
func TestDeepReorderingIsLearned(t *testing.T) {
	for _, extended := range []bool{true, false} {
		l := newLone(t, extended)
		l.tx = 1
		l.data(1456, 0, 2, 3, 4, 5) // 1 is late
		require.Len(t, ofType(l.poll(), wire.TypeNak), 1)
		l.data(1456, 1) // the repair
		l.data(1456, 7, 8, 9, 10)
		require.Len(t, ofType(l.poll(), wire.TypeNak), 1)
		tx := l.tx
		l.tx = 2
		l.data(1456, 6) // the first transmission
		l.tx = tx
		l.data(1456, 12, 13, 14, 15, 16)
		out, at := l.run(100 * time.Millisecond)
		found := false
		for i, p := range out {
			if isType(wire.TypeNak)(p) && !found {
				found = true
				require.Equal(t, l.c.rtt.rtt()/8, at[i])
			}
		}
		require.True(t, found)
	}
}

// A connection that has sent nothing for a keep-alive period keeps no buffers.
func TestIdleConnectionKeepsNoBuffers(t *testing.T) {
	l := newLone(t, true)
	l.data(1456, 0, 1)
	l.c.Consume(l.now, 2*1456)
	l.run(time.Second)
	require.NotNil(t, l.c.recv.buf.pages)
	sent, _ := l.run(30 * time.Second)
	require.NotEmpty(t, sent, "a keep-alive")
	require.Nil(t, l.c.recv.buf.pages)
	require.Nil(t, l.c.send.buf.ring)
	l.data(1456, 2)
	require.True(t, l.c.Readable())
}

// Small packets do not make an ACK due by their number, but it rides along
// with data that leave, if that takes no system call of its own
// (SPEC.md#acknowledgement-to-an-extended-peer).
func TestAckRidesAlongWithAnAnswer(t *testing.T) {
	for _, size := range []int{1, 40, 49, 300, 1456} {
		l := newLone(t, true)
		l.data(32, 0, 1, 2, 3)
		require.Empty(t, l.poll(), "it waits")
		r := l.c.Reserve(size)
		l.c.Commit(l.now, &r, r.Copy(0, make([]byte, size)))
		var batch Batch
		require.True(t, poll(l.c, l.now, &batch))
		require.Len(t, batch.Runs, 2)
		require.GreaterOrEqual(t, len(batch.Runs[0].B), len(batch.Runs[1].B), "only the last datagram may be smaller")
		l.c.Sent(l.now, &batch, 2)
		require.EqualValues(t, 1, l.c.stats.PacketsSent)
		require.EqualValues(t, 1, l.c.stats.AcksSent)
		require.Zero(t, l.c.recv.acks.due, "and need not come again")
		require.NoError(t, invariants(l.c))
	}
}

// An ACK that rode along and was not taken by the network does no harm: the data
// count as sent, or are due again.
func TestAckThatRodeAlongIsLost(t *testing.T) {
	for taken := range 2 {
		l := newLone(t, true)
		l.data(32, 0)
		l.write(1)
		var batch Batch
		require.True(t, poll(l.c, l.now, &batch))
		require.Len(t, batch.Runs, 2)
		l.c.Sent(l.now, &batch, taken)
		require.EqualValues(t, taken, l.c.stats.PacketsSent)
		require.EqualValues(t, loneFirst+taken, l.c.send.buf.next)
		require.NoError(t, invariants(l.c))
	}
}

// A packet without payload holds no memory: nothing would account for it.
func TestEmptyPacketsHoldNoMemory(t *testing.T) {
	l := newLone(t, false)
	l.data(0, span64(1, 20)...) // behind a gap
	require.Zero(t, l.mem.refs)
	require.NotZero(t, l.c.stats.PacketsReceived)
	l.data(100, span64(20, 30)...)
	require.Equal(t, 10, l.mem.refs)
}
