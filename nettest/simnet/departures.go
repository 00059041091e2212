package simnet

import "time"

// departures is the queue of a link, of which only the times matter: a
// datagram waits until its last bit is sent.
type departures struct {
	times fifo[time.Duration] // in order
	most  int                 // greatest length

	// The integral of the length over time, for its mean.
	area    float64 // datagrams times nanoseconds
	started bool
	first   time.Duration // time of the first advance
	now     time.Duration // time of the last advance
}

// advance moves the time on and returns how many datagrams still wait.
func (q *departures) advance(now time.Duration) int {
	if !q.started {
		q.started, q.first, q.now = true, now, now
	}
	for q.times.len() > 0 && *q.times.front() <= now {
		q.integrate(*q.times.front())
		q.times.pop()
	}
	q.integrate(now)
	return q.times.len()
}

// push adds a datagram that leaves at the given time, not before the others.
func (q *departures) push(at time.Duration) {
	q.times.push(at)
	q.most = max(q.most, q.times.len())
}

// mean returns the average length between the first and the last advance.
func (q *departures) mean() float64 {
	if q.now == q.first {
		return 0
	}
	return q.area / float64(q.now-q.first)
}

// integrate accounts for the present length from the last time until t.
func (q *departures) integrate(t time.Duration) {
	if t > q.now {
		q.area += float64(q.times.len()) * float64(t-q.now)
		q.now = t
	}
}
