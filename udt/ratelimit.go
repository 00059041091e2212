package udt

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// rateSlots is how many buckets a prefixRates has.
const rateSlots = 1 << 16

// A bucket is a token bucket: it holds what may happen at once.
type bucket struct {
	tokens float32
	at     uint32 // milliseconds since the table's start, plus one; zero is a bucket never used
}

// take takes a token if there is one.
func (b *bucket) take(ms uint32, perSecond, burst float32) bool {
	if b.at == 0 {
		b.tokens = burst
	} else {
		b.tokens = min(b.tokens+float32(ms-b.at)*perSecond/1000, burst)
	}
	b.at = ms
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// prefixRates bounds how often something happens per prefix, in memory that does
// not depend on how many there are: buckets are found by a keyed hash, so that
// nobody can choose whose bucket he shares. It belongs to one goroutine at a time.
type prefixRates struct {
	seed  maphash.Seed
	table []bucket // made when it is first needed
}

type rateKey struct {
	kind   byte
	bits   uint8
	prefix [16]byte
}

// Kinds of events.
const (
	rateRequest byte = iota
	rateHandshake
	rateReset
)

// wideFactor is how much more than a prefix the wider one around it may have.
const wideFactor = 16

// take reports whether from may cause one more event of a kind. Both the prefix
// and the wider one around it must have room.
func (p *prefixRates) take(ms uint32, kind byte, from netip.Addr, perSecond int) bool {
	if p.table == nil {
		p.seed, p.table = maphash.MakeSeed(), make([]bucket, rateSlots)
	}
	rate := float32(perSecond)
	if !from.Is4() && !p.takeBits(ms, kind, from, 48, rate*wideFactor) {
		return false
	}
	return p.takeBits(ms, kind, from, prefixBits(from), rate)
}

func (p *prefixRates) takeBits(ms uint32, kind byte, from netip.Addr, bits int, rate float32) bool {
	key := rateKey{kind: kind, bits: uint8(bits), prefix: prefixOf(from, bits)}
	return p.table[maphash.Comparable(p.seed, key)%rateSlots].take(ms, rate, 2*rate)
}

// prefixBits is how much of an address stands for its user.
func prefixBits(a netip.Addr) int {
	if a.Is4() {
		return 32
	}
	return 64
}

func prefixOf(a netip.Addr, bits int) [16]byte {
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return a.As16()
	}
	return p.Addr().As16()
}

// An admission keeps the rates of what one endpoint answers strangers. It is guarded
// by Endpoint.mu.
type admission struct {
	requests, handshakes, resets bucket
	prefixes                     prefixRates
}

// Stateless resets per second, and at once.
const (
	resetsPerSecond, resetsAtOnce = 100, 10
	prefixResetsPerSecond         = 1
)

// icmpPerSecond is how many reports of unreachable ports are looked at.
const icmpPerSecond = 10

// milliseconds is the clock of buckets. It is never zero.
func (e *Endpoint) milliseconds(now time.Time) uint32 {
	return uint32(now.Sub(e.started)/time.Millisecond) + 1
}

// admitLocked reports whether a handshake packet of a kind from an address is
// within the rates. Endpoint.mu must be held.
func (e *Endpoint) admitLocked(now time.Time, l *Listener, kind byte, from netip.Addr) bool {
	if from.IsLoopback() {
		return true
	}
	limits, ms := &l.config.Limits, e.milliseconds(now)
	all, total, perPrefix := &e.admission.requests, limit(limits.RequestsPerSecond, defaultRequests), limit(limits.RequestsPerPrefix, defaultPrefixRequests)
	if kind == rateHandshake {
		all, total, perPrefix = &e.admission.handshakes, limit(limits.HandshakesPerSecond, defaultHandshakes), limit(limits.HandshakesPerPrefix, defaultPrefixHandshakes)
	}
	// First the prefix, so that one does not use up what is for all.
	if e.loaded(l) && !e.admission.prefixes.take(ms, kind, from, perPrefix) {
		return false
	}
	return all.take(ms, float32(total), float32(total))
}

// admitResetLocked reports whether an address may have a stateless reset. One prefix
// may take them all but for the last few, which are for the others. Endpoint.mu must
// be held.
func (e *Endpoint) admitResetLocked(now time.Time, from netip.Addr) bool {
	a, ms := &e.admission, e.milliseconds(now)
	if !a.resets.take(ms, resetsPerSecond, resetsAtOnce) {
		return false
	}
	if a.resets.tokens < resetsAtOnce/2 && !a.prefixes.take(ms, rateReset, from, prefixResetsPerSecond) {
		a.resets.tokens++
		return false
	}
	return true
}

// loaded reports whether half of the half-open connections, or of the backlog, is
// taken.
func (e *Endpoint) loaded(l *Listener) bool {
	return e.halfOpen.len()+e.demux.pending() > limit(l.config.Limits.HalfOpen, defaultHalfOpen)/2 || l.halfFull()
}
