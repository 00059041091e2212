package nettest

import (
	"net"
	"testing"
	"time"

	"github.com/udtgo/udtgo/nettest/testkit"
)

// patience is how long a suite waits for something that has to happen. It guards against a hang and measures
// nothing: it is long because the machines that run the tests are shared.
const patience = 30 * time.Second

// dialLimit bounds a dial that has to fail: less than patience, so that the dial reports and not the guard.
const dialLimit = patience / 2

// longAgo is a deadline in the past. It is not the zero time, which means no deadline.
var longAgo = time.Unix(1, 0)

// noDeadline lifts a deadline.
var noDeadline time.Time

// ioResult is what Read, Write, ReadFrom or WriteTo returned.
type ioResult struct {
	n    int
	addr net.Addr
	err  error
}

// call is a function running in a goroutine of its own, whose result the test goroutine collects. Assertions stay in
// the test goroutine, as t.FailNow must not be called from another one.
type call[T any] struct {
	id     chan string // of the goroutine; holds one value once it runs
	result chan T      // holds one value once f returned
}

// start runs f in a goroutine.
func start[T any](f func() T) *call[T] {
	c := &call[T]{id: make(chan string, 1), result: make(chan T, 1)}
	go func() {
		c.id <- testkit.Goroutine()
		c.result <- f()
	}()
	return c
}

// wait returns what f returned and fails the test if it does not return.
func (c *call[T]) wait(t testing.TB, what string) T {
	t.Helper()
	guard := time.NewTimer(patience)
	defer guard.Stop()
	select {
	case v := <-c.result:
		return v
	case <-guard.C:
		t.Fatalf("%s: still blocked after %v\n%s", what, patience, testkit.Stacks())
		panic("unreachable")
	}
}

// waitBlocked returns when the goroutine of f sleeps in a blocking operation. So a test can interrupt a call that
// really is blocked, without guessing how long it takes to get there. It fails the test if f returns.
func (c *call[T]) waitBlocked(t testing.TB, what string) {
	t.Helper()
	// A goroutine may sleep for a moment on a lock on its way, hence twice in a row.
	c.waitIdle(t, what, 2, func() int64 { return 0 })
}

// waitIdle returns when the goroutine of f was seen asleep a number of times in a row, a millisecond apart, without
// progress in between. It fails the test if f returns.
func (c *call[T]) waitIdle(t testing.TB, what string, times int, progress func() int64) {
	t.Helper()
	id := <-c.id
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	guard := time.NewTimer(patience)
	defer guard.Stop()
	for seen, last := 0, progress(); seen < times; {
		select {
		case v := <-c.result:
			t.Fatalf("%s: returned %+v instead of blocking", what, v)
		case <-tick.C:
			if now := progress(); now != last || !testkit.Parked(id) {
				seen, last = 0, now
			} else {
				seen++
			}
		case <-guard.C:
			t.Fatalf("%s: neither blocked nor returned after %v", what, patience)
		}
	}
}

// waitFor receives from ch and fails the test if nothing arrives.
func waitFor[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	guard := time.NewTimer(patience)
	defer guard.Stop()
	select {
	case v := <-ch:
		return v
	case <-guard.C:
		t.Fatalf("%s: nothing after %v\n%s", what, patience, testkit.Stacks())
		panic("unreachable")
	}
}
