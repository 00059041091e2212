package udt

import (
	"cmp"
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
)

// Limits bound what peers, and strangers, can make this side spend. In every numeric
// field zero means the documented default and a negative value no limit. Durations are
// at most 365 days.
//
// A listener's limits are those of the Config that it was made with. Rates per prefix hold only under load, which is when half of HalfOpen
// or half of Config.Backlog is taken: without load a busy host behind one address
// must not be refused. A prefix is one IPv4 address or an IPv6 /64; a /48 may have
// 16 times as much. Loopback addresses are exempt from rates. What a limit rejects
// is dropped without an answer, as its sender asks again, and is counted in
// EndpointStats.
type Limits struct {
	// RequestsPerSecond is how many first requests of clients are answered: 50000.
	// An answer is no larger than the request, and leaves nothing behind.
	RequestsPerSecond int

	// RequestsPerPrefix is how many of one prefix, under load: 100 per second, and
	// twice as many at once.
	RequestsPerPrefix int

	// HandshakesPerSecond is how many clients that have shown their address are
	// considered: 20000.
	HandshakesPerSecond int

	// HandshakesPerPrefix is how many of one prefix, under load: 20 per second, and
	// twice as many at once.
	HandshakesPerPrefix int

	// HalfOpen is how many accepted connections there may be whose peers have not
	// been heard since the handshake: 1024. Beyond it the oldest of those that did
	// not answer when they were asked, after three seconds, gives way.
	HalfOpen int

	// HalfOpenTimeout is after how long such a connection ends, accepted by the
	// application or not: 10 s. A live peer answers when it is asked, so that a
	// connection whose server is slow to call Accept stays, as with TCP. A negative
	// Config.PeerTimeout turns it off too.
	HalfOpenTimeout time.Duration

	// Conns and ConnsPerPrefix are how many connections, accepted ones, the port
	// and one prefix may have. By default there is no limit, as memory has one.
	// Further ones are refused.
	Conns, ConnsPerPrefix int

	// StallTimeout ends a connection whose data have made no progress for so long,
	// although the peer answers: one that does not read, say. The default is none,
	// as a reader may pause.
	StallTimeout time.Duration

	// ChallengeShutdown makes a connection ask its peer before it believes that the
	// peer has closed. It defeats a forged Shutdown of an attacker who does not see
	// the traffic; an orderly end takes four round trips, at least 200 ms, longer.
	ChallengeShutdown bool
}

// Defaults of Limits.
const (
	defaultRequests         = 50_000
	defaultPrefixRequests   = 100
	defaultHandshakes       = 20_000
	defaultPrefixHandshakes = 20
	defaultHalfOpen         = 1024
	defaultHalfOpenTimeout  = 10 * time.Second
)

// check reports what is out of range. Every count is in its range.
func (l *Limits) check() error {
	return cmp.Or(
		duration("Limits.HalfOpenTimeout", l.HalfOpenTimeout),
		duration("Limits.StallTimeout", l.StallTimeout),
	)
}

// core fills in the limits that the protocol machine keeps.
func (l *Limits) core(p *proto.Config) {
	if p.PeerTimeout > 0 {
		p.ConfirmTimeout = max(cmp.Or(l.HalfOpenTimeout, defaultHalfOpenTimeout), 0)
	}
	p.StallTimeout = max(l.StallTimeout, 0)
	p.ChallengeShutdown = l.ChallengeShutdown
}
