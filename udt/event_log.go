package udt

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// An eventKind is what a Logger is told of.
type eventKind uint8

const (
	// What should not happen among honest peers: level Warn.
	eventRate        eventKind = iota // handshakes beyond the rates
	eventHalfOpen                     // too many half-open connections
	eventConns                        // too many connections
	eventCookie                       // a conclusion whose cookie is not ours
	eventWrongSource                  // a connection's ID from another address
	eventMalformed                    // impossible fields
	eventBudget                       // too many control packets
	eventOptimistic                   // ACKs of what cannot have arrived
	eventChallenge                    // a Shutdown that the peer denies
	eventMemory                       // too much unread
	eventTLS                          // a client's TLS handshake that failed
	eventForged                       // packets that the peer has not sealed
	eventReset                        // a stateless reset

	// What may happen among them, and matters: level Info.
	eventMoved // a peer that has shown that it is at another address now
	eventPlain // a peer without protected mode, which was preferred

	// What happens all the time: level Debug.
	eventAccepted
	eventRefused

	eventKinds
)

var eventTexts = [eventKinds]string{
	"handshakes limited", "half-open connections limited", "connections limited", "false cookie",
	"packet from another address", "malformed packet", "control packets limited",
	"impossible acknowledgement", "forged shutdown", "receive memory short",
	"secure handshake failed", "forged packet", "stateless reset", "peer moved",
	"connection not protected", "connection accepted", "connection refused",
}

func (k eventKind) level() slog.Level {
	switch {
	case k >= eventAccepted:
		return slog.LevelDebug
	case k >= eventMoved:
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

const (
	eventsPerSecond = 10  // that are logged of one kind; those of level Debug have no such bound
	maxEvents       = 256 // that wait for a slow handler; those of level Debug leave it half

	// quietFor is for how long it is not asked again whether the Logger wants what is at
	// level Debug: that happens all the time, and must not cost a goroutine.
	quietFor = time.Second
)

// An eventLog hands events to the Logger. Its handler is the user's code: it may block,
// and may use the connection that the event is about. So a goroutine of its own calls
// it, which holds no lock and ends when nothing is left to log. The mutex is a leaf.
type eventLog struct {
	mu      sync.Mutex
	buckets [eventKinds]bucket
	dropped [eventKinds]uint64 // since the last one that was logged
	queue   []event
	running bool

	quietTill atomic.Int64 // nanoseconds since the start of the endpoint
}

// An event is what a handler gets to know, except for the local address, and how many
// of its kind were dropped before it.
type event struct {
	at      time.Time
	kind    eventKind
	peer    netip.AddrPort
	attrs   []slog.Attr // of this kind
	dropped uint64
}

// add queues ev, and reports whether the caller has to start the goroutine. The time
// in milliseconds is for the rates.
func (v *eventLog) add(ms uint32, ev event) (start bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := ev.kind
	room := maxEvents
	if k.level() == slog.LevelDebug {
		room /= 2
	}
	if len(v.queue) >= room || k.level() > slog.LevelDebug && !v.buckets[k].take(ms, eventsPerSecond, eventsPerSecond) {
		v.dropped[k]++
		return false
	}
	ev.dropped, v.dropped[k] = v.dropped[k], 0
	v.queue = append(v.queue, ev)
	start = !v.running
	v.running = true
	return start
}

// next returns what is to be logged next.
func (v *eventLog) next() (event, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.queue) == 0 {
		v.queue, v.running = nil, false
		return event{}, false
	}
	ev := v.queue[0]
	v.queue[0] = event{}
	v.queue = v.queue[1:]
	return ev, true
}

// event has an event logged. It may be called under any lock, and is cheap if there is
// no logger.
func (e *Endpoint) event(now time.Time, kind eventKind, peer netip.AddrPort, attrs ...slog.Attr) {
	if e.logger == nil || kind.level() == slog.LevelDebug && int64(now.Sub(e.started)) < e.events.quietTill.Load() {
		return
	}
	if e.events.add(e.milliseconds(now), event{at: now, kind: kind, peer: peer, attrs: attrs}) {
		go e.logEvents()
	}
}

// logEvents logs until no event is left.
func (e *Endpoint) logEvents() {
	logger := e.logger
	ctx := context.Background()
	local := slog.Any("local", e.LocalAddr())
	for {
		ev, ok := e.events.next()
		if !ok {
			return
		}
		if level := ev.kind.level(); !logger.Enabled(ctx, level) {
			if level == slog.LevelDebug {
				e.events.quietTill.Store(int64(ev.at.Add(quietFor).Sub(e.started)))
			}
			continue
		}
		r := slog.NewRecord(ev.at, ev.kind.level(), eventTexts[ev.kind], 0)
		r.AddAttrs(ev.attrs...)
		r.AddAttrs(local, slog.Any("peer", ev.peer), slog.Uint64("unlogged", ev.dropped))
		_ = logger.Handler().Handle(ctx, r) // there is nobody to tell
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
		e.event(now, eventOptimistic, peer)
	case seen.malformed > last.malformed:
		e.event(now, eventMalformed, peer)
	}
	if seen.budget > last.budget {
		e.event(now, eventBudget, peer)
	}
	if seen.answered > last.answered {
		e.event(now, eventChallenge, peer)
	}
	if seen.forged > last.forged {
		e.event(now, eventForged, peer)
	}
}
