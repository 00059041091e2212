package nettest_test

import (
	"os"
	"os/exec"
	"regexp"
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
// write timeout a TLS connection is dead, for instance. Over UDT they keep exactly
// those that they keep over TCP. Each runs in a process of its own, as TestConn
// can only fail the test that calls it.
func TestOverUDTAsOverTCP(t *testing.T) {
	for _, program := range []string{"tls", "yamux"} {
		t.Run(program, func(t *testing.T) {
			tcp, _ := connOutcomes(t, program+" over tcp")
			udt, output := connOutcomes(t, program+" over udt")
			require.Len(t, tcp, len(nettest.ConnChecks()))
			require.Equal(t, tcp, udt, "outcomes over TCP and over UDT; output:\n%s", output)
		})
	}
}

// connOutcomes runs TestConnOver in a child process and returns "PASS" or "FAIL"
// for each subtest.
func connOutcomes(t *testing.T, what string) (outcomes map[string]string, output []byte) {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^TestConnOver$", "-test.v", "-test.timeout=3m")
	cmd.Env = append(os.Environ(), overVar+"="+what)
	output, _ = cmd.CombinedOutput() // some outcomes are failures
	require.NotContains(t, string(output), "panic:")
	outcomes = make(map[string]string)
	for _, m := range regexp.MustCompile(`--- (\w+): TestConnOver/(\w+)`).FindAllSubmatch(output, -1) {
		outcomes[string(m[2])] = string(m[1])
	}
	return outcomes, output
}

// TestConnOver runs TestConn on what the environment names.
func TestConnOver(t *testing.T) {
	m, ok := over[os.Getenv(overVar)]
	if !ok {
		t.Skip("only in the child processes of TestOverUDTAsOverTCP")
	}
	xnettest.TestConn(t, m)
}
