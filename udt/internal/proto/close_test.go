package proto

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// open connects a pair that has applications which never close.
func (s *sim) open() *sim {
	s.t.Helper()
	for _, x := range s.sides() {
		if x.app == nil {
			if x.cfg.Message {
				x.app = &messageApp{noClose: true}
			} else {
				x.app = &streamApp{noClose: true}
			}
		}
	}
	s.start()
	require.True(s.t, s.run(s.now+20*time.Second, s.connected), "seed %d: not connected", s.seed)
	return s
}

// write commits n bytes of a stream at once.
func (x *side) write(n int64) {
	x.app.(*streamApp).total += n
	x.pump()
}

func (x *side) stream() *streamApp { return x.app.(*streamApp) }

// shutdowns returns the times at which x sends Shutdowns from now on.
func (x *side) shutdowns() *[]time.Duration {
	var at []time.Duration
	x.out.tap = func(p []byte) {
		if wire.IsControl(p) && wire.ParseControl(p).Type == wire.TypeShutdown {
			at = append(at, x.now)
		}
	}
	return &at
}

func TestCloseOrAbortAtAnyMoment(t *testing.T) {
	ks := kinds()
	scenarios(t, 160, func(t *testing.T, seed uint64) {
		k := ks[seed%uint64(len(ks))]
		t.Run(fmt.Sprintf("%v/%d", k, seed), func(t *testing.T) {
			s := newSim(t, seed, k)
			s.harsh()
			r := s.rng
			for _, x := range s.sides() {
				if k.message {
					x.app = &messageApp{total: r.IntN(200), size: func() int { return 1 + r.IntN(10000) }, stepwise: true}
				} else {
					x.app = &streamApp{total: r.Int64N(1e6), chunk: 5000}
				}
				x.cfg.PeerTimeout = 2 * time.Second
				x.cfg.IdleTimeout = 5 * time.Second
				x.cfg.HandshakeTimeout = 3 * time.Second
				s.after(time.Duration(r.Int64N(int64(500*time.Millisecond))), func() {
					switch {
					case x.c == nil:
					case r.IntN(2) == 0:
						x.c.Close(x.time())
					default:
						x.c.Abort(x.time(), wire.ReasonAborted)
					}
				})
				if r.IntN(4) == 0 {
					s.after(time.Duration(r.Int64N(int64(500*time.Millisecond))), func() { x.out.down = true })
				}
			}
			s.start()
			s.run(200*time.Second, func() bool { return false })
			s.quiet()
		})
	})
}

func TestPeerThatVanishesEndsTheConnection(t *testing.T) {
	for _, k := range streams() {
		t.Run(k.String(), func(t *testing.T) {
			s := newSim(t, 1, k).open()
			s.pass(time.Second)
			s.a.out.down, s.b.out.down = true, true
			gone := s.now
			s.a.write(100_000)
			require.True(t, s.run(gone+70*time.Second, s.a.c.Ended))
			require.ErrorIs(t, s.a.c.Err(), ErrPeerTimeout)
			require.ErrorIs(t, s.a.c.ReadErr(), ErrPeerTimeout)
			require.ErrorIs(t, s.a.c.WriteErr(), ErrPeerTimeout)
			require.InDelta(t, 9.5, (s.now - gone).Seconds(), 0.6)

			// The other one has nothing to send and waits longer, unless a live
			// peer of the reference could not be silent for so long.
			limit := 60 * time.Second
			if !s.b.c.Extended() {
				limit = 10 * time.Second
			}
			heard := s.b.c.life.heard
			require.True(t, s.run(gone+70*time.Second, s.b.c.Ended))
			require.ErrorIs(t, s.b.c.Err(), ErrPeerTimeout)
			require.InDelta(t, limit.Seconds(), (s.now - heard).Seconds(), 0.1)
			s.pass(time.Second)
			s.quiet()
		})
	}
}

func TestIdlePairStaysConnected(t *testing.T) {
	for _, k := range streams() {
		t.Run(k.String(), func(t *testing.T) {
			s := newSim(t, 1, k).open()
			s.pass(time.Second)
			sent := s.a.out.sent + s.b.out.sent
			s.pass(10 * time.Minute)
			require.True(t, s.connected(), "a %v, b %v", s.a.c.Err(), s.b.c.Err())
			sent = s.a.out.sent + s.b.out.sent - sent
			if s.a.c.Extended() {
				require.Less(t, sent, 80) // a keep-alive each per 20 s
			} else {
				require.Less(t, sent, 800) // and a test each 5 s
			}
			s.a.write(1000)
			s.pass(time.Second)
			require.EqualValues(t, 1000, s.b.stream().read)
		})
	}
}

// Nothing is lost by Close, however much waits (SPEC.md#close).
func TestCloseDeliversWhatWasCommitted(t *testing.T) {
	for _, k := range streams() {
		t.Run(k.String(), func(t *testing.T) {
			s := newSim(t, 1, k)
			s.a.out.loss, s.b.out.loss = 0.1, 0.1
			s.open()
			s.a.write(200_000)
			s.a.c.Close(s.time())
			require.ErrorIs(t, s.a.c.WriteErr(), ErrClosed)
			s.a.pump()
			require.True(t, s.run(60*time.Second, s.ended))
			require.EqualValues(t, s.a.stream().written, s.b.stream().read)
			require.ErrorIs(t, s.b.stream().readErr, ErrPeerClosed)
			s.quiet()
		})
	}
}

// SetLinger bounds how long Close delivers (SPEC.md#close).
func TestLingerEndsInAbort(t *testing.T) {
	s := newSim(t, 1, kind{}).open()
	s.a.cfg.Linger = time.Second
	s.a.c.SetLinger(s.time(), time.Second)
	s.b.out.down = true
	s.a.write(50_000)
	s.a.c.Close(s.time())
	at := s.a.shutdowns()
	closed := s.now
	s.a.pump()
	require.True(t, s.run(20*time.Second, s.a.c.Ended))
	require.NotEmpty(t, *at)
	require.InDelta(t, 1, ((*at)[0] - closed).Seconds(), 0.01)
}

// Towards the reference a light ACK is not enough, for it releases nothing to
// the application (SPEC.md#close).
func TestShutdownWaitsForAFullAck(t *testing.T) {
	s := newSim(t, 1, kind{legacyB: true})
	full := func(p []byte) bool {
		return wire.IsControl(p) && wire.ParseControl(p).Type == wire.TypeAck && len(p) > wire.HeaderLen+4
	}
	s.open()
	s.b.out.drop = full
	s.a.write(64 * 1456)
	s.a.c.Close(s.time())
	at := s.a.shutdowns()
	s.a.pump()
	s.pass(2 * time.Second)
	require.Empty(t, *at)
	s.b.out.drop = nil
	s.pass(2 * time.Second)
	require.NotEmpty(t, *at)
}

// An extended peer is told at 0, 1, 2, 4, 8 times the round trip until it
// answers; one of the reference at 0, 1/2, 1 (SPEC.md#shutdown-repeated).
func TestShutdownIsRepeated(t *testing.T) {
	s := newSim(t, 1, kind{}).open()
	s.pass(time.Second)
	rtt := s.a.c.rtt.rtt()
	s.a.out.down = true
	at := s.a.shutdowns()
	start := s.now
	s.a.c.Close(s.time())
	s.a.pump()
	s.pass(5 * time.Second)
	require.Len(t, *at, 5)
	for i, n := range []time.Duration{0, 1, 2, 4, 8} {
		require.InDelta(t, n*max(rtt, minShutdownInterval), (*at)[i]-start, 10)
	}
	require.True(t, s.a.c.Ended())

	s = newSim(t, 1, kind{legacyB: true})
	s.a.out.delay, s.b.out.delay = 20*time.Millisecond, 20*time.Millisecond
	s.open().pass(time.Second)
	rtt = s.a.c.rtt.rtt()
	at = s.a.shutdowns()
	start = s.now
	s.a.c.Close(s.time())
	s.a.pump()
	s.pass(5 * time.Second)
	require.Len(t, *at, 3)
	for i, n := range []time.Duration{0, 1, 2} {
		require.InDelta(t, n*rtt/2, (*at)[i]-start, 10)
	}
}

// Each Shutdown is answered, even by a side that has long ended, and an
// answer is not (SPEC.md#shutdown-repeated).
func TestShutdownIsAnsweredOnce(t *testing.T) {
	s := newSim(t, 1, kind{}).open()
	s.a.c.Close(s.time())
	s.a.pump()
	require.True(t, s.run(5*time.Second, s.ended))
	s.pass(time.Second)
	p := s.a.c.appendHeader(nil, wire.TypeShutdown, 0, 0)
	said := s.a.c.Shutdown()
	p = append(p, make([]byte, wire.ShutdownLen)...)
	said.Put(p[wire.HeaderLen:])
	sent := s.b.out.sent
	p[15], p[12], p[13], p[14] = 202, 0, 0, 0
	give(s.b.c, s.time(), p, 0, nil)
	s.b.pump()
	require.Equal(t, sent+1, s.b.out.sent)
	s.pass(time.Second)
	require.Equal(t, sent+1, s.b.out.sent)
	require.Zero(t, s.b.next)
}

// What arrived in order is read first; then the stream ended well, or did not
// (SPEC.md#shutdown-received).
func TestReadErrorAfterShutdown(t *testing.T) {
	for _, test := range []struct {
		name  string
		abort bool
		loss  bool
		want  error
	}{
		{"closed", false, false, ErrPeerClosed},
		{"aborted", true, false, ErrReset},
		{"aborted with data missing", true, true, ErrReset},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSim(t, 1, kind{}).open()
			s.b.stream().paused = true
			s.a.write(5000)
			s.pass(time.Second)
			if test.loss {
				s.a.out.down = true
				s.a.write(5000)
				s.a.out.down = false
			}
			if test.abort {
				s.a.c.Abort(s.time(), wire.ReasonAborted)
			} else {
				s.a.c.Close(s.time())
			}
			s.a.pump()
			s.pass(100 * time.Millisecond)
			require.False(t, s.b.c.Open())
			require.True(t, s.b.c.Readable())
			s.b.stream().paused = false
			s.b.pump()
			require.EqualValues(t, 5000, s.b.stream().read)
			require.ErrorIs(t, s.b.stream().readErr, test.want)
			s.pass(time.Second)
			s.quiet()
		})
	}
}

// From a peer of the reference, which names no final number, only a hole
// tells that something is missing (SPEC.md#shutdown-received).
func TestHoleAtLegacyShutdownIsReset(t *testing.T) {
	for _, hole := range []bool{false, true} {
		s := newSim(t, 1, kind{legacyA: true}).open()
		s.a.write(1456)
		s.pass(time.Second)
		drop := 0
		s.a.out.drop = func(p []byte) bool { drop++; return hole && !wire.IsControl(p) && drop == 1 }
		s.a.write(5000)
		s.a.c.Abort(s.time(), wire.ReasonAborted)
		s.a.pump()
		s.pass(time.Second)
		want := ErrPeerClosed
		if hole {
			want = ErrReset
		}
		require.ErrorIs(t, s.b.stream().readErr, want, "hole %v", hole)
	}
}

// Unread data at Close is no reset: the peer still reads all (SPEC.md#close).
func TestUnreadDataAtCloseIsNoReset(t *testing.T) {
	for _, k := range streams() {
		s := newSim(t, 1, k).open()
		s.b.stream().paused = true
		s.a.write(2 << 20) // more than fits
		s.pass(time.Second)
		s.b.stream().total = 100_000
		s.b.pump()
		s.b.c.Close(s.time())
		s.b.pump()
		require.True(t, s.run(s.now+20*time.Second, s.ended), "%v", k)
		require.Equal(t, s.b.stream().written, s.a.stream().read, "%v", k)
		require.ErrorIs(t, s.a.stream().readErr, ErrPeerClosed, "%v", k)
		s.quiet()
	}
}

// Both sides close at once, with data on the way; neither waits for the
// other's application (SPEC.md#close).
func TestSimultaneousClose(t *testing.T) {
	for _, k := range streams() {
		s := newSim(t, 1, k).open()
		for _, x := range s.sides() {
			x.stream().paused = true
			x.write(100_000)
			x.c.Close(x.time())
			x.pump()
		}
		require.True(t, s.run(s.now+5*time.Second, s.ended), "%v", k)
		s.quiet()
	}
}

// A server that closes at once towards a peer of the reference still keeps
// quiet until it may speak, and does not spin meanwhile.
func TestAbortWhileDataAreHeld(t *testing.T) {
	s := newSim(t, 1, kind{legacyA: true})
	s.a.app, s.b.app = &streamApp{noClose: true}, &streamApp{noClose: true}
	s.a.out.drop = func(p []byte) bool { return wire.IsControl(p) && wire.ParseControl(p).Type == wire.TypeKeepAlive }
	s.start()
	require.True(t, s.run(time.Second, func() bool { return s.b.c != nil }))
	s.b.c.Abort(s.time(), wire.ReasonAborted)
	s.b.pump()
	at := s.b.shutdowns()
	born := s.now
	s.pass(time.Second)
	require.Len(t, *at, 3)
	require.GreaterOrEqual(t, (*at)[0]-born, legacyHold)
	require.True(t, s.b.c.Ended())
}
