package proto

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

var (
	long = flag.Bool("long", false, "run many more random scenarios")
	seed = flag.Uint64("seed", 0, "run only the random scenario of this seed")
)

// scenarios calls f with seeds: n of them, many more with -long, or the one
// asked for.
func scenarios(t *testing.T, n int, f func(t *testing.T, seed uint64)) {
	if *seed != 0 {
		f(t, *seed)
		return
	}
	if *long {
		n *= 40
	}
	for i := range n {
		f(t, uint64(i+1))
	}
}

// harsh gives both directions a path drawn from the simulation's seed.
func (s *sim) harsh() {
	r := s.rng
	rate := []float64{0, 1e6, 1e7, 1e8}[r.IntN(4)]
	delay := time.Duration(r.IntN(50_000)) * time.Microsecond
	if r.IntN(4) == 0 {
		delay = time.Duration(r.IntN(300)) * time.Microsecond
	}
	for _, x := range s.sides() {
		l := &x.out
		l.rate, l.delay = rate, delay
		if r.IntN(2) == 0 {
			l.loss = []float64{0.001, 0.01, 0.05, 0.3}[r.IntN(4)]
		}
		if r.IntN(4) == 0 {
			l.burstIn, l.burstOut = 0.002, 0.1
		}
		if r.IntN(3) == 0 {
			l.jitter = time.Duration(1+r.IntN(20_000)) * time.Microsecond
		}
		if r.IntN(4) == 0 {
			l.duplicate = 0.05
		}
		if r.IntN(3) == 0 {
			l.queue = 10 + r.IntN(200)
		}
		if r.IntN(3) == 0 {
			x.cfg.InitialNumber = wire.NumberMask - uint32(r.IntN(300))
		}
		if r.IntN(4) == 0 {
			x.cfg.RecvBuffer = 20_000 + r.IntN(200_000)
		}
		if r.IntN(4) == 0 {
			x.cfg.SendBuffer = 20_000 + r.IntN(200_000)
		}
		if r.IntN(4) == 0 {
			x.cfg.MSS = 100 + r.IntN(1400)
		}
		if r.IntN(4) == 0 {
			x.cfg.FlowWindow = 16 + r.IntN(1000)
		}
		x.ctl.window = 2 + r.IntN(400)
		if r.IntN(2) == 0 {
			x.ctl.pacing = int64(1e5 * (1 + r.IntN(1000)))
		}
		x.cfg.PeerTimeout = 60 * time.Second
		x.cfg.HandshakeTimeout = 60 * time.Second
	}
	if r.IntN(3) == 0 {
		s.refuse = 0.05
	}
	s.shared = []float64{0, 0.5, 1}[r.IntN(3)]
	s.every = 1 + r.IntN(20)
}

func TestStreamArrivesOnceAndInOrder(t *testing.T) {
	ks := streams()
	scenarios(t, 160, func(t *testing.T, seed uint64) {
		k := ks[seed%uint64(len(ks))]
		t.Run(fmt.Sprintf("%v/%d", k, seed), func(t *testing.T) {
			s := newSim(t, seed, k)
			s.harsh()
			a, b := &streamApp{total: s.rng.Int64N(400_000)}, &streamApp{}
			if s.rng.IntN(2) == 0 {
				b.total = s.rng.Int64N(400_000)
			}
			for _, x := range []*streamApp{a, b} {
				if s.rng.IntN(2) == 0 {
					x.chunk = 1 + s.rng.IntN(20_000)
				}
				if s.rng.IntN(4) == 0 {
					x.every = time.Duration(s.rng.IntN(5000)) * time.Microsecond
				}
				if s.rng.IntN(4) == 0 {
					x.slow, x.limit = time.Millisecond, 1+s.rng.IntN(20_000)
				}
			}
			s.a.app, s.b.app = a, b
			s.transfer(a.total, b.total, 1000*time.Second)
		})
	})
}
