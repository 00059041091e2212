package testkit_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// leakVar makes TestLeaks start a goroutine that never ends.
const leakVar = "NETTEST_LEAK"

// A test that passes and leaves a goroutine makes the test binary fail.
func TestLeakCheckNoticesAGoroutine(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^TestLeaks$")
	cmd.Env = append(os.Environ(), leakVar+"=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "output:\n%s", out)
	require.Contains(t, string(out), "PASS", "the test itself passes")
	require.Contains(t, string(out), "goroutines are left after the tests")
	require.Contains(t, string(out), "testkit_test.TestLeaks.func1", "its stack")
}

// TestLeaks leaves a goroutine.
func TestLeaks(t *testing.T) {
	if os.Getenv(leakVar) == "" {
		t.Skip("only in the child process of TestLeakCheckNoticesAGoroutine")
	}
	go func() { select {} }()
}
