package proto

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// link is one direction of a simulated path.
type link struct {
	rate      float64 // bytes per second, zero for no limit
	delay     time.Duration
	jitter    time.Duration // added at random, and may reorder
	loss      float64
	burstIn   float64 // two-state loss: probability to enter, and to leave
	burstOut  float64
	duplicate float64
	queue     int                   // packets that wait for the line, zero for no limit
	down      bool                  // nothing passes
	drop      func(p []byte) bool   // packets that are lost for a reason
	tap       func(p []byte)        // sees every packet sent
	arrived   func(p []byte)        // sees every packet that will arrive
	bad       bool                  // inside a burst
	free      time.Duration         // when the line is free again
	sent      int                   // packets offered
	controls  map[wire.Type]int     // of these, control packets
	alter     func(p []byte) []byte // changes packets
}

// delivery is a packet on its way.
type delivery struct {
	at time.Duration
	n  int // order of sending, among those of one time
	to *side
	b  []byte
}

type deliveries []delivery

func (d deliveries) Len() int { return len(d) }
func (d deliveries) Less(i, j int) bool {
	return d[i].at < d[j].at || d[i].at == d[j].at && d[i].n < d[j].n
}
func (d deliveries) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d *deliveries) Push(x any)   { *d = append(*d, x.(delivery)) }
func (d *deliveries) Pop() any {
	old := *d
	x := old[len(old)-1]
	old[len(old)-1] = delivery{}
	*d = old[:len(old)-1]
	return x
}

// send puts one datagram on the line.
func (l *link) send(s *sim, to *side, p []byte) {
	l.sent++
	if l.controls == nil {
		l.controls = map[wire.Type]int{}
	}
	if wire.IsControl(p) {
		l.controls[wire.ParseControl(p).Type]++
	}
	if l.tap != nil {
		l.tap(p)
	}
	if l.bad = l.bad && s.rng.Float64() >= l.burstOut || !l.bad && l.burstIn > 0 && s.rng.Float64() < l.burstIn; l.bad {
		return
	}
	if l.down || l.loss > 0 && s.rng.Float64() < l.loss || l.drop != nil && l.drop(p) {
		return
	}
	at := s.now
	if l.rate > 0 {
		size := time.Duration(float64(len(p)+wire.UDPOverhead) / l.rate * float64(time.Second))
		if l.queue > 0 && l.free > s.now+time.Duration(l.queue)*size {
			return
		}
		l.free = max(l.free, s.now) + size
		at = l.free
	}
	copies := 1
	if l.duplicate > 0 && s.rng.Float64() < l.duplicate {
		copies = 2
	}
	for range copies {
		d := l.delay
		if l.jitter > 0 {
			d += time.Duration(s.rng.Int64N(int64(l.jitter)))
		}
		s.sends++
		b := append(s.buffer(), p...)
		if l.alter != nil {
			b = l.alter(b)
		}
		if l.arrived != nil {
			l.arrived(b)
		}
		heap.Push(&s.queue, delivery{at + d, s.sends, to, b})
	}
}

func (s *sim) buffer() []byte {
	if n := len(s.spare) - 1; n >= 0 {
		b := s.spare[n]
		s.spare = s.spare[:n]
		return b[:0]
	}
	return make([]byte, 0, 1600)
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x5eed)) }
