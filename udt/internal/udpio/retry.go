package udpio

import (
	"net"
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

// A handoff brings the reader of a connected socket a refusal that a send came upon.
// The system reports each refusal once, to whichever call is next.
type handoff struct {
	pending atomic.Bool
}

// put leaves a refusal and wakes the reader by a deadline in the past.
func (h *handoff) put(conn *net.UDPConn) {
	h.pending.Store(true)
	_ = conn.SetReadDeadline(time.Unix(1, 0))
}

// woken ends the wake-up. A put at the same time either is seen by the next take or
// wakes the reader again, because it sets the flag first.
func (h *handoff) woken(conn *net.UDPConn) { _ = conn.SetReadDeadline(time.Time{}) }

// take returns whether there is a refusal and forgets it.
func (h *handoff) take() bool { return h.pending.Load() && h.pending.Swap(false) }
