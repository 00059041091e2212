package testkit

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// PeerPatience is for how long a peer in real time may not answer: one that gets no
// processor is not gone.
const PeerPatience = time.Minute

// Goroutines holds the numbers of goroutines. Numbers are never used twice.
type Goroutines map[string]bool

// LiveGoroutines returns the goroutines that exist now.
func LiveGoroutines() Goroutines {
	set := make(Goroutines)
	for _, g := range strings.Split(string(Stacks()), "\n\n") {
		set[goroutineNumber(g)] = true
	}
	return set
}

// RequireNoLeak waits until every goroutine that was started after before was taken has ended, except the caller's,
// and fails the test if that does not happen. Other tests must not run at the same time.
func RequireNoLeak(t testing.TB, before Goroutines) {
	t.Helper()
	if left := awaitNoLeak(before, leakPatience); len(left) > 0 {
		t.Fatalf("%d goroutines are left after %v:\n%s", len(left), leakPatience, strings.Join(left, "\n\n"))
	}
}

// awaitNoLeak waits for at most limit until every goroutine that was started after before was taken has ended, except
// the caller's, and returns the stacks of those that do not end.
func awaitNoLeak(before Goroutines, limit time.Duration) []string {
	self := Goroutine()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	guard := time.NewTimer(limit)
	defer guard.Stop()
	for {
		var left []string
		for _, g := range strings.Split(string(Stacks()), "\n\n") {
			if id := goroutineNumber(g); !before[id] && id != self {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-guard.C:
			return left
		}
	}
}

// goroutineNumber returns the number in the first line of a stack.
func goroutineNumber(stack string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
	return id
}

// leakPatience is longer than the sockets of dialed connections stay open to
// answer their peers, and than a peer that is gone is waited for.
const leakPatience = 2 * PeerPatience

// MainWithLeakCheck runs the tests of a package and returns the exit code for
// os.Exit: that of m.Run, or 1 if goroutines are left two minutes later, whose
// stacks it prints. A package's TestMain calls it.
func MainWithLeakCheck(m *testing.M) int { return MainWithLeakCheckFor(m, leakPatience) }

// MainWithLeakCheckFor is MainWithLeakCheck with another limit.
func MainWithLeakCheckFor(m *testing.M, limit time.Duration) int {
	before := LiveGoroutines()
	if code := m.Run(); code != 0 {
		return code
	}
	if left := awaitNoLeak(before, limit); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "%d goroutines are left after the tests:\n%s\n", len(left), strings.Join(left, "\n\n"))
		return 1
	}
	return 0
}
