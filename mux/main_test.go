package mux_test

import (
	"os"
	"testing"

	"github.com/udtgo/udtgo/nettest"
)

// TestMain checks that the tests of this package leave no goroutine.
func TestMain(m *testing.M) { os.Exit(nettest.MainWithLeakCheck(m)) }
