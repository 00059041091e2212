package nettest_test

import (
	"os"
	"testing"
	"time"

	"github.com/udtgo/udtgo/nettest"
)

// TestMain checks that the tests of this package leave no goroutine.
func TestMain(m *testing.M) {
	if os.Getenv(leakVar) != "" { // a goroutine that never ends is not worth the full wait
		os.Exit(nettest.MainWithLeakCheckFor(m, time.Second))
	}
	os.Exit(nettest.MainWithLeakCheck(m))
}
