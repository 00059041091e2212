package proto

import (
	"time"
)

// Reserve lends room for at most n bytes of a stream, or for the next bytes of
// the message begun last. Its size is zero if there is none. Only one
// reservation may be open.
func (c *Conn) Reserve(n int) Reservation {
	s := &c.send
	if c.phase != phaseOpen || c.closing.peer {
		return Reservation{}
	}
	if c.cfg.Message {
		if s.outgoing.left == 0 {
			return Reservation{}
		}
		return s.buf.reserve(s.outgoing.left, true)
	}
	if n = min(n, s.buf.room()); n <= 0 {
		return Reservation{}
	}
	return s.buf.reserve(n, false)
}

// Commit hands the first n bytes of r over for transmission. In message mode n
// is the size of r.
func (c *Conn) Commit(now time.Time, r *Reservation, n int) {
	s := &c.send
	c.at(now)
	if r.size == 0 {
		return
	}
	if c.phase > phaseDraining || c.closing.peer {
		// The connection ended while the writer copied.
		s.buf.reserved = false
		s.buf.dropTail()
		return
	}
	if s.buf.una == s.buf.end {
		s.committedAt = c.now
	}
	s.buf.commit(r, n, c.mark)
	if c.cfg.Message {
		s.outgoing.left -= n
		s.buf.open = false
		return
	}
	last := s.buf.end - 1
	s.buf.open = n > 0 && last >= s.buf.next && int(s.buf.packet(last).size) < s.buf.tail.room(int(s.buf.packet(last).slot)) ||
		n == 0 && s.buf.open
}

// MessageLeft returns how much of the message begun last is not committed yet.
func (c *Conn) MessageLeft() int { return c.send.outgoing.left }

// Writable reports whether there is enough room in the send buffer that it is
// worth waking a writer.
func (c *Conn) Writable() bool {
	b := &c.send.buf
	return c.phase != phaseConnecting && b.room() >= min(LargeSlab, b.limit/4, b.burst/4)
}

// WritableMessage reports whether BeginMessage for n bytes would succeed.
func (c *Conn) WritableMessage(n int) bool {
	b := &c.send.buf
	return c.phase != phaseConnecting && b.roomForMessage(n)
}

// Unsent returns the payload bytes that were committed but not sent yet.
func (c *Conn) Unsent() int { return c.send.buf.unsent }

// Acknowledged reports whether the peer has acknowledged everything committed.
func (c *Conn) Acknowledged() bool { return c.drained() }

// Sequence returns how many packets were committed so far. Together with
// AcknowledgedTo it lets a caller wait for what it has written itself.
func (c *Conn) Sequence() int64 { return c.send.buf.end }

// AcknowledgedTo returns one past the highest packet acknowledged in full.
func (c *Conn) AcknowledgedTo() int64 { return min(c.send.fullAcked, c.send.buf.una) }

// AnswerNear reports that the peer has just been told of the end and that its
// answer should take less than a millisecond.
func (c *Conn) AnswerNear() bool {
	return c.phase == phaseShutdown && c.extended && c.closing.repeats <= 1 &&
		c.rtt.min() != 0 && c.rtt.min() < time.Millisecond
}

// Stuck reports that waiting for acknowledgements has become pointless for now:
// the peer's window is closed with nothing else under way, or two probes in a
// row went unanswered.
func (c *Conn) Stuck() bool {
	return c.send.probe.count >= 2 || c.closedWindow() && c.send.buf.una < c.send.buf.end
}

// resizeSendBuffer follows the path's bandwidth-delay product: four of them in
// all, and 20 ms worth of data that wait to be sent (SPEC.md#send-buffer).
func (c *Conn) resizeSendBuffer() {
	rate, rtt := c.cc.DeliveryRate, c.rtt.min()
	if rate <= 0 || rtt <= 0 {
		return
	}
	b := &c.send.buf
	wait := min(max(rtt/2, minUnsentTime), maxUnsentTime)
	b.burst = int(min(max(float64(rate)*wait.Seconds(), minUnsent), float64(c.cfg.SendBuffer)))
	if want := int(min(4*float64(rate)*rtt.Seconds(), float64(c.cfg.SendBuffer))); want > b.limit {
		c.growSendBuffer(want)
	}
	// Data on their way and data that wait are both bounded by the limit.
	if want := min(4*b.burst, c.cfg.SendBuffer); want > b.limit {
		c.growSendBuffer(want)
	}
}

// growSendBuffer raises the limit to n bytes, at most the configured cap, if
// the endpoint's budget has room.
func (c *Conn) growSendBuffer(n int) {
	b := &c.send.buf
	n = min(n, c.cfg.SendBuffer)
	if add := n - b.limit; add > 0 && c.memory.Grow(add) {
		c.borrowed += add
		b.limit = n
	}
}

func (c *Conn) releaseSend() {
	if c.borrowed > 0 {
		c.memory.Shrink(c.borrowed)
		c.borrowed = 0
	}
}

// trim gives back memory that an idle connection does not need.
func (c *Conn) trim() {
	c.recv.buf.trim()
	b := &c.send.buf
	if b.una == b.end && !b.reserved {
		b.ring = nil
		b.dropTail()
		b.spare = nil
		c.send.log = txLog{}
	}
	if c.recv.holes.empty() {
		c.recv.holes.clear()
	}
}

// SetMaxBandwidth limits sending to n bytes per second; zero lifts the limit.
func (c *Conn) SetMaxBandwidth(n int64) { c.maxBandwidth = n }

// Info is a snapshot of a connection's state.
type Info struct {
	Stats        Stats
	SendPeriod   time.Duration
	FlowWindow   int
	Window       int
	InFlight     int
	RTT, RTTVar  time.Duration
	MinRTT       time.Duration
	LinkCapacity int64
	RecvRate     int64
	DeliveryRate int64
	SendBuffered int
	RecvBuffered int
	Unsent       int
	Stopped      StopReason
	Extended     bool
	SendingTime  time.Duration
	SendRoom     int
	RecvRoom     int
}

// Info returns a snapshot.
func (c *Conn) Info() Info {
	s := &c.send
	sending := s.busy
	if s.buf.una < s.buf.next {
		sending += c.now - s.busySince
	}
	return Info{
		SendingTime: sending, SendRoom: max(c.cfg.SendBuffer-s.buf.bytes, 0), RecvRoom: max(c.cfg.RecvBuffer-c.recv.buf.bytes, 0),
		Stats: c.stats, SendPeriod: c.period(), FlowWindow: int(max(s.limit-s.buf.una, 0)), Window: c.congestionWindow(),
		InFlight: c.inFlight(), RTT: c.rtt.smoothed, RTTVar: c.rtt.variance, MinRTT: c.rtt.min(),
		LinkCapacity: int64(c.cc.LinkCapacity) * int64(c.mss), RecvRate: int64(c.cc.RecvRate) * int64(c.mss),
		DeliveryRate: c.cc.DeliveryRate, SendBuffered: s.buf.bytes, RecvBuffered: c.recv.buf.bytes,
		Unsent: s.buf.unsent, Stopped: s.stopped, Extended: c.extended,
	}
}

// Connecting reports that the handshake is under way.
func (c *Conn) Connecting() bool { return c.phase == phaseConnecting }

// Open reports that the application may still use the connection.
func (c *Conn) Open() bool { return c.phase == phaseOpen && !c.closing.peer }

// Ended reports that nothing more will be sent but answers to the peer's
// Shutdown.
func (c *Conn) Ended() bool { return c.phase == phaseEnded }

// Shutting reports that everything was delivered or given up, and the peer is
// being told.
func (c *Conn) Shutting() bool { return c.phase >= phaseShutdown }

// Err returns why the connection ended, nil while it has not.
func (c *Conn) Err() error { return c.err }

// Extended reports whether the peer speaks our extensions.
func (c *Conn) Extended() bool { return c.extended }

// PeerID returns the peer's socket ID.
func (c *Conn) PeerID() uint32 { return c.peerID }

// Payload returns how many bytes one packet carries.
func (c *Conn) Payload() int { return c.payload }
