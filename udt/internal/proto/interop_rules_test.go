package proto

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// rendezvousWithReference begins a rendezvous with a peer that goes through the
// handshake as the reference does and then hears nothing until its connect has
// returned, after opens; zero is never. The sim's a has data to write.
func rendezvousWithReference(t *testing.T, opens time.Duration) (s *sim, firstData, keepAlive *time.Duration) {
	s = newSim(t, 1, kind{rendezvous: true, legacyB: true})
	answer := func(r wire.Request) {
		h := wire.Handshake{
			Version: wire.Version, Type: wire.SocketStream, Number: 5000, MSS: 1500,
			FlowWindow: 8192, Request: r, SocketID: 202,
		}
		s.b.out.send(s, s.a, appendHandshake(nil, &h, 0, 0, 101))
	}
	concluded := never
	s.b.raw = func(b []byte) {
		if !wire.IsControl(b) || wire.ParseControl(b).Type != wire.TypeHandshake {
			return
		}
		h, err := wire.ParseHandshake(b[wire.HeaderLen:])
		require.NoError(t, err)
		switch {
		case h.Request == wire.RequestRendezvous:
			answer(wire.RequestConclusion)
		case concluded == never:
			concluded = s.now
			answer(wire.RequestConclusion)
		case opens != 0 && s.now >= concluded+opens:
			answer(wire.RequestConfirm)
		}
	}
	firstData, keepAlive = new(time.Duration), new(time.Duration)
	s.a.out.tap = func(p []byte) {
		switch {
		case !wire.IsControl(p):
			if *firstData == 0 {
				*firstData = s.now
			}
		case wire.ParseControl(p).Type == wire.TypeKeepAlive && *keepAlive == 0:
			*keepAlive = s.now
		}
	}
	s.a.app = &streamApp{noClose: true}
	s.a.begin(NewRendezvous(s.time(), &s.a.cfg))
	require.True(t, s.run(time.Second, s.a.c.Open))
	return s, firstData, keepAlive
}

// What reaches the reference before its connect has returned is lost, first of
// all the beginning of the data. It says nothing by itself when it is open, so
// it is asked, and completed by a keep-alive meanwhile.
func TestRendezvousHoldsDataUntilTheReferenceIsOpen(t *testing.T) {
	for _, opens := range []time.Duration{time.Nanosecond, 7 * time.Millisecond, 50 * time.Millisecond} {
		t.Run(fmt.Sprint(opens), func(t *testing.T) {
			s, firstData, keepAlive := rendezvousWithReference(t, opens)
			open := s.now
			s.a.write(100_000)
			require.True(t, s.run(s.now+time.Second, func() bool { return *firstData != 0 }))
			require.Equal(t, open, *keepAlive)
			require.GreaterOrEqual(t, *firstData-open, opens)
			require.LessOrEqual(t, *firstData-open, 2*(opens+meetInterval)+10*time.Millisecond, "one way there and back is 10 ms")
		})
	}
}

func TestRendezvousHoldsDataNoLongerThanNeeded(t *testing.T) {
	s, firstData, _ := rendezvousWithReference(t, 0)
	open := s.now
	s.a.write(100_000)
	require.True(t, s.run(s.now+time.Second, func() bool { return *firstData != 0 }))
	require.Equal(t, legacyHold, *firstData-open)
	require.Less(t, s.a.out.controls[wire.TypeHandshake], 10)
}

// slowSender gives the sim's a packets of a reference that sends one every 4 ms
// but the packet behind every multiple of 16 at once, over a link on which it
// comes after gap. It returns the capacity that a reports in the end.
func slowSender(t *testing.T, gap time.Duration) (rate, capacity int) {
	s, u := withLibudt(t)
	s.b.raw = func([]byte) {} // from here on the test sends
	s.a.stream().paused = true
	s.a.out.tap = func(p []byte) {
		if !wire.IsControl(p) || wire.ParseControl(p).Type != wire.TypeAck {
			return
		}
		a, err := wire.ParseAck(p[wire.HeaderLen:])
		require.NoError(t, err)
		if a.Form == wire.AckFull {
			rate, capacity = int(a.RecvRate), int(a.Capacity)
		}
	}
	var held []byte
	for n := u.first; n < u.first+160; n++ {
		p := make([]byte, wire.HeaderLen+1456)
		(&wire.Data{Number: wire.Number(n), Boundary: wire.Solo, Dest: 101}).Put(p)
		switch {
		case n%probeModulus == 0 && gap == 0:
			held = p
			continue
		case n%probeModulus == 1 && held != nil:
			give(s.a.c, s.time(), append(held, p...), len(p), nil)
		case n%probeModulus == 1:
			s.pass(gap)
			give(s.a.c, s.time(), p, 0, nil)
		default:
			s.pass(4 * time.Millisecond)
			give(s.a.c, s.time(), p, 0, nil)
		}
		s.a.pump()
	}
	return rate, capacity
}

// A reference that was slowed down goes by the capacity that it is told in
// speeding up again. What it sends at the time is no capacity: its pairs are.
func TestPairsShowCapacityToASlowReference(t *testing.T) {
	rate, capacity := slowSender(t, 200*time.Microsecond)
	require.InDelta(t, 260, rate, 30)
	require.InDelta(t, 5000, capacity, 50)
}

func TestPairInOneReadShowsNothing(t *testing.T) {
	rate, capacity := slowSender(t, 0)
	require.InDelta(t, 260, rate, 30)
	require.InDelta(t, rate, capacity, 10)
}

// shutdownAfterLastAck returns how long after the acknowledgement of its last
// data a side that has closed sends its Shutdown.
func shutdownAfterLastAck(t *testing.T, k kind) time.Duration {
	s := newSim(t, 1, k)
	var acked, told time.Duration
	s.a.out.tap = func(p []byte) {
		if wire.IsControl(p) && wire.ParseControl(p).Type == wire.TypeShutdown && told == 0 {
			told = s.now
			acked = s.a.c.send.fullAckedAt - 1 // a connection begins at 1, the sim at 0
		}
	}
	s.b.app = &streamApp{noClose: true}
	s.a.app = &streamApp{total: 50_000}
	if k.message {
		s.b.app = &messageApp{noClose: true}
		s.a.app = &messageApp{total: 5, size: func() int { return 10_000 }, ordered: func() bool { return true }}
	}
	s.start()
	require.True(t, s.run(5*time.Second, func() bool { return told != 0 }))
	require.NotZero(t, acked)
	return told - acked
}

// In message mode a waiting reader of the reference fails on a Shutdown that
// comes before it has run again, although its message was there first.
func TestShutdownLeavesAWaitingReaderTimeForTheLastMessage(t *testing.T) {
	require.GreaterOrEqual(t, shutdownAfterLastAck(t, kind{message: true, legacyB: true}), legacyReaderPause)
	require.Less(t, shutdownAfterLastAck(t, kind{legacyB: true}), time.Millisecond, "a stream's reader does not fail")
	require.Less(t, shutdownAfterLastAck(t, kind{message: true}), time.Millisecond, "nor does ours")
}
