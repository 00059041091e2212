package nettest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/udtgo/udtgo/nettest/internal/require"
	"github.com/udtgo/udtgo/nettest/testkit"
)

// tlsRows say how crypto/tls fares on both ends of a connection.
var tlsRows = []dropInRow{
	{"row02_tls_last_record_and_close_notify_arrive", rowTLSCloseNotify},
	{"row05_tls_survives_a_read_timeout", rowTLSReadTimeout},
	{"row31_tls_handshake_can_be_cancelled", rowTLSCancelHandshake},
	{"row31_tls_close_breaks_a_blocked_write", rowTLSCloseBreaksWrite},
	{"row31_tls_bulk_both_ways_at_once", rowTLSBulk},
}

// tlsPair returns both ends of a connection with crypto/tls on it, handshake done.
func (f *fixture) tlsPair(t testing.TB) (client, server *tls.Conn) {
	t.Helper()
	cc, sc := testkit.TLSConfigs()
	c, s := f.pair(t)
	client, server = tls.Client(c, cc), tls.Server(s, sc)
	ours, theirs := start(client.Handshake), start(server.Handshake)
	require.NoError(t, ours.wait(t, "client's handshake"))
	require.NoError(t, theirs.wait(t, "server's handshake"))
	return client, server
}

// rowTLSCloseNotify: Close writes the close_notify alert, sets a past write deadline and closes the connection; all
// that was written before must arrive, and the end must be in order. (An end between two records reads as io.EOF
// with and without the alert; package tlsadapter tests that the alert itself arrives.)
func rowTLSCloseNotify(t *testing.T, f *fixture, _ DropInOptions) {
	for _, serverSends := range []bool{false, true} {
		client, server := f.tlsPair(t)
		from, to := client, server
		if serverSends {
			from, to = server, client
		}
		const size = 300 << 10
		writing := start(func() error {
			if _, err := from.Write(pattern(0, size)); err != nil {
				return err
			}
			return from.Close()
		})
		got := startReadAll(to).wait(t, "Read to the end")
		require.NoError(t, got.err, "the stream ends in order")
		require.Len(t, got.data, size)
		require.NoError(t, checkPattern(got.data, 0))
		require.NoError(t, writing.wait(t, "Write and Close"))
	}
}

func rowTLSReadTimeout(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.tlsPair(t)
	for _, c := range []*tls.Conn{client, server} {
		reading := startRead(c, make([]byte, 1))
		reading.waitBlocked(t, "Read")
		require.NoError(t, c.SetReadDeadline(longAgo))
		requireTimeout(t, reading.wait(t, "Read whose deadline was set into the past").err)
		require.NoError(t, c.SetReadDeadline(noDeadline))
	}
	requireEcho(t, client, server)
}

func rowTLSCancelHandshake(t *testing.T, f *fixture, _ DropInOptions) {
	before := testkit.LiveGoroutines()
	cc, _ := testkit.TLSConfigs()
	c, s := f.pair(t)
	client := tls.Client(c, cc)
	ctx, cancel := context.WithCancel(context.Background())
	handshake := start(func() error { return client.HandshakeContext(ctx) })
	handshake.waitBlocked(t, "handshake with a peer that does not answer")
	cancel()
	require.ErrorIs(t, handshake.wait(t, "handshake that is cancelled"), context.Canceled)
	requireClosed(t, startRead(c, make([]byte, 1)).wait(t, "Read of the connection below").err)
	drop(s)
	testkit.RequireNoLeak(t, before)
}

func rowTLSCloseBreaksWrite(t *testing.T, f *fixture, _ DropInOptions) {
	client, _ := f.tlsPair(t)
	writing := startFill(client)
	writing.waitFull(t)
	closing := start(client.Close)
	w := writing.wait(t, "Write when another goroutine closes")
	require.ErrorIs(t, w.err, net.ErrClosed)
	require.NoError(t, closing.wait(t, "Close with a blocked Write"))
}

func rowTLSBulk(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.tlsPair(t)
	const size = 2 << 20
	var calls []*call[error]
	for _, c := range []*tls.Conn{client, server} {
		calls = append(calls,
			start(func() error {
				_, err := c.Write(pattern(0, size))
				return err
			}),
			start(func() error {
				buf := make([]byte, size)
				_, err := io.ReadFull(c, buf)
				return errors.Join(err, checkPattern(buf, 0))
			}))
	}
	for _, c := range calls {
		require.NoError(t, c.wait(t, "bulk transfer"))
	}
}
