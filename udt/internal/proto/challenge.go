package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A Shutdown is the one packet of a peer of the reference that ends a connection
// without naming any number. With Config.ChallengeShutdown it is questioned first:
// a numbered ACK goes out, which a peer that has really closed does not confirm.
// Numbers are unpredictable, so only the peer can.
const (
	challengeRTTs     = 4
	minChallenge      = 200 * time.Millisecond
	challengeInterval = 500 * time.Millisecond // between two, on average
)

// pendingShutdown is a Shutdown of the peer.
type pendingShutdown struct {
	body   wire.Shutdown
	known  bool // it has a body
	answer bool
}

// possibleEnd reports whether an extended peer can have sent p: it says up to where
// it has sent.
func (c *Conn) possibleEnd(p *pendingShutdown) bool {
	final := wire.Unwrap(c.recv.next, p.body.Final)
	return p.known && p.body.Reason <= wire.ReasonEndpoint &&
		final >= c.recv.next-maxSegments && final <= c.edge()+int64(c.recv.window.limit)+windowReserve
}

// challenge asks the peer whether its Shutdown is true, unless it was asked lately.
// The budget is the connection's own, and its intervals vary, so that nothing can
// be learned from it about others (CVE-2016-5696).
func (c *Conn) challenge(now time.Duration, p *pendingShutdown) {
	k := &c.closing
	if k.challengeEnd != 0 || now < k.mayChallenge {
		return
	}
	c.stats.Challenges++
	k.challengeFor = *p
	k.challenged = now
	k.challengeEnd = now + max(challengeRTTs*c.rtt.rtt(), minChallenge)
	k.mayChallenge = now + time.Duration((1+c.rand.Float64())*float64(challengeInterval))
	c.recv.acks.update = true
	c.requestAck()
}

// answered is called when the peer has confirmed an ACK that was sent at the given
// time.
func (c *Conn) answered(at time.Duration) {
	if k := &c.closing; k.challengeEnd != 0 && at >= k.challenged {
		k.challengeEnd = 0
		c.stats.ChallengesAnswered++
	}
}

// pollChallenge believes a Shutdown that nobody has contradicted.
func (c *Conn) pollChallenge(now time.Duration) {
	if k := &c.closing; k.challengeEnd != 0 && now >= k.challengeEnd {
		k.challengeEnd = 0
		c.obeyShutdown(&k.challengeFor)
	}
}
