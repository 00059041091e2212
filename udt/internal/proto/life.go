package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Life signs (SPEC.md#life-signs).
const (
	closedKeepAlive = 5 * time.Second // while our window is closed
	legacySilence   = 5 * time.Second // longer than a live peer of the reference is ever silent
	pingInterval    = 500 * time.Millisecond
	keepAliveJitter = 0.2
	confirmSilence  = time.Second // after which an accepted peer is asked whether it is there
)

// unconfirmed reports that the peer must show soon that it is there.
func (c *Conn) unconfirmed() bool { return c.cfg.ConfirmTimeout > 0 && !c.Heard() }

// lifeSigns tells the peer that we live, and notices when it does not.
type lifeSigns struct {
	heard  time.Duration // any packet from the peer
	sent   time.Duration // any packet to it
	jitter float64       // of the keep-alive period
	pingAt time.Duration // when the latest test went out
	ask    bool          // test the peer now
}

// opened draws the jitter of the keep-alive period, so that many idle connections
// do not speak at the same time.
func (l *lifeSigns) opened(c *Conn, now time.Duration) {
	l.heard, l.sent = now, now
	l.jitter = 1 + keepAliveJitter*(2*c.rand.Float64()-1)
}

// keepAliveTime returns when a keep-alive is due; zero means never.
func (c *Conn) keepAliveTime() time.Duration {
	l := &c.life
	if c.phase > phaseDraining || c.closing.peer {
		return 0
	}
	if c.hs.keepAlive {
		return c.now
	}
	period := time.Duration(float64(c.cfg.KeepAlivePeriod) * l.jitter)
	if c.edge()-c.recv.acks.next < minWindow {
		period = min(max(period, closedKeepAlive), closedKeepAlive)
	}
	if period <= 0 {
		return 0
	}
	return l.sent + period
}

// testTime returns when the peer, silent for too long, is tested; zero means
// never.
func (c *Conn) testTime() time.Duration {
	l := &c.life
	if c.phase > phaseDraining || c.closing.peer {
		return 0
	}
	if l.ask {
		return c.now
	}
	silence, interval := c.cfg.IdleTimeout/2, max(c.cfg.IdleTimeout/16, pingInterval)
	if !c.extended {
		silence, interval = min(legacySilence, c.silenceLimit()/2), pingInterval
	} else if c.unconfirmed() && (silence <= 0 || silence > confirmSilence) {
		silence, interval = confirmSilence, confirmSilence
	}
	if silence <= 0 {
		return 0
	}
	return max(l.heard+silence, l.pingAt+interval)
}

// silenceLimit is for how long an idle peer may be silent although tested.
func (c *Conn) silenceLimit() time.Duration {
	limit := c.cfg.IdleTimeout
	if !c.extended && c.cfg.PeerTimeout > 0 && (limit <= 0 || c.cfg.PeerTimeout < limit) {
		// A live peer of the reference is never silent for so long.
		limit = c.cfg.PeerTimeout
	}
	return limit
}

// deathTime returns when the peer is given up unless it is heard; zero means
// never.
func (c *Conn) deathTime() time.Duration {
	s := &c.send
	if c.phase > phaseDraining || c.closing.peer {
		return 0
	}
	var due time.Duration
	if limit := c.silenceLimit(); limit > 0 {
		due = c.life.heard + limit
	}
	if c.unconfirmed() {
		if at := c.hs.openedAt + c.cfg.ConfirmTimeout; due == 0 || at < due {
			due = at
		}
	}
	if s.buf.una < s.buf.end && c.cfg.StallTimeout > 0 {
		if at := max(s.movedAt, s.committedAt) + c.cfg.StallTimeout; due == 0 || at < due {
			due = at
		}
	}
	if s.buf.una < s.buf.next && c.cfg.PeerTimeout > 0 {
		if at := max(s.lastAnswer, s.outstandingSince) + c.cfg.PeerTimeout; due == 0 || at < due {
			due = at
		}
	}
	return due
}

// pollLife ends the connection if the peer has vanished, and reports whether
// it did.
func (c *Conn) pollLife(now time.Duration) bool {
	if due := c.deathTime(); due != 0 && now >= due {
		c.end(ErrPeerTimeout)
		return true
	}
	return false
}

// appendLifeSign appends the keep-alive or the test that is due.
func (c *Conn) appendLifeSign(now time.Duration, b []byte) []byte {
	if due := c.testTime(); due != 0 && now >= due {
		c.life.pingAt, c.life.ask = now, false
		if c.extended {
			return c.appendAckRequest(b)
		}
		// A live peer of the reference answers a request to its own socket at
		// once, a closed one never.
		h := c.ownHandshake(wire.RequestInduction)
		return appendHandshake(b, &h, 0, 0, c.peerID)
	}
	if due := c.keepAliveTime(); due != 0 && now >= due {
		c.trim() // nothing was sent for a whole period
		if c.extended && !c.hs.keepAlive {
			// The answer spares the peer a timer, and proves more.
			return c.appendAckRequest(b)
		}
		return c.appendKeepAlive(b)
	}
	return b
}

func (c *Conn) appendKeepAlive(b []byte) []byte {
	c.hs.keepAlive = false
	b = c.appendHeader(b, wire.TypeKeepAlive, 0, 0)
	return append(b, 0, 0, 0, 0)
}
