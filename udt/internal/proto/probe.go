package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Probe timer (SPEC.md#probes).
const (
	minProbeVariance  = 2 * time.Millisecond
	maxProbeInterval  = time.Second
	legacyAckDelay    = 110 * time.Millisecond // its timers run every 100 ms while nothing arrives
	minClosedInterval = 50 * time.Millisecond
	maxClosedInterval = 500 * time.Millisecond
	stallAfter        = 3 // probes without progress
)

// probeTimer sends something when data are outstanding, nothing else may be
// sent and no ACK comes: whatever was lost, the answer reveals it. It replaces
// the reference's EXP timer and, unlike that, is not put off by packets that
// say nothing about our data.
type probeTimer struct {
	count   int           // probes since the last progress
	at      time.Duration // when the latest was sent
	stalled bool          // stallAfter probes went unanswered: only the minimum window
}

// due reports whether a probe went out in this very batch.
func (p *probeTimer) due(now time.Duration) bool { return p.count > 0 && p.at == now }

// progress is called when an ACK says something new.
func (p *probeTimer) progress() { *p = probeTimer{} }

// closedWindow reports that the peer has no room: it advertises its minimum and
// has acknowledged all but what that let through.
func (c *Conn) closedWindow() bool {
	s := &c.send
	return s.buf.next >= s.limit && s.limit-s.buf.una <= minWindow
}

// ackDelay is how long the peer may take to acknowledge.
func (c *Conn) ackDelay() time.Duration {
	if c.extended {
		return min(max(c.rtt.rtt()/4, minAckDelay), maxAckDelay)
	}
	s := &c.send
	if s.buf.next > s.buf.una && int(s.buf.packet(s.buf.next-1).size) != s.buf.payload {
		return syncPeriod
	}
	return legacyAckDelay
}

func (c *Conn) probeInterval() time.Duration {
	if c.closedWindow() {
		return min(max(c.rtt.rtt(), minClosedInterval)<<min(c.send.probe.count, 8), max(maxClosedInterval, c.rtt.rtt()))
	}
	base := c.rtt.rtt() + max(4*c.rtt.rttvar(), minProbeVariance) + c.ackDelay()
	if c.cc.RTO > 0 {
		base = c.cc.RTO
	}
	return min(base<<min(c.send.probe.count, 8), max(maxProbeInterval, base))
}

// probeTime returns when a probe is due; zero means never. It is asked only
// when nothing else may be sent.
func (c *Conn) probeTime() time.Duration {
	s := &c.send
	if s.buf.una >= s.buf.next {
		return 0
	}
	return max(s.lastSent, s.lastProgress, s.probe.at) + c.probeInterval()
}

// blocked reports that neither retransmissions nor new packets may be sent,
// whatever time it is.
func (c *Conn) blocked() bool {
	s := &c.send
	if c.inFlight() >= c.congestionWindow() {
		return true
	}
	return !s.lossDue() && s.buf.next >= c.newEnd()
}

// pollProbe sends a probe if one is due: the first unacknowledged packet and the
// highest one sent, which makes any receiver report every gap below it. Probes
// pass pacing and windows.
func (c *Conn) pollProbe(now time.Duration, out *Batch) {
	s := &c.send
	if s.buf.una >= s.buf.next || !c.blocked() || now < c.probeTime() {
		return
	}
	closed := c.closedWindow()
	s.probe.count++
	s.probe.at = now
	c.stats.Probes++
	first, last := s.buf.una, min(s.buf.next, s.limit)-1
	c.resend(now, out, first)
	if last > first && !closed {
		c.resend(now, out, last)
	}
	if c.extended {
		c.wantAckRequest = true
	}
	if closed {
		return
	}
	if s.probe.count == stallAfter {
		s.probe.stalled = true
		c.stats.Timeouts++
		c.fillState()
		c.controller.OnTimeout(c.start.Add(now), &c.cc)
	}
}

// progressed notes that an ACK moved something.
func (c *Conn) progressed(now time.Duration) {
	c.send.lastProgress = now
	c.send.lastAnswer = now
	c.send.probe.progress()
}

// appendAckRequest appends the keep-alive that asks an extended peer to
// acknowledge at once.
func (c *Conn) appendAckRequest(b []byte) []byte {
	b = c.appendHeader(b, wire.TypeKeepAlive, 0, wire.KeepAliveAckRequest)
	return append(b, 0, 0, 0, 0)
}
