package proto

import "time"

// Our own pings stay below what the peer's budget lets through.
const (
	pingRate  = 8
	pingBurst = 100
)

// rttAge is how old a round trip may be for windows to be sized by it.
const rttAge = time.Second

// pinger measures the round trip, one ping at a time.
type pinger struct {
	asked    uint64 // pings that were requested
	token    uint64 // of the ping on its way, or the last one
	answered uint64
	underway bool
	sentAt   time.Duration
	last     time.Duration // latest sample
	rtt      time.Duration // smoothed
	budget   budget
}

func newPinger() pinger { return pinger{budget: newBudget(pingRate, pingBurst)} }

func (p *pinger) stale(at time.Duration) bool {
	return p.asked == p.answered && (p.rtt == 0 || at-p.sentAt > rttAge)
}

func (p *pinger) sample(d time.Duration) {
	p.last = max(d, 1)
	if p.rtt == 0 {
		p.rtt = p.last
		return
	}
	p.rtt += (p.last - p.rtt) / 8
}

// RequestPing asks for a ping and returns its number: it is answered when Pong
// returns that or more. A ping that is waiting to be sent serves all who ask.
func (s *Session) RequestPing(now time.Time) uint64 {
	p := &s.ping
	if p.asked == p.token {
		p.asked++
	}
	s.duePing(s.at(now))
	return p.asked
}

// Pong returns the number of the last ping that was answered, and how long it took.
func (s *Session) Pong() (number uint64, rtt time.Duration) { return s.ping.answered, s.ping.last }

// duePing lets a requested ping out.
func (s *Session) duePing(at time.Duration) {
	p := &s.ping
	if p.asked > p.token && !p.underway && s.toSend&sendPing == 0 && p.budget.take(at) {
		s.toSend |= sendPing
	}
}

// handlePong takes the answer to a ping.
func (s *Session) handlePong(at time.Duration, token uint64) error {
	p := &s.ping
	if !p.underway || token != p.token {
		return violation(CodeProtocol, "answer to no ping")
	}
	p.underway, p.answered = false, token
	p.sample(at - p.sentAt)
	s.events |= EventPong
	s.duePing(at)
	return nil
}

// Next returns when Advance must be called; the zero Time means never.
func (s *Session) Next() time.Time {
	if s.err != nil {
		return time.Time{}
	}
	next := time.Duration(-1)
	soonest := func(d time.Duration) {
		if next < 0 || d < next {
			next = d
		}
	}
	p := &s.ping
	if p.asked > p.token && !p.underway && s.toSend&sendPing == 0 {
		soonest(p.budget.at + p.budget.wait(p.budget.at))
	}
	if s.cfg.KeepAlive > 0 && p.asked == p.answered {
		soonest(s.heard + s.cfg.KeepAlive)
	}
	if s.cfg.Idle > 0 {
		soonest(s.heard + s.cfg.Idle)
	}
	if next < 0 {
		return time.Time{}
	}
	return s.epoch.Add(next)
}

// Advance does what is due at time now: it asks a silent peer for a sign of life,
// and returns ErrIdle if none came for too long.
func (s *Session) Advance(now time.Time) error {
	if s.err != nil {
		return nil
	}
	at := s.at(now)
	if s.cfg.Idle > 0 && at-s.heard >= s.cfg.Idle {
		return ErrIdle
	}
	if s.cfg.KeepAlive > 0 && at-s.heard >= s.cfg.KeepAlive && s.ping.asked == s.ping.answered {
		s.RequestPing(now)
	}
	s.duePing(at)
	return nil
}
