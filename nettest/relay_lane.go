package nettest

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/udtgo/udtgo/nettest/simnet"
)

// laneLimit bounds the payload bytes in a lane: two seconds at 1 Gbit/s. A link
// with a Rate and without a Queue limit would otherwise take all memory.
const laneLimit = 256 << 20

// A lane is one direction of a relay. Readers offer datagrams to it; what is
// due at once they write themselves, the rest is written by run.
type lane struct {
	start time.Time
	wake  chan struct{} // capacity 1: the earliest time has changed
	done  chan struct{}

	mu      sync.Mutex
	shaper  *simnet.Shaper
	line    simnet.Timeline[*laneDatagram]
	bytes   int  // of payload in line
	writing bool // run holds datagrams that are due
}

// laneDatagram is a datagram that waits in a lane. It is plain memory and comes from a pool.
type laneDatagram struct {
	buf []byte
	out laneOutlet
}

var laneDatagrams = sync.Pool{New: func() any { return new(laneDatagram) }}

// A laneOutlet is where a datagram leaves the relay: if to is not valid, conn is
// connected.
type laneOutlet struct {
	conn *net.UDPConn
	to   netip.AddrPort
}

// write sends a datagram. Errors are for the network to have.
func (o laneOutlet) write(b []byte) {
	if o.to.IsValid() {
		o.conn.WriteToUDPAddrPort(b, o.to)
	} else {
		o.conn.Write(b)
	}
}

func newLane(l simnet.Link, seed, stream uint64) *lane {
	return &lane{
		start:  time.Now(),
		wake:   make(chan struct{}, 1),
		done:   make(chan struct{}),
		shaper: simnet.NewShaper(l, seed, stream),
	}
}

func (l *lane) now() time.Duration { return time.Since(l.start) }

func (l *lane) setLink(link simnet.Link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shaper.SetLink(link)
}

func (l *lane) stats() simnet.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shaper.Stats(l.now())
}

// close ends run. It is called once.
func (l *lane) close() { close(l.done) }

// offer sends b through the lane. It does not keep b.
func (l *lane) offer(b []byte, out laneOutlet) {
	if l.admit(b, out) {
		out.write(b)
	}
}

// admit decides the fate of b and holds the copies of it that are not due yet.
// It reports whether b is to be written at once, unchanged and not overtaking.
func (l *lane) admit(b []byte, out laneOutlet) (direct bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	f := l.shaper.Offer(now, len(b))
	if f.N == 1 && f.Copies[0].At <= now && f.Copies[0].Flip < 0 && l.line.Len() == 0 && !l.writing {
		l.shaper.Arrived(len(b), simnet.Pass)
		return true
	}
	before, some := l.line.Next()
	for _, c := range f.Copies[:f.N] {
		if l.bytes+len(b) > laneLimit {
			l.shaper.Arrived(len(b), simnet.DropOverflow)
			continue
		}
		h := laneDatagrams.Get().(*laneDatagram)
		h.buf = c.AppendTo(h.buf[:0], b)
		h.out = out
		l.bytes += len(b)
		l.line.Push(c.At, h)
	}
	if next, ok := l.line.Next(); ok && (!some || next < before) {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return false
}

// run writes datagrams when they are due, until close.
func (l *lane) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var batch []*laneDatagram
	for {
		var wait time.Duration
		batch, wait = l.due(batch[:0])
		for i, h := range batch {
			h.out.write(h.buf)
			h.out = laneOutlet{}
			laneDatagrams.Put(h)
			batch[i] = nil
		}
		if len(batch) > 0 {
			wait = 0 // writing took time: look again
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-l.wake:
		case <-l.done:
			return
		}
	}
}

// laneIdle is how long run sleeps if there is nothing to wait for; it is woken.
const laneIdle = time.Hour

// due appends all datagrams that are due to batch and returns the time until
// the next one is.
func (l *lane) due(batch []*laneDatagram) ([]*laneDatagram, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for {
		h, ok := l.line.Pop(now)
		if !ok {
			break
		}
		l.bytes -= len(h.buf)
		l.shaper.Arrived(len(h.buf), simnet.Pass)
		batch = append(batch, h)
	}
	l.writing = len(batch) > 0
	next, ok := l.line.Next()
	if !ok {
		return batch, laneIdle
	}
	return batch, next - now
}

// nobody counts a datagram for which there is no receiver yet.
func (l *lane) nobody(size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range l.shaper.Offer(l.now(), size).N {
		l.shaper.Arrived(size, simnet.DropPort)
	}
}
