package proto

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Who takes whom for an extended peer (SPEC.md#who-is-extended).
func TestMarkers(t *testing.T) {
	for _, k := range kinds() {
		s := newSim(t, 1, k)
		for _, x := range s.sides() {
			x.out.tap = func(p []byte) {
				if !isType(wire.TypeHandshake)(p) {
					return
				}
				m := wire.Marker(wire.ParseControl(p).Info)
				if x.cfg.NoExtensions && x.c != nil {
					require.Zero(t, m, "the switch sends 0 everywhere")
				}
				if m == 0 {
					return
				}
				want := wire.MarkerClient
				if k.rendezvous {
					want = wire.MarkerRendezvous
				} else if x == s.b && m.Is(wire.MarkerServer) {
					want = wire.MarkerServer
				}
				require.True(t, m.Is(want), "%v %x", k, m)
			}
		}
		s.open()
		both := !k.legacyA && !k.legacyB
		require.Equal(t, both, s.a.c.Extended(), "%v", k)
		require.Equal(t, both, s.b.c.Extended(), "%v", k)
	}
}

// A listener of the reference echoes our own marker, which means nothing
// (../wire/SPEC.md#markers).
func TestEchoedMarkerMeansNothing(t *testing.T) {
	s, _ := withLibudt(t)
	require.False(t, s.a.c.Extended())
}

// 25600 in the client's first request; the conclusion says more if the cookie
// reply showed our marker (SPEC.md#handshake-of-a-client).
func TestFlowWindowInTheHandshake(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		s := newSim(t, 1, kind{legacyB: legacy})
		s.a.cfg.FlowWindow = 100_000
		said := map[wire.Request]uint32{}
		s.a.out.tap = func(p []byte) {
			if h, err := wire.ParseHandshake(p[wire.HeaderLen:]); err == nil && isType(wire.TypeHandshake)(p) {
				said[h.Request] = h.FlowWindow
			}
		}
		s.open()
		require.EqualValues(t, legacyFlowWindow, said[wire.RequestInduction])
		if legacy {
			require.EqualValues(t, legacyFlowWindow, said[wire.RequestConclusion])
		} else {
			require.EqualValues(t, 100_000, said[wire.RequestConclusion])
		}
	}
}

// The current request is repeated every 250 ms, and given up in the end; a
// cookie that finds no answer is renewed (SPEC.md#handshake-of-a-client).
func TestHandshakeIsRepeated(t *testing.T) {
	s := newSim(t, 1, kind{})
	s.a.cfg.HandshakeTimeout = 3 * time.Second
	s.a.out.down = true
	var at []time.Duration
	s.a.out.tap = func(p []byte) { at = append(at, s.now) }
	s.start()
	require.True(t, s.run(10*time.Second, s.a.c.Ended))
	require.ErrorIs(t, s.a.c.Err(), ErrHandshakeTimeout)
	require.Equal(t, 3*time.Second, s.now)
	require.Len(t, at, 12)
	require.Equal(t, 250*time.Millisecond, at[5]-at[4])

	s = newSim(t, 1, kind{})
	inductions := 0
	s.a.out.tap = func(p []byte) {
		h, _ := wire.ParseHandshake(p[wire.HeaderLen:])
		if h.Request == wire.RequestInduction {
			inductions++
		}
	}
	s.a.out.drop = func(p []byte) bool {
		h, _ := wire.ParseHandshake(p[wire.HeaderLen:])
		return s.now < 1500*time.Millisecond && h.Request == wire.RequestConclusion
	}
	s.a.app, s.b.app = &streamApp{noClose: true}, &streamApp{noClose: true}
	s.start()
	require.True(t, s.run(5*time.Second, s.connected))
	require.Equal(t, 2, inductions)
}

// Any handshake packet may be lost, repeatedly.
func TestHandshakeSurvivesLoss(t *testing.T) {
	scenarios(t, 100, func(t *testing.T, seed uint64) {
		ks := kinds()
		s := newSim(t, seed, ks[seed%uint64(len(ks))])
		s.a.out.loss, s.b.out.loss = 0.4, 0.4
		s.a.cfg.HandshakeTimeout, s.b.cfg.HandshakeTimeout = time.Minute, time.Minute
		s.open()
	})
}

// The first RTT sample is the handshake's, unless anything in it was sent
// twice; the server's comes from the clock value its client returned
// (../wire/SPEC.md#clock-echo).
func TestFirstRTTSample(t *testing.T) {
	s := newSim(t, 1, kind{}).open()
	require.Equal(t, 10*time.Millisecond, s.a.c.rtt.smoothed)
	require.InDelta(t, 10*time.Millisecond, s.b.c.rtt.smoothed, float64(time.Microsecond))

	s = newSim(t, 1, kind{})
	s.b.out.drop = firsts(1, isType(wire.TypeHandshake))
	s.b.out.delay = 300 * time.Millisecond
	s.open()
	require.NotEqual(t, 605*time.Millisecond, s.a.c.rtt.smoothed)
}

// A server speaks to a client of the reference only once it was heard, or 300
// ms after its response; to our own at once
// (SPEC.md#data-held-for-a-legacy-peer).
func TestServerHoldsItsFirstData(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		s := newSim(t, 1, kind{legacyA: legacy})
		s.a.app, s.b.app = &streamApp{noClose: true}, &streamApp{noClose: true, total: 1000}
		s.a.out.drop = isType(wire.TypeKeepAlive)
		first := time.Duration(0)
		s.b.out.tap = func(p []byte) {
			if !isType(wire.TypeHandshake)(p) && first == 0 {
				first = s.now
			}
		}
		s.start()
		s.pass(2 * time.Second)
		if legacy {
			require.Equal(t, legacyHold, first-s.b.born)
		} else {
			require.Equal(t, s.b.born, first)
		}
		require.EqualValues(t, 1000, s.a.stream().read)
	}
}

// Data that overtake the final response are kept, up to 64 packets
// (SPEC.md#handshake-of-a-client).
func TestEarlyPacketsAreKept(t *testing.T) {
	s := newSim(t, 1, kind{})
	s.a.app, s.b.app = &streamApp{noClose: true}, &streamApp{noClose: true, total: 20 * 1456}
	s.b.out.drop = firsts(1, func(p []byte) bool {
		h, err := wire.ParseHandshake(p[wire.HeaderLen:])
		return isType(wire.TypeHandshake)(p) && err == nil && h.Request == wire.RequestConclusion
	})
	s.start()
	require.True(t, s.run(time.Second, s.connected))
	require.EqualValues(t, 20*1456, s.a.stream().read, "at once")
}

// A handshake to a live socket is answered
// (SPEC.md#handshake-on-an-open-connection).
func TestPingIsAnswered(t *testing.T) {
	l := newLone(t, false)
	h := wire.Handshake{Version: 4, Type: 1, MSS: 1500, FlowWindow: 8192, Request: 1, SocketID: 2}
	give(l.c, l.now, appendHandshake(nil, &h, 0, 0, 1), 0, nil)
	out := ofType(l.poll(), wire.TypeHandshake)
	require.Len(t, out, 1)
	give(l.c, l.now, appendHandshake(nil, &h, 0, 0, 1), 0, nil)
	require.Empty(t, l.poll(), "not more often than is useful")
	l.now = l.now.Add(time.Second)
	give(l.c, l.now, appendHandshake(nil, &h, 0, 0, 1), 0, nil)
	require.Len(t, ofType(l.poll(), wire.TypeHandshake), 1)
}

// A side that has sent nothing for 20 s ± 20 % sends a keep-alive, each
// connection after a period of its own. An extended peer is asked to answer,
// which spares it a keep-alive; the answer wants no confirmation
// (SPEC.md#life-signs).
func TestKeepAlivePeriod(t *testing.T) {
	seen := map[time.Duration]bool{}
	for seed := range uint64(20) {
		l := newLone(t, true, func(c *Config) { c.Rand = newRand(seed) })
		out, at := l.run(25 * time.Second)
		require.Len(t, ofType(out, wire.TypeKeepAlive), 1)
		require.EqualValues(t, wire.KeepAliveAckRequest, wire.ParseControl(out[0]).Info)
		require.GreaterOrEqual(t, at[0], 15*time.Second)
		seen[at[0]] = true
		l.handle(wire.TypeKeepAlive, wire.KeepAliveAckRequest, nil)
		acks := ofType(l.poll(), wire.TypeAck)
		require.Len(t, acks, 1)
		require.Zero(t, wire.ParseControl(acks[0]).Info)
	}
	require.Greater(t, len(seen), 10)
}

// Rendezvous peers of different modes do not connect; nor do those whose
// handshake is out of range.
func TestHandshakesThatFail(t *testing.T) {
	s := newSim(t, 1, kind{rendezvous: true})
	s.b.cfg.Message = true
	s.start()
	s.pass(time.Second)
	require.ErrorIs(t, s.a.c.Err(), ErrMode)

	s = newSim(t, 1, kind{})
	s.b.out.alter = func(p []byte) []byte {
		h, err := wire.ParseHandshake(p[wire.HeaderLen:])
		if err == nil && h.Request == wire.RequestConclusion {
			h.Request = wire.RequestRefused
			h.Put(p[wire.HeaderLen:])
		}
		return p
	}
	s.start()
	s.pass(time.Second)
	require.ErrorIs(t, s.a.c.Err(), ErrRefused)

	for _, spoil := range []func(h *wire.Handshake){
		func(h *wire.Handshake) { h.MSS = MinMSS - 1 },
		func(h *wire.Handshake) { h.FlowWindow = 0 },
		func(h *wire.Handshake) { h.SocketID = 0 },
		func(h *wire.Handshake) { h.Number++ },
	} {
		s = newSim(t, 1, kind{})
		s.b.out.alter = func(p []byte) []byte {
			h, err := wire.ParseHandshake(p[wire.HeaderLen:])
			if err == nil && h.Request == wire.RequestConclusion {
				spoil(&h)
				h.Put(p[wire.HeaderLen:])
			}
			return p
		}
		s.start()
		s.pass(time.Second)
		require.ErrorIs(t, s.a.c.Err(), ErrProtocol)
	}
}
