package udpio

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// sendRepeats is how often a send is repeated after an error that an ICMP message
// about another datagram may have left on the socket.
const sendRepeats = 3

// A backoff spaces the repetitions of a read that keeps failing. The first are free,
// because a socket reports every ICMP message as an error of its own. It belongs to
// the reading goroutine.
type backoff struct {
	failures int // since the last success
}

const (
	freeFailures = 8
	firstPause   = time.Millisecond
	longestPause = 10 * time.Millisecond // a reader that sleeps does not see acknowledgements
)

// pause counts a failure and sleeps if there were many.
func (b *backoff) pause() {
	if b.failures++; b.failures <= freeFailures {
		return
	}
	time.Sleep(min(time.Duration(b.failures-freeFailures)*firstPause, longestPause))
}

// reset notes a success.
func (b *backoff) reset() { b.failures = 0 }

// A handoff wakes the reader of a socket: to bring it a refusal that a send came upon,
// because the system reports each refusal once, to whichever call is next; or for
// Socket.Interrupt.
type handoff struct {
	refused     atomic.Bool
	interrupted atomic.Bool
}

// A deadliner is what a reader waits on.
type deadliner interface{ SetReadDeadline(t time.Time) error }

// put leaves word by setting flag and wakes the reader by a deadline in the past.
func (h *handoff) put(flag *atomic.Bool, conn deadliner) {
	flag.Store(true)
	_ = conn.SetReadDeadline(time.Unix(1, 0))
}

// woken ends the wake-up. A put at the same time either is seen by the next take or
// wakes the reader again, because it sets the flag first.
func (h *handoff) woken(conn deadliner) { _ = conn.SetReadDeadline(time.Time{}) }

// pending reports whether there is word for the reader.
func (h *handoff) pending() bool { return h.refused.Load() || h.interrupted.Load() }

// take returns what the word is, nil if there is none, and forgets it.
func (h *handoff) take(remote netip.AddrPort) error {
	switch {
	case h.interrupted.Load() && h.interrupted.Swap(false):
		return ErrInterrupted
	case h.refused.Load() && h.refused.Swap(false):
		return &RefusedError{Addr: remote}
	}
	return nil
}
