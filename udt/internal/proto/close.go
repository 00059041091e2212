package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

const (
	minShutdownInterval = 10 * time.Millisecond // between repetitions of a Shutdown
	maxShutdowns        = 5                     // that an extended peer leaves unanswered
	legacyReaderPause   = 20 * time.Millisecond // between the last message and the Shutdown
)

// closer runs the end of a connection (SPEC.md#close).
type closer struct {
	reason   wire.Reason
	deadline time.Duration // end of lingering, zero never

	repeats int           // Shutdowns sent
	due     time.Duration // next one
	answer  bool          // the peer's Shutdown wants one from us

	peer       bool // the peer has shut down
	peerReason wire.Reason
	final      int64 // one past the last number it sent, if known
	finalKnown bool

	said      int64 // what our own Shutdown gives as final, if it was cut off
	saidKnown bool

	challenged   time.Duration // when the peer was asked whether its Shutdown is true
	challengeEnd time.Duration // when it is believed, zero if there is none
	challengeFor pendingShutdown
	mayChallenge time.Duration

	confirmed   bool // the peer's Shutdown has arrived
	undelivered bool // something committed was discarded
}

// Close ends the connection in order: everything committed is delivered, then
// the peer is told. Unread data are discarded; what still arrives is
// acknowledged and forgotten.
func (c *Conn) Close(now time.Time) {
	t := c.at(now)
	switch c.phase {
	case phaseConnecting:
		c.end(ErrClosed)
		return
	case phaseOpen:
	default:
		return
	}
	c.phase = phaseDraining
	c.wantAckRequest = c.extended && c.send.buf.una < c.send.buf.end
	c.discardUnread(t)
	switch {
	case c.closing.peer:
		c.finish()
	case c.cfg.Linger < 0:
		c.abort(t, wire.ReasonAborted)
	case c.cfg.Linger > 0:
		c.closing.deadline = t + c.cfg.Linger
	}
}

// SetLinger bounds how long Close goes on sending, from now on; zero means for
// ever, negative that Close discards.
func (c *Conn) SetLinger(now time.Time, d time.Duration) {
	c.cfg.Linger = d
	if c.phase == phaseDraining && d > 0 {
		c.closing.deadline = c.at(now) + d
	}
}

// Abort ends the connection at once: nothing more is delivered, and the peer is
// told why.
func (c *Conn) Abort(now time.Time, reason wire.Reason) {
	t := c.at(now)
	switch c.phase {
	case phaseConnecting:
		c.end(ErrClosed)
	case phaseOpen, phaseDraining:
		c.discardUnread(t)
		if c.closing.peer {
			c.finish()
			return
		}
		c.abort(t, reason)
	}
}

func (c *Conn) abort(now time.Duration, reason wire.Reason) {
	c.discardUnsent()
	c.shutDown(now, reason)
}

// discardUnsent drops everything committed that is not acknowledged.
func (c *Conn) discardUnsent() {
	s, k := &c.send, &c.closing
	k.undelivered = k.undelivered || s.buf.una < s.buf.end
	if !k.saidKnown {
		// One more than what was sent tells the peer that data are missing, and is
		// within its window.
		k.said, k.saidKnown = min(s.buf.next+1, s.buf.end), true
	}
	s.buf.clear()
	s.losses.clear()
	s.outgoing = outMessages{}
	s.legacy = legacySampler{}
}

// shutDown begins to tell the peer.
func (c *Conn) shutDown(now time.Duration, reason wire.Reason) {
	c.phase = phaseShutdown
	c.closing.reason = reason
	c.closing.due = now
}

func (c *Conn) discardUnread(now time.Duration) {
	r := &c.recv
	r.discarding = true
	r.messages = inMessages{scan: r.next}
	defer r.account(c.cfg.Pressure)
	for n := r.next; n < r.buf.high; n++ {
		r.buf.discard(n)
	}
	r.buf.advance(r.next)
	if c.phase <= phaseDraining && !c.closing.peer {
		r.acks.now = r.acks.anySent // the window is open again
		r.acks.update = r.acks.now
	}
}

// drained reports that everything committed has been acknowledged; by a full
// ACK, as the reference releases nothing to its application for a light one.
func (c *Conn) drained() bool {
	s := &c.send
	return s.buf.una == s.buf.end && !s.buf.reserved && s.fullAcked >= s.buf.end
}

// shutdownTime returns when a peer that has acknowledged everything may be
// told. A call of the reference that waits for a message fails if a Shutdown
// comes before it has run again, although there is a message: it gets a pause.
func (c *Conn) shutdownTime() time.Duration {
	if c.extended || !c.cfg.Message || c.send.fullAckedAt == 0 {
		return 0
	}
	return c.send.fullAckedAt + legacyReaderPause
}

// pollClose moves the end of a connection on.
func (c *Conn) pollClose(now time.Duration) {
	c.pollChallenge(now)
	if c.phase == phaseShutdown && c.closing.repeats == maxShutdowns && now >= c.closing.due {
		c.finish()
	}
	if c.phase != phaseDraining {
		return
	}
	switch {
	case c.drained() && now >= c.shutdownTime():
		c.shutDown(now, wire.ReasonClosed)
	case c.closing.deadline != 0 && now >= c.closing.deadline:
		c.abort(now, wire.ReasonAborted)
	}
}

// appendShutdown appends the Shutdown that is due.
func (c *Conn) appendShutdown(now time.Duration, b []byte) []byte {
	k := &c.closing
	info := uint32(0)
	if k.answer {
		k.answer = false
		info = wire.ShutdownAnswer
	} else {
		k.repeats++
		c.scheduleShutdown(now)
	}
	b = c.appendHeader(b, wire.TypeShutdown, 0, info)
	body := c.Shutdown()
	var p [wire.ShutdownLen]byte
	body.Put(p[:])
	return append(b, p[:]...)
}

// scheduleShutdown sets when the Shutdown is repeated: towards an extended peer
// until it answers, towards one of the reference, which never does, twice.
func (c *Conn) scheduleShutdown(now time.Duration) {
	k := &c.closing
	rtt := c.rtt.rtt()
	if c.extended {
		k.due = now + max(rtt, minShutdownInterval)<<max(k.repeats-2, 0)
		return
	}
	switch k.repeats {
	case 1:
		k.due = now + max(rtt/2, minShutdownInterval)
	case 2:
		k.due = now + max(rtt/2, minShutdownInterval)
	default:
		c.finish()
	}
}

// handleShutdown takes the peer's Shutdown.
func (c *Conn) handleShutdown(now time.Duration, head wire.Control, body []byte) {
	p := pendingShutdown{answer: head.Info == wire.ShutdownAnswer}
	p.body, p.known = wire.ParseShutdown(body)
	switch {
	case c.extended && !c.possibleEnd(&p):
		c.stats.Malformed++
	case !c.allow(now, budgetShutdown):
	case c.cfg.ChallengeShutdown && c.phase <= phaseDraining && !c.closing.peer:
		c.challenge(now, &p)
	default:
		c.obeyShutdown(&p)
	}
}

// obeyShutdown ends the connection as the peer wants it.
func (c *Conn) obeyShutdown(p *pendingShutdown) {
	k := &c.closing
	k.confirmed = true
	answer := p.answer
	if c.extended && !answer {
		k.answer = true
	}
	if c.phase == phaseShutdown {
		c.finish()
		return
	}
	if k.peer {
		return
	}
	k.peer = true
	if p.known && c.extended {
		k.peerReason = p.body.Reason
		k.final, k.finalKnown = wire.Unwrap(c.recv.next, p.body.Final), true
	}
	c.discardUnsent()
	if c.phase == phaseDraining {
		c.finish()
	}
}

// finish ends a connection that was closed by both sides, or whose peer knows.
func (c *Conn) finish() { c.end(ErrClosed) }

// end ends the connection for good.
func (c *Conn) end(err error) {
	if c.phase == phaseEnded {
		return
	}
	c.phase = phaseEnded
	if c.err == nil {
		c.err = err
	}
	c.discardUnsent()
	releaseAll(c.hs.early)
	c.hs.early = nil
	c.recv.window.release()
	c.recv.account(c.cfg.Pressure)
	c.releaseSend()
}

// ReadErr returns why nothing more will become readable behind what is now, or
// nil. ErrPeerClosed means the peer ended the stream in order.
func (c *Conn) ReadErr() error {
	k := &c.closing
	switch {
	case c.recv.oversized:
		return ErrMessageTooLong
	case k.peer && (k.peerReason == wire.ReasonAborted || k.peerReason == wire.ReasonProtocol):
		return ErrReset
	case k.peer && k.finalKnown && c.recv.next < k.final:
		return ErrReset
	case k.peer && !k.finalKnown && !c.recv.holes.empty():
		return ErrReset
	case k.peer:
		return ErrPeerClosed
	}
	return c.err
}

// WriteErr returns why nothing can be written any more, or nil.
func (c *Conn) WriteErr() error {
	switch {
	case c.closing.peer && c.closing.peerReason == wire.ReasonAborted:
		return ErrReset
	case c.closing.peer:
		return ErrPeerClosed
	case c.err != nil:
		return c.err
	case c.phase > phaseOpen:
		return ErrClosed
	}
	return nil
}
