package nettest_test

import (
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xnettest "golang.org/x/net/nettest"

	"github.com/udtgo/udtgo/nettest"
	"github.com/udtgo/udtgo/nettest/pipes"
)

// overVar names, in the environment of a child process, what TestConnOver tests.
const overVar = "NETTEST_OVER"

// over holds programs' own connections on top of a transport.
var over = map[string]pipes.Maker{
	"tls over tcp":   pipes.TLS(pipes.TCP),
	"tls over udt":   pipes.TLS(pipes.Stream(nil)),
	"yamux over tcp": pipes.Yamux(pipes.TCP),
	"yamux over udt": pipes.Yamux(pipes.Stream(nil)),
}

// crypto/tls and yamux break some promises of net.Conn by themselves: after a
// write timeout a TLS connection is dead, for instance, and some checks then hang.
// Over UDT they keep exactly those that they keep over TCP.
func TestOverUDTAsOverTCP(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for checks that hang over TCP too")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	type trial struct{ over, check string }
	var (
		checks  = nettest.ConnChecks()
		mu      sync.Mutex
		passed  = make(map[trial]bool)
		running sync.WaitGroup
	)
	for what := range over {
		for _, check := range checks {
			running.Go(func() {
				ok := passes(exe, what, check.Name, 15*time.Second)
				mu.Lock()
				defer mu.Unlock()
				passed[trial{what, check.Name}] = ok
			})
		}
	}
	running.Wait()
	for _, program := range []string{"tls", "yamux"} {
		kept := 0
		for _, check := range checks {
			tcp, udt := trial{program + " over tcp", check.Name}, trial{program + " over udt", check.Name}
			if passed[tcp] || passed[udt] {
				kept++
			}
			for _, failed := range []trial{tcp, udt} {
				if passed[tcp] != passed[udt] && !passed[failed] {
					// Among all the others it may have been too slow.
					passed[failed] = passes(exe, failed.over, check.Name, time.Minute)
				}
			}
			require.Equal(t, passed[tcp], passed[udt], "%s passes %s over TCP, and over UDT", program, check.Name)
		}
		require.Positive(t, kept, "checks that %s passes", program)
	}
}

// passes reports whether a subtest of TestConn passes within a limit. It runs in a
// process of its own, because TestConn can only fail the test that calls it, and
// waits a minute for a subtest that hangs.
func passes(exe, what, check string, limit time.Duration) bool {
	cmd := exec.Command(exe, "-test.run=^TestConnOver$/^"+check+"$", "-test.timeout="+limit.String())
	cmd.Env = append(os.Environ(), overVar+"="+what)
	return cmd.Run() == nil
}

// TestConnOver runs TestConn on what the environment names.
func TestConnOver(t *testing.T) {
	m, ok := over[os.Getenv(overVar)]
	if !ok {
		t.Skip("only in the child processes of TestOverUDTAsOverTCP")
	}
	xnettest.TestConn(t, m)
}
