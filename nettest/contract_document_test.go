package nettest

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the contract anew")

// contract is what users of a net.Conn or net.Listener depend on. The numbers are in
// the names of the rows of TestDropIn, and of the tests of package udt that check
// what only its own API shows.
var contract = map[int]string{
	1:  "After the peer's Close, Read returns everything that was sent, and then the bare io.EOF.",
	2:  "Close delivers what Write accepted, also after a write deadline in the past, as crypto/tls sets one for its last record.",
	3:  "A deadline in the past fails Read and Write at once, even with data or room. Lifting it restores the connection.",
	4:  "Setting a deadline wakes calls that are blocked already. The two directions are independent.",
	5:  "The outermost error of a deadline is a net.Error with Timeout and Temporary set, and is os.ErrDeadlineExceeded.",
	6:  "When a deadline ends a call, the count is that of the bytes taken. The stream stays in step.",
	7:  "Several goroutines may read and write. The caller may change its buffer once the call has returned.",
	8:  "The bytes of one Write lie together in the stream, whoever else writes.",
	9:  "Write takes all of its argument or returns an error, and does not buffer without limit.",
	10: "Close wakes blocked calls, with net.ErrClosed. Closing again is an error, never a panic.",
	11: "Errors are *net.OpError with operation, network, addresses and a cause.",
	12: "The causes are those of TCP: ECONNREFUSED, ECONNRESET after an abort, ETIMEDOUT for a peer that is gone.",
	13: "Write to a peer that has closed fails promptly, also if it is blocked.",
	14: "Read and Write of no bytes return at once.",
	15: "Read returns as soon as there is a byte. The next Read gets the rest.",
	16: "Accept does not fail because a client did. After Close it fails for good.",
	17: "Closing a listener leaves its connections alive, its address readable, and its port free to listen on again.",
	18: "Addresses are never nil, stay after Close, and have a host and a port.",
	19: "An accepted connection knows the local address that its client used, not the wildcard.",
	20: "Addresses are *net.UDPAddr.",
	21: "CloseWrite, where a connection has it, ends its direction. Where it has none, servers and proxies get by without.",
	23: "The methods of TCPConn that programs look for are there.",
	24: "SetLinger behaves as that of TCPConn: zero aborts, some seconds still deliver.",
	25: "io.Copy in both directions obeys deadlines, and the end is no error.",
	26: "A connection has no SyscallConn if it shares its socket.",
	27: "A dial that is cancelled returns promptly with the context's error, and leaves nothing behind.",
	28: "A server may speak first.",
	29: "A request and its answer take one round trip.",
	30: "An idle connection has no goroutine and sends keep-alives only.",
	31: "crypto/tls can cancel its handshake, close during a Write, and send both ways at once.",
	32: "HTTPS and HTTP/2 work on a TLS listener above.",
	33: "Wrappers that show the interface alone work.",
	34: "A buffer too short for a message is an error, io.ErrShortBuffer.",
	35: "Nothing is printed.",
}

// numbered finds the number of a requirement in the name of what checks it.
var numbered = regexp.MustCompile(`^(?:row|TestRow)(\d+)`)

// CONTRACT.md is the contract with what checks it.
func TestContractDocument(t *testing.T) {
	checks := make(map[int][]string)
	add := func(name, text string) {
		m := numbered.FindStringSubmatch(name)
		require.NotNil(t, m, "%q has no number", name)
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		require.Contains(t, contract, n, name)
		checks[n] = append(checks[n], text)
	}
	for _, row := range dropInRows() {
		add(row.name, "`"+row.name+"`")
	}
	own, err := os.ReadFile("../udt/netconn_test.go")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^func (TestRow\d+\w+)\(`).FindAllStringSubmatch(string(own), -1) {
		add(m[1], "udt: `"+m[1]+"`")
	}
	var b strings.Builder
	b.WriteString(`# The contract of a drop-in

What programs depend on when a connection takes the place of TCP's, and what checks it: a subtest of
` + "`TestDropIn`" + `, or a test of package udt. ` + "`go test ./nettest -run TestContractDocument -update`" + ` writes this document.

| | promise | checked by |
|---|---|---|
`)
	var numbers []int
	for n := range contract {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		require.NotEmpty(t, checks[n], "nothing checks requirement %d", n)
		fmt.Fprintf(&b, "| %d | %s | %s |\n", n, contract[n], strings.Join(checks[n], ", "))
	}
	if *update {
		require.NoError(t, os.WriteFile("CONTRACT.md", []byte(b.String()), 0o644))
		return
	}
	got, err := os.ReadFile("CONTRACT.md")
	require.NoError(t, err)
	require.Equal(t, b.String(), string(got), "-update writes it anew")
}
