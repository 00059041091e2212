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
