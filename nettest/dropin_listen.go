package nettest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/udtgo/udtgo/nettest/internal/require"
	"github.com/udtgo/udtgo/nettest/testkit"
)

// listenRows say how listeners and dials work, and what addresses look like. TestListener has the details.
var listenRows = []dropInRow{
	{"row16_accept_survives_dials_that_fail", withListener(checkCancelledDial)},
	{"row16_accept_after_close_is_final", withListener(checkCloseUnblocksAccept)},
	{"row16_accept_survives_clients_that_abort", rowAcceptSurvivesAborts},
	{"row17_listener_close_leaves_conns_alive", withListener(checkCloseLeavesConns)},
	{"row17_listener_address_stays_after_close", withListener(checkAddrAfterClose)},
	{"row17_port_can_be_listened_on_again", rowRelisten},
	{"row18_addresses_match_and_stay", withListener(checkAddresses)},
	{"row19_accepted_local_address_is_concrete", rowConcreteLocalAddr},
	{"row27_cancelled_dial_returns_and_leaks_nothing", rowCancelSilentDial},
	{"row28_server_speaks_first", withListener(checkServerSpeaksFirst)},
}

// withListener turns a check of TestListener into a row.
func withListener(check func(t *testing.T, f *fixture)) func(*testing.T, *fixture, DropInOptions) {
	return func(t *testing.T, f *fixture, _ DropInOptions) { check(t, f) }
}

func rowAcceptSurvivesAborts(t *testing.T, f *fixture, _ DropInOptions) {
	for range 8 {
		d := f.startDial(context.Background()).wait(t, "dial")
		require.NoError(t, d.err)
		drop(d.conn)
	}
	f.serve(t, func(c net.Conn) { _ = echoOneByte(c) })
	client := f.mustDial(t)
	exchange := start(func() error { return exchangeByte(client, 'x') })
	require.NoError(t, exchange.wait(t, "exchange after clients that aborted"))
}

func rowRelisten(t *testing.T, f *fixture, opts DropInOptions) {
	if opts.Listen == nil {
		t.Skip("DropInOptions.Listen is nil")
	}
	client, server := f.pair(t)
	requireEcho(t, client, server)
	require.NoError(t, f.Close())
	if opts.RelistenAfterConns {
		drop(client)
		drop(server)
	}
	l, err := opts.Listen(f.Addr())
	require.NoError(t, err, "listen on %v again", f.Addr())
	again := &fixture{Listener: l, dial: f.dial}
	t.Cleanup(func() { l.Close() })
	require.Equal(t, f.Addr().String(), l.Addr().String())
	requireAccepts(t, again)
	if !opts.RelistenAfterConns {
		requireEcho(t, client, server)
	}
}

func rowConcreteLocalAddr(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	host, _, err := net.SplitHostPort(server.LocalAddr().String())
	require.NoError(t, err)
	ip := net.ParseIP(host)
	require.NotNil(t, ip)
	require.False(t, ip.IsUnspecified(), "the address the client dialed, not the one listened on")
	require.Equal(t, client.RemoteAddr().String(), server.LocalAddr().String())
}

func rowCancelSilentDial(t *testing.T, f *fixture, opts DropInOptions) {
	if opts.DialSilent == nil {
		t.Skip("DropInOptions.DialSilent is nil")
	}
	before := testkit.LiveGoroutines()
	silent := &fixture{Listener: f.Listener, dial: opts.DialSilent}
	for range 4 {
		ctx, cancel := context.WithCancel(context.Background())
		dialing := silent.startDial(ctx)
		dialing.waitBlocked(t, "dial to a silent address")
		cancel()
		d := dialing.wait(t, "dial that is cancelled")
		require.ErrorIs(t, d.err, context.Canceled)
		require.Nil(t, d.conn)
		require.False(t, isTimeout(d.err), "Timeout() of %v: cancelling is no timeout", d.err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	d := silent.startDial(ctx).wait(t, "dial with a deadline")
	require.True(t, isTimeout(d.err), "Timeout() of %v", d.err)
	require.Nil(t, d.conn)
	testkit.RequireNoLeak(t, before)
}
