package nettest

import (
	"strings"
	"testing"
	"time"
)

// goroutineSet holds the numbers of goroutines. Numbers are never used twice.
type goroutineSet map[string]bool

// liveGoroutines returns the goroutines that exist now.
func liveGoroutines() goroutineSet {
	set := make(goroutineSet)
	for _, g := range strings.Split(string(allStacks()), "\n\n") {
		set[goroutineNumber(g)] = true
	}
	return set
}

// requireNoLeak waits until every goroutine that was started after before was taken has ended, except the caller's,
// and fails the test if that does not happen. Other tests must not run at the same time.
func requireNoLeak(t testing.TB, before goroutineSet) {
	t.Helper()
	self := currentGoroutine()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	guard := time.NewTimer(patience)
	defer guard.Stop()
	for {
		var left []string
		for _, g := range strings.Split(string(allStacks()), "\n\n") {
			if id := goroutineNumber(g); !before[id] && id != self {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-guard.C:
			t.Fatalf("%d goroutines are left after %v:\n%s", len(left), patience, strings.Join(left, "\n\n"))
		}
	}
}

// goroutineNumber returns the number in the first line of a stack.
func goroutineNumber(stack string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
	return id
}
