package mux_test

import (
	"flag"
	"os"
	"testing"

	"github.com/udtgo/udtgo/nettest/testkit"
)

// TestMain checks that the tests of this package leave no goroutine. Those that are
// parallel mostly wait for packets that were lost, so more of them run than there are
// processors.
func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		_ = flag.Set("test.parallel", "16")
	}
	os.Exit(testkit.MainWithLeakCheck(m))
}
