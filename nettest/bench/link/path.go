package link

import (
	"math/rand/v2"
	"time"
)

// MTU is the size of the largest IP packet on a link, in bytes.
const MTU = 1500

// atOnce is how many packets the pump takes in before it looks whether others
// are due.
const atOnce = 16

// A Path is one direction of a link. What is lost at random is lost before the
// queue: it takes no room and no time. The zero Path is perfect.
type Path struct {
	Rate  int64         // bits per second of IP packets; zero is infinite
	Delay time.Duration // after the last bit is sent
	Loss  float64       // probability that a packet is lost at random
	Queue int           // packets that may wait, with the one being sent; zero is no limit
	Seed  uint64        // of the random losses; the n-th packet's fate depends on it alone
}

// BDP returns how many full packets make up the bandwidth-delay product of a
// path with the given rate in bits per second and round-trip time.
func BDP(rate int64, rtt time.Duration) int {
	return int(float64(rate) * rtt.Seconds() / 8 / MTU)
}

// lane is a Path at work: a queue in virtual time. Its caller tells the time,
// which must not go back, as nanoseconds since some moment.
type lane struct {
	path   Path
	random *rand.Rand
	store  store
	free   int64 // when the last bit of all that was accepted is sent
	meter  meter
}

func newLane(p Path) lane {
	l := lane{path: p, random: rand.New(rand.NewPCG(p.Seed, 0x6c696e6b))}
	// Room for what is on its way and what waits, so that nothing need be
	// allocated while packets flow.
	l.store.reserveFor(int(float64(p.Rate)*p.Delay.Seconds()/8) + (p.Queue+atOnce)*MTU)
	return l
}

// buffer returns room for one packet, which accept will take if it is told to.
func (l *lane) buffer() []byte { return l.store.reserve() }

// accept decides about the n bytes that were put into buffer.
func (l *lane) accept(now int64, n int) {
	l.advance(now)
	l.meter.offered++
	if l.path.Loss > 0 && l.random.Float64() < l.path.Loss {
		l.meter.lost++
		return
	}
	if l.path.Queue > 0 && l.store.waiting >= l.path.Queue {
		l.meter.dropped++
		return
	}
	l.free = max(l.free, now)
	if l.path.Rate > 0 {
		l.free += int64(float64(n) * 8 * float64(time.Second) / float64(l.path.Rate))
	}
	l.store.push(record{size: n, leaves: l.free, arrives: l.free + int64(l.path.Delay)})
	if l.free > now {
		l.meter.longest(l.store.waiting, l.free-now)
	} else {
		l.store.depart(now)
	}
}

// advance brings the queue and its statistics up to date.
func (l *lane) advance(now int64) {
	for l.store.waiting > 0 && l.store.nextToLeave() <= now {
		l.meter.count(l.store.nextToLeave(), l.store.waiting, l.free)
		l.store.depart(l.store.nextToLeave())
	}
	l.meter.count(now, l.store.waiting, l.free)
}

// next returns the oldest packet and when it is to arrive, or nil.
func (l *lane) next() (packet []byte, arrives int64) { return l.store.front() }

// arrived takes the oldest packet out at the given time.
func (l *lane) arrived(now int64) {
	l.advance(now)
	packet, due := l.store.front()
	l.meter.delivered++
	l.meter.bytes += int64(len(packet))
	l.meter.late += now - due
	l.meter.maxLate = max(l.meter.maxLate, now-due)
	l.store.pop()
}
