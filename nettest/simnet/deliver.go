package simnet

import (
	"net/netip"
	"time"
)

// sendLocked puts a datagram on a path.
func (n *Network) sendLocked(b []byte, from, to netip.AddrPort, p *path) {
	if n.closed {
		return
	}
	// The time is read under the lock: it must not go back for the Shaper.
	now := time.Since(n.start)
	if n.filter != nil && n.filter(b, from, to) != Pass {
		p.filtered(len(b))
		n.log.add(now, 0, b, from, to, Drop)
		return
	}
	f := p.Offer(now, len(b))
	if f.N == 0 {
		n.log.add(now, 0, b, from, to, f.Verdict)
		return
	}
	for _, c := range f.Copies[:f.N] {
		d := datagrams.Get().(*datagram)
		d.buf = c.AppendTo(d.buf[:0], b)
		d.from, d.to, d.path = from, to, p
		n.line.Push(c.At, d)
		n.log.add(now, c.At-now, d.buf, from, to, Pass)
	}
	n.releaseLocked(now)
}

// deliver is called by the timer.
func (n *Network) deliver() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	n.armed = false
	n.releaseLocked(time.Since(n.start))
}

// releaseLocked hands over all that is due and sets the timer for the rest.
func (n *Network) releaseLocked(now time.Duration) {
	for {
		d, ok := n.line.Pop(now)
		if !ok {
			break
		}
		n.arriveLocked(d, now)
	}
	next, ok := n.line.Next()
	if !ok || n.armed && n.due <= next {
		return // an early call of the timer is harmless
	}
	n.armed, n.due = true, next
	if n.timer == nil {
		n.timer = time.AfterFunc(next-now, n.deliver)
	} else {
		n.timer.Reset(next - now)
	}
}

// arriveLocked puts a datagram into its receiver's buffer.
func (n *Network) arriveLocked(d *datagram, now time.Duration) {
	v := DropPort
	p, size := d.path, len(d.buf)
	c := n.conns[d.to]
	if c != nil {
		v = c.put(d) // from here on the receiver may have d, if it passed
	}
	p.Arrived(size, v)
	if v != Pass {
		n.log.add(now, 0, d.buf, d.from, d.to, v)
		d.free()
	}
}

// filtered counts a datagram that a filter dropped.
func (s *Shaper) filtered(size int) {
	s.stats.Sent++
	s.stats.SentBytes += uint64(size)
	s.stats.count(Drop)
}
