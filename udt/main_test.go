package udt_test

import (
	"os"
	"testing"

	"github.com/udtgo/udtgo/nettest/testkit"
)

// TestMain checks that the tests of this package leave no goroutine.
func TestMain(m *testing.M) { os.Exit(testkit.MainWithLeakCheck(m)) }
