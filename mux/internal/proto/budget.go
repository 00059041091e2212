package proto

import "time"

// A budget allows what a well-behaved peer does: a number at once, a number per second,
// and what it earns. The rates are those of SPEC.md#floods; the bursts leave room for
// what happens in a round trip.
type budget struct {
	rate  float64 // per second
	burst float64 // up to which the rate fills; what was earned may be more, and stays
	left  float64
	at    time.Duration
}

func newBudget(rate, burst float64) budget { return budget{rate: rate, burst: burst, left: burst} }

// take reports whether one more is allowed at time now.
func (b *budget) take(now time.Duration) bool {
	b.refill(now)
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

func (b *budget) refill(now time.Duration) {
	if now > b.at {
		b.left = max(b.left, min(b.burst, b.left+b.rate*(now-b.at).Seconds()))
		b.at = now
	}
}

// earn allows n more at any time: a peer may act on a thousand streams at once long
// after they were opened. What is earned has cost the peer as much.
func (b *budget) earn(n float64) { b.left += n }

// wait returns how long it takes until take succeeds.
func (b *budget) wait(now time.Duration) time.Duration {
	b.refill(now)
	if b.left >= 1 {
		return 0
	}
	return time.Duration((1 - b.left) / b.rate * float64(time.Second))
}

// budgets are what the peer may do to us.
type budgets struct {
	churn  budget // streams opened and reset before we were done with them
	pings  budget
	limits budget // MAX_DATA and the other limits; data that we send and streams earn some
	orders budget // changes of priority
	empty  budget // frames without effect; streams earn some
}

func newBudgets(streams int64) budgets {
	return budgets{
		churn:  newBudget(200, float64(max(400, streams))), // all at once may be reset
		pings:  newBudget(10, 200),
		limits: newBudget(100, 1000),
		orders: newBudget(1000, float64(max(4000, streams))),
		empty:  newBudget(100, 400),
	}
}

// A well-behaved receiver moves a limit twice per half window, and no window is
// smaller than EarlyStreamWindow.
const bytesPerLimit = EarlyStreamWindow / 4

func flood(what string) error { return violation(CodeFlood, "too many %s", what) }
