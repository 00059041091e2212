package udt

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// A securityEvent is a kind of thing that should not happen among honest peers.
type securityEvent uint8

const (
	eventRate        securityEvent = iota // handshakes beyond the rates
	eventHalfOpen                         // too many half-open connections
	eventConns                            // too many connections
	eventCookie                           // a conclusion whose cookie is not ours
	eventWrongSource                      // a connection's ID from another address
	eventMalformed                        // impossible fields
	eventBudget                           // too many control packets
	eventOptimistic                       // ACKs of what cannot have arrived
	eventChallenge                        // a Shutdown that the peer denies
	eventMemory                           // too much unread
	securityEvents
)

var eventTexts = [securityEvents]string{
	"handshakes limited", "half-open connections limited", "connections limited", "false cookie",
	"packet from another address", "malformed packet", "control packets limited",
	"impossible acknowledgement", "forged shutdown", "receive memory short",
}

// eventsPerSecond bounds what is logged of one kind.
const eventsPerSecond = 10

// eventLog logs security events, of each kind only so many per second.
type eventLog struct {
	mu      sync.Mutex
	buckets [securityEvents]bucket
	dropped [securityEvents]uint64
}

// warn logs an event. It is cheap if there is no logger.
func (e *Endpoint) warn(now time.Time, kind securityEvent, peer netip.AddrPort) {
	logger := e.logger.Load()
	if logger == nil || !logger.Enabled(context.Background(), slog.LevelWarn) {
		return
	}
	v := &e.events
	v.mu.Lock()
	ok := v.buckets[kind].take(e.milliseconds(now), eventsPerSecond, eventsPerSecond)
	dropped := v.dropped[kind]
	if ok {
		v.dropped[kind] = 0
	} else {
		v.dropped[kind]++
	}
	v.mu.Unlock()
	if ok {
		logger.Warn(eventTexts[kind], "local", e.LocalAddr(), "peer", peer, "unlogged", dropped)
	}
}

// connEvents is what was logged of a connection's counters.
type connEvents struct{ malformed, budget, optimistic, answered uint64 }

// warnLocked logs what the latest packets have added to c's counters.
func (c *Conn) warnLocked(now time.Time) {
	s := c.core.Violations()
	seen := connEvents{s.Malformed, s.OverBudget, s.Optimistic, s.ChallengesAnswered}
	if seen == c.warned {
		return
	}
	last := c.warned
	c.warned = seen
	e := c.endpoint
	switch {
	case seen.optimistic > last.optimistic:
		e.warn(now, eventOptimistic, c.addr)
	case seen.malformed > last.malformed:
		e.warn(now, eventMalformed, c.addr)
	}
	if seen.budget > last.budget {
		e.warn(now, eventBudget, c.addr)
	}
	if seen.answered > last.answered {
		e.warn(now, eventChallenge, c.addr)
	}
}
