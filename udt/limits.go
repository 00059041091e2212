package udt

import (
	"cmp"
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
)

// Limits bound what peers and strangers can make this side spend. In every numeric
// field zero means the documented default and a negative value no limit. Durations are
// at most 365 days.
//
// HalfOpenTimeout, StallTimeout and ChallengeShutdown are limits of each connection.
// The others are limits of a listener: they are those of the Config that it was made
// with, and dials do not count.
//
// A prefix is one IPv4 address or an IPv6 /64; a /48 may have 16 times as much. Rates
// per prefix hold only under load, which is when half of HalfOpen or half of
// Config.Backlog is taken. Without load a busy host behind one address must not be
// refused. Loopback addresses are exempt from rates. A packet that exceeds a rate is
// dropped without an answer, because its sender repeats it, and is counted in
// EndpointStats.
type Limits struct {
	// RequestsPerSecond is how many first requests of clients are answered per second.
	// An answer is no larger than the request, and no state is kept for it. The default
	// is 50000.
	RequestsPerSecond int

	// RequestsPerPrefix is how many first requests of one prefix are answered per
	// second under load. Twice as many may come at once. The default is 100.
	RequestsPerPrefix int

	// HandshakesPerSecond is how many clients that have shown their address are
	// considered per second. The default is 20000.
	HandshakesPerSecond int

	// HandshakesPerPrefix is how many of these may come from one prefix per second
	// under load. Twice as many may come at once. The default is 20.
	HandshakesPerPrefix int

	// HalfOpen is how many connections may be accepted whose peers have not been heard
	// since the handshake. If there are more, the oldest one ends that has not answered
	// within three seconds of being asked. The default is 1024.
	HalfOpen int

	// HalfOpenTimeout is after how long such a connection ends, whether Accept has
	// returned it or not. A live peer answers when it is asked: its connection stays
	// even if the server calls Accept late, as with TCP. A negative Config.PeerTimeout
	// turns HalfOpenTimeout off too. The default is 10 s.
	HalfOpenTimeout time.Duration

	// Conns and ConnsPerPrefix are how many accepted connections the port and one
	// prefix may have. Further ones are refused. The default is no limit.
	Conns, ConnsPerPrefix int

	// StallTimeout ends a connection whose data have made no progress for so long,
	// although the peer answers, because it does not read for example. The default is
	// no limit, as a reader may pause.
	StallTimeout time.Duration

	// ChallengeShutdown makes a connection ask its peer before it believes that the
	// peer has closed. It defeats a Shutdown that was forged by an attacker who does
	// not see the traffic. An orderly end then takes four round trips longer, and at
	// least 200 ms.
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
