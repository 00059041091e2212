package testkit_test

import (
	"os"
	"testing"
	"time"

	"github.com/udtgo/udtgo/nettest/testkit"
)

func TestMain(m *testing.M) {
	limit := 2 * testkit.PeerPatience
	if os.Getenv(leakVar) != "" {
		limit = time.Second // a goroutine that never ends is not worth the full wait
	}
	os.Exit(testkit.MainWithLeakCheckFor(m, limit))
}
