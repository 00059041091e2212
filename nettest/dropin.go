package nettest

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/udtgo/udtgo/nettest/internal/require"
	"github.com/udtgo/udtgo/nettest/testkit"
)

// DropInOptions says what TestDropIn may expect of a transport. The zero value fits none exactly; kernel TCP needs
// Network and a few rows in Skip.
type DropInOptions struct {
	// Network is what net.OpError.Net holds; empty is what the listener's address says.
	Network string

	// Skip names rows that the transport decided not to satisfy, and why. A key is the whole name of a row, or its
	// beginning up to and without an underscore: with the number of a promise in CONTRACT.md it covers all rows of
	// that. A key that fits no row fails the test, so that the list does not outlive its reasons.
	Skip map[string]string

	// NoCloseWrite says that connections must not have a CloseWrite method, because the transport cannot close one
	// direction alone. A method that pretends would deadlock proxies. If it is false, CloseWrite must be there and work.
	NoCloseWrite bool

	// MaxBuffered is how many bytes a Write whose peer does not read may leave in buffers, on both sides together,
	// before it has to block; 0 is 64 MiB.
	MaxBuffered int

	// Listen listens on the address of a listener that was closed, while connections that it accepted live on or after
	// they ended (see RelistenAfterConns). Nil leaves the row out.
	Listen func(addr net.Addr) (net.Listener, error)

	// RelistenAfterConns says that a port can be listened on again only when the connections that its old listener
	// accepted have ended.
	RelistenAfterConns bool

	// DialSilent dials an address where something swallows every packet and answers none, so that only the context
	// ends the dial. Nil leaves the row out.
	DialSilent func(ctx context.Context) (net.Conn, error)
}

func (o DropInOptions) maxBuffered() int {
	if o.MaxBuffered == 0 {
		return 64 << 20
	}
	return o.MaxBuffered
}

// dropInRow is one testable statement of the contract that users of net.Conn and net.Listener rely on. Its number is
// the requirement in CONTRACT.md that it belongs to; a requirement may have several rows.
type dropInRow struct {
	name string
	run  func(t *testing.T, f *fixture, opts DropInOptions)
}

// dropInRows returns the whole contract in order.
func dropInRows() []dropInRow {
	var rows []dropInRow
	for _, part := range [][]dropInRow{
		closeRows, deadlineRows, streamRows, errorRows, listenRows, methodRows, copyRows,
		tlsRows, httpRows, http2Rows, sshRows, muxRows,
	} {
		rows = append(rows, part...)
	}
	return rows
}

// TestDropIn tests that a stream transport can take the place of TCP under unchanged programs: one subtest for each
// statement about net.Conn and net.Listener, and for each of the users that are known to depend on them: crypto/tls,
// net/http, HTTP/2, SSH, a stream multiplexer, proxies that copy. Each row gets a new listener from ml. Nothing else
// may run at the same time: goroutines are counted, and one row watches the standard streams.
func TestDropIn(t *testing.T, ml MakeListener, opts DropInOptions) {
	before := testkit.LiveGoroutines()
	rows := dropInRows()
	for key := range opts.Skip {
		used := false
		for _, r := range rows {
			used = used || keyCovers(key, r.name)
		}
		require.True(t, used, "DropInOptions.Skip[%q] fits no row", key)
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			for key, why := range opts.Skip {
				if keyCovers(key, r.name) {
					t.Skip(why)
				}
			}
			f := newFixture(t, ml)
			o := opts
			if o.Network == "" {
				o.Network = f.Addr().Network()
			}
			r.run(t, f, o)
		})
	}
	t.Run("no_goroutine_is_left", func(t *testing.T) { testkit.RequireNoLeak(t, before) })
}

// keyCovers reports whether a key of DropInOptions.Skip means the row.
func keyCovers(key, row string) bool { return row == key || strings.HasPrefix(row, key+"_") }
