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
	eventTLS                              // a client's TLS handshake that failed
	eventForged                           // packets that the peer has not sealed
	eventReset                            // a stateless reset
	eventMoved                            // a peer that has shown that it is at another address now
	eventPlain                            // a peer without protected mode, which was preferred
	securityEvents
)

var eventTexts = [securityEvents]string{
	"handshakes limited", "half-open connections limited", "connections limited", "false cookie",
	"packet from another address", "malformed packet", "control packets limited",
	"impossible acknowledgement", "forged shutdown", "receive memory short",
	"secure handshake failed", "forged packet", "stateless reset", "peer moved",
	"connection not protected",
}

// level is Warn, but for what may happen among honest peers.
func (k securityEvent) level() slog.Level {
	if k >= eventMoved {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// eventsPerSecond bounds what is logged of one kind.
const eventsPerSecond = 10

// eventLog logs security events, of each kind only so many per second.
type eventLog struct {
	mu      sync.Mutex
	buckets [securityEvents]bucket
	dropped [securityEvents]uint64
}

// warn logs an event, with attributes of its own if there are any. It is cheap if
// there is no logger.
func (e *Endpoint) warn(now time.Time, kind securityEvent, peer netip.AddrPort, attrs ...slog.Attr) {
	logger := e.logger
	if logger == nil || !logger.Enabled(context.Background(), kind.level()) {
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
		attrs = append(attrs, slog.Any("local", e.LocalAddr()), slog.Any("peer", peer), slog.Uint64("unlogged", dropped))
		logger.LogAttrs(context.Background(), kind.level(), eventTexts[kind], attrs...)
	}
}

// connEvents is what was logged of a connection's counters.
type connEvents struct{ malformed, budget, optimistic, answered, forged uint64 }

// warnLocked logs what the latest packets have added to c's counters.
func (c *Conn) warnLocked(now time.Time) {
	s := c.core.Violations()
	seen := connEvents{s.Malformed, s.OverBudget, s.Optimistic, s.ChallengesAnswered, 0}
	if c.guard != nil {
		seen.forged = c.guard.rejected[rejectedForged].Load()
	}
	if seen == c.warned {
		return
	}
	last := c.warned
	c.warned = seen
	e, peer := c.endpoint, c.path.Load().addr
	switch {
	case seen.optimistic > last.optimistic:
		e.warn(now, eventOptimistic, peer)
	case seen.malformed > last.malformed:
		e.warn(now, eventMalformed, peer)
	}
	if seen.budget > last.budget {
		e.warn(now, eventBudget, peer)
	}
	if seen.answered > last.answered {
		e.warn(now, eventChallenge, peer)
	}
	if seen.forged > last.forged {
		e.warn(now, eventForged, peer)
	}
}
