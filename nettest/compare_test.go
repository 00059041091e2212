package nettest_test

import (
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	xnettest "golang.org/x/net/nettest"

	"github.com/udtgo/udtgo/nettest"
)

// overVar names, in the environment of a child process, what TestConnOver tests.
const overVar = "NETTEST_OVER"

// over holds programs' own connections on top of a transport.
var over = map[string]nettest.MakePipe{
	"tls over tcp":   nettest.TLSPipe(nettest.TCPPipe),
	"tls over udt":   nettest.TLSPipe(nettest.StreamPipe(nil)),
	"yamux over tcp": nettest.YamuxPipe(nettest.TCPPipe),
	"yamux over udt": nettest.YamuxPipe(nettest.StreamPipe(nil)),
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
	passed := make(map[string]*[]string)
	var running sync.WaitGroup
	for what := range over {
		names := new([]string)
		passed[what] = names
		running.Go(func() { *names = kept(exe, what) })
	}
	running.Wait()
	for _, program := range []string{"tls", "yamux"} {
		tcp, udt := *passed[program+" over tcp"], *passed[program+" over udt"]
		require.NotEmpty(t, tcp, "checks that %s passes over TCP", program)
		require.Equal(t, tcp, udt, "checks that %s passes over TCP and over UDT", program)
	}
}

// kept returns the subtests of TestConn that pass. Each runs in a process of its
// own, because TestConn can only fail the test that calls it, and waits a minute
// for a subtest that hangs.
func kept(exe, what string) []string {
	checks := nettest.ConnChecks()
	passed := make([]bool, len(checks))
	var running sync.WaitGroup
	for i, check := range checks {
		running.Go(func() {
			cmd := exec.Command(exe, "-test.run=^TestConnOver$/^"+check.Name+"$", "-test.timeout=15s")
			cmd.Env = append(os.Environ(), overVar+"="+what)
			passed[i] = cmd.Run() == nil
		})
	}
	running.Wait()
	var names []string
	for i, check := range checks {
		if passed[i] {
			names = append(names, check.Name)
		}
	}
	return names
}

// TestConnOver runs TestConn on what the environment names.
func TestConnOver(t *testing.T) {
	m, ok := over[os.Getenv(overVar)]
	if !ok {
		t.Skip("only in the child processes of TestOverUDTAsOverTCP")
	}
	xnettest.TestConn(t, m)
}
