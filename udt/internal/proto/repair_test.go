package proto

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// isType returns a filter for control packets of a type.
func isType(t wire.Type) func(p []byte) bool {
	return func(p []byte) bool { return wire.IsControl(p) && wire.ParseControl(p).Type == t }
}

func isData(p []byte) bool { return !wire.IsControl(p) }

// firsts returns a filter for the first n packets that match.
func firsts(n int, match func(p []byte) bool) func(p []byte) bool {
	return func(p []byte) bool {
		if n > 0 && match(p) {
			n--
			return true
		}
		return false
	}
}

// inTime transfers n bytes from a to b and checks when the last one arrives.
func (s *sim) inTime(n int64, limit time.Duration) {
	s.t.Helper()
	b := &streamApp{}
	s.b.app = b
	s.transfer(n, 0, 300*time.Second)
	require.Greater(s.t, b.doneAt, s.b.born)
	s.t.Logf("%v", b.doneAt-s.b.born)
	require.Less(s.t, b.doneAt-s.b.born, limit, "%+v", s.a.c.Info())
}

func TestRecoveryFromSelectedLosses(t *testing.T) {
	const size = 200_000 // 138 packets
	for _, test := range []struct {
		name             string
		set              func(s *sim)
		extended, legacy time.Duration
	}{
		{"nothing", func(s *sim) {}, 100 * time.Millisecond, 200 * time.Millisecond},
		{"the same packet five times", func(s *sim) {
			n := 0
			s.a.out.drop = func(p []byte) bool {
				if isData(p) && wire.Unwrap(s.a.c.first, wire.ParseData(p).Number) == s.a.c.first+20 && n < 5 {
					n++
					return true
				}
				return false
			}
		}, time.Second, 2 * time.Second},
		{"first NAKs", func(s *sim) {
			s.a.out.drop = firsts(20, func(p []byte) bool { return isData(p) && s.rng.IntN(4) == 0 })
			s.b.out.drop = firsts(10, isType(wire.TypeNak))
		}, time.Second, 3 * time.Second},
		{"first ACKs", func(s *sim) { s.b.out.drop = firsts(10, isType(wire.TypeAck)) }, 2 * time.Second, 3 * time.Second},
		{"all ACK2s", func(s *sim) { s.a.out.drop = isType(wire.TypeAck2) }, 100 * time.Millisecond, 200 * time.Millisecond},
		{"all NAKs", func(s *sim) {
			s.a.out.drop = firsts(20, func(p []byte) bool { return isData(p) && s.rng.IntN(4) == 0 })
			s.b.out.drop = isType(wire.TypeNak)
		}, time.Second, 6 * time.Second},
		{"light ACKs only for a second", func(s *sim) {
			s.b.out.drop = func(p []byte) bool {
				return s.now < time.Second && isType(wire.TypeAck)(p) && len(p) > wire.HeaderLen+4
			}
		}, 3 * time.Second, 3 * time.Second},
		{"last packet of every burst", func(s *sim) {
			last := int64(-1)
			s.a.out.drop = func(p []byte) bool {
				if !isData(p) {
					return false
				}
				n := wire.Unwrap(s.a.c.first, wire.ParseData(p).Number)
				if n > last && (n-s.a.c.first)%16 == 15 {
					last = n
					return true
				}
				last = max(last, n)
				return false
			}
		}, time.Second, 2 * time.Second},
		{"blackout of 5 s", func(s *sim) {
			s.after(40*time.Millisecond, func() { s.a.out.down, s.b.out.down = true, true })
			s.after(5040*time.Millisecond, func() { s.a.out.down, s.b.out.down = false, false })
		}, 7 * time.Second, 7 * time.Second},
	} {
		for _, k := range streams() {
			t.Run(test.name+"/"+k.String(), func(t *testing.T) {
				s := newSim(t, 3, k)
				s.a.ctl.window = 32
				test.set(s)
				limit := test.extended
				if k.legacyA || k.legacyB {
					limit = test.legacy + legacyHold
				}
				s.inTime(size, limit)
			})
		}
	}
}

// Every counter of a connection passes its wrap.
func TestCountersWrap(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.String(), func(t *testing.T) {
			s := newSim(t, 5, k)
			s.a.cfg.InitialNumber, s.b.cfg.InitialNumber = wire.NumberMask-40, wire.NumberMask-60
			for _, x := range s.sides() {
				x.out.loss, x.out.jitter = 0.05, 3*time.Millisecond
				if k.message {
					x.app = &messageApp{noClose: true, size: func() int { return 3000 }, ordered: func() bool { return true }}
				}
			}
			s.open()
			for _, x := range s.sides() {
				// The transmission counter has 32 bits, message numbers 29.
				const tx = 1<<32 - 50
				x.c.send.txNext = tx
				x.c.send.extended.largest, x.c.send.extended.received, x.c.send.delivered = tx-1, tx-1, tx-1
				x.c.recv.arrivals.largest, x.c.recv.arrivals.received = tx-1, tx-1
				x.c.send.outgoing.number = wire.MaxMessage - 30
			}
			for _, x := range s.sides() {
				if k.message {
					x.app.(*messageApp).total = 100
					x.app.(*messageApp).noClose = false
				} else {
					x.stream().total, x.stream().noClose = 200_000, false
				}
			}
			s.a.pump()
			s.b.pump()
			if k.message {
				s.exchange(60 * time.Second)
			} else {
				s.transfer(200_000, 200_000, 60*time.Second)
			}
			if s.a.c.Extended() {
				require.Greater(t, s.a.c.send.txNext, int64(1<<32))
			}
		})
	}
}

// A closed receive window, and its reopening.
func TestClosedWindowReopens(t *testing.T) {
	for _, k := range streams() {
		for _, lossy := range []bool{false, true} {
			t.Run(k.String(), func(t *testing.T) {
				s := newSim(t, 1, k)
				s.b.cfg.RecvBuffer = 100_000
				s.b.app = &streamApp{paused: true, noClose: true}
				s.open()
				if lossy {
					s.a.out.loss, s.b.out.loss = 0.2, 0.2
				}
				b := s.b.stream()
				s.a.write(1 << 20)
				for range 5 {
					s.pass(20 * time.Second) // longer than PeerTimeout
					require.True(t, s.connected(), "a %v b %v", s.a.c.Err(), s.b.c.Err())
					require.LessOrEqual(t, s.b.c.recv.buf.bytes, 100_000+2*1456)
					if !lossy {
						require.True(t, s.a.c.Stuck())
						require.Zero(t, s.a.ctl.timeouts, "a closed window is no loss")
					}
					before := b.read
					opened := s.now
					b.paused = false
					s.b.pump()
					require.True(t, s.run(s.now+20*time.Second, func() bool { return b.read > before+150_000 || b.read == s.a.stream().written }))
					if !lossy {
						require.Less(t, s.now-opened, 300*time.Millisecond, "the sender must be woken")
					}
					b.paused = true
				}
			})
		}
	}
}

// Stuck while the peer takes nothing (SPEC.md#close).
func TestPeerWindowIsObeyed(t *testing.T) {
	for _, k := range streams() {
		s := newSim(t, 1, k)
		s.b.cfg.RecvBuffer = 50_000
		s.a.ctl.window = 1000
		s.open()
		s.b.stream().slow, s.b.stream().limit = 2*time.Millisecond, 2000
		s.a.write(1 << 20)
		require.True(t, s.run(60*time.Second, func() bool { return s.b.stream().read == 1<<20 }), "%v: %d\n%+v", k, s.b.stream().read, s.a.c.Info())
		dropped := s.b.c.stats.PacketsDropped
		require.Less(t, dropped, uint64(1000), "%v: refused packets", k)
		require.Less(t, s.now, 8*time.Second)
	}
}
