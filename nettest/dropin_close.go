package nettest

import (
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/udtgo/udtgo/nettest/internal/require"
)

// closeRows say how a connection ends.
var closeRows = []dropInRow{
	{"row01_graceful_close_delivers_all_then_bare_EOF", rowGracefulClose},
	{"row01_close_right_after_a_small_write_loses_nothing", rowCloseAfterSmallWrite},
	{"row02_close_after_a_past_write_deadline_delivers_all", rowCloseAfterPastDeadline},
	{"row10_close_unblocks_read", rowCloseUnblocksRead},
	{"row10_close_unblocks_write", rowCloseUnblocksWrite},
	{"row10_calls_after_close", rowCallsAfterClose},
	{"row10_many_closes_at_once", rowManyCloses},
	{"row12_abort_is_a_reset_for_the_peer", rowAbortIsReset},
	{"row13_write_after_the_peer_closed_fails", rowWriteAfterPeerClose},
	{"row13_blocked_write_fails_when_the_peer_closes", rowBlockedWritePeerCloses},
	{"row24_linger_of_some_seconds_still_delivers", rowLingerDelivers},
	{"row01_unread_data_at_close_does_not_destroy_the_answer", rowUnreadAtClose},
}

func rowGracefulClose(t *testing.T, f *fixture, _ DropInOptions) {
	for _, serverSends := range []bool{false, true} {
		from, to := f.pair(t)
		if serverSends {
			from, to = to, from
		}
		const size = 1 << 20
		writing := start(func() error {
			if _, err := from.Write(pattern(0, size)); err != nil {
				return err
			}
			return from.Close()
		})
		got := startReadAll(to).wait(t, "Read to the end")
		require.NoError(t, got.err)
		require.Len(t, got.data, size)
		require.NoError(t, checkPattern(got.data, 0))
		require.NoError(t, writing.wait(t, "Write and Close"))

		// Callers compare with ==, so the value is bare; and it stays.
		for range 2 {
			r := startRead(to, make([]byte, 1)).wait(t, "Read after the end")
			require.True(t, r.err == io.EOF, "Read after the end returned %T: %v", r.err, r.err)
			require.Zero(t, r.n)
		}
	}
}

func rowCloseAfterSmallWrite(t *testing.T, f *fixture, _ DropInOptions) {
	for range 20 {
		client, server := f.pair(t)
		for i := range 5 {
			_, err := client.Write(pattern(i*10, 10))
			require.NoError(t, err)
		}
		closing := start(client.Close)
		got := startReadAll(server).wait(t, "Read to the end")
		require.NoError(t, got.err)
		require.Len(t, got.data, 50)
		require.NoError(t, checkPattern(got.data, 0))
		require.NoError(t, closing.wait(t, "Close"))
		drop(server)
	}
}

// rowCloseAfterPastDeadline does what crypto/tls does on Close: write the alert under a deadline, set the deadline to
// the present, close. What Write took has to arrive all the same.
func rowCloseAfterPastDeadline(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	const size = 512 << 10
	writing := start(func() error {
		if _, err := client.Write(pattern(0, size)); err != nil {
			return err
		}
		if err := client.SetWriteDeadline(longAgo); err != nil {
			return err
		}
		return client.Close()
	})
	got := startReadAll(server).wait(t, "Read to the end")
	require.NoError(t, got.err)
	require.Len(t, got.data, size)
	require.NoError(t, checkPattern(got.data, 0))
	require.NoError(t, writing.wait(t, "Write, SetWriteDeadline, Close"))
}

func rowCloseUnblocksRead(t *testing.T, f *fixture, _ DropInOptions) {
	for _, pick := range []func(client, server net.Conn) net.Conn{
		func(client, _ net.Conn) net.Conn { return client },
		func(_, server net.Conn) net.Conn { return server },
	} {
		c := pick(f.pair(t))
		reading := startRead(c, make([]byte, 16))
		reading.waitBlocked(t, "Read")
		require.NoError(t, start(c.Close).wait(t, "Close"))
		r := reading.wait(t, "Read after Close")
		require.Zero(t, r.n)
		requireClosed(t, r.err)
		requireNotTemporary(t, r.err)
	}
}

func rowCloseUnblocksWrite(t *testing.T, f *fixture, _ DropInOptions) {
	client, _ := f.pair(t)
	writing := startFill(client)
	writing.waitFull(t)
	require.NoError(t, start(client.Close).wait(t, "Close with a blocked Write"))
	requireClosed(t, writing.wait(t, "Write after Close").err)
}

func rowCallsAfterClose(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	requireEcho(t, client, server)
	require.NoError(t, start(client.Close).wait(t, "Close"))
	requireClosed(t, startRead(client, make([]byte, 1)).wait(t, "Read").err)
	requireClosed(t, startWrite(client, make([]byte, 1)).wait(t, "Write").err)
	requireClosed(t, client.SetDeadline(noDeadline))
	requireClosed(t, client.SetReadDeadline(longAgo))
	requireClosed(t, client.SetWriteDeadline(longAgo))
}

func rowManyCloses(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	var calls []*call[error]
	for i := range 100 {
		c := client
		if i%2 == 1 {
			c = server
		}
		calls = append(calls, start(c.Close))
	}
	for _, c := range calls {
		if err := c.wait(t, "one of many Close calls"); err != nil {
			require.ErrorIs(t, err, net.ErrClosed, "Close after Close")
		}
	}
}

func rowAbortIsReset(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	requireEcho(t, client, server)
	reading := startRead(server, make([]byte, 16))
	reading.waitBlocked(t, "Read")
	requireAbort(t, client)
	r := reading.wait(t, "Read when the peer aborted")
	require.Zero(t, r.n)
	require.True(t, isReset(r.err), "Read when the peer aborted returned %T: %v", r.err, r.err)
	w := startFill(server).wait(t, "Write when the peer aborted")
	require.True(t, isBrokenPipe(w.err), "Write when the peer aborted returned %T: %v", w.err, w.err)
}

// requireAbort ends c as a program does that wants the peer to see an error.
func requireAbort(t testing.TB, c net.Conn) {
	t.Helper()
	l, ok := c.(interface{ SetLinger(sec int) error })
	require.True(t, ok, "%T has no SetLinger", c)
	require.NoError(t, l.SetLinger(0))
	require.NoError(t, start(c.Close).wait(t, "Close with linger 0"))
}

func rowWriteAfterPeerClose(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	require.NoError(t, start(server.Close).wait(t, "Close"))
	r := startRead(client, make([]byte, 1)).wait(t, "Read when the peer closed")
	require.True(t, r.err == io.EOF, "Read when the peer closed returned %T: %v", r.err, r.err)

	// The first Write may still be taken: a peer that only closed one direction looks the same at first.
	w := start(func() ioResult {
		for {
			if n, err := client.Write([]byte{1}); err != nil {
				return ioResult{n: n, err: err}
			}
		}
	}).wait(t, "Write when the peer closed")
	require.Zero(t, w.n)
	require.True(t, isBrokenPipe(w.err), "Write when the peer closed returned %T: %v", w.err, w.err)
}

func rowBlockedWritePeerCloses(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	writing := startFill(client)
	writing.waitFull(t)
	require.NoError(t, start(server.Close).wait(t, "Close of the peer"))
	w := writing.wait(t, "blocked Write when the peer closed")
	require.True(t, isBrokenPipe(w.err), "blocked Write when the peer closed returned %T: %v", w.err, w.err)
}

func rowLingerDelivers(t *testing.T, f *fixture, _ DropInOptions) {
	for _, seconds := range []int{-1, int(patience.Seconds())} {
		client, server := f.pair(t)
		l, ok := client.(interface{ SetLinger(sec int) error })
		require.True(t, ok, "%T has no SetLinger", client)
		require.NoError(t, l.SetLinger(seconds))
		writing := start(func() error {
			if _, err := client.Write(pattern(0, 256<<10)); err != nil {
				return err
			}
			return client.Close()
		})
		got := startReadAll(server).wait(t, "Read to the end")
		require.NoError(t, got.err)
		require.Len(t, got.data, 256<<10)
		require.NoError(t, writing.wait(t, "Write and Close"))
	}
}

// rowUnreadAtClose: a server that answers before it has read the whole request, then closes, delivers its answer.
func rowUnreadAtClose(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	require.NoError(t, startWrite(client, make([]byte, 4<<10)).wait(t, "Write").err)
	require.NoError(t, readFull(t, server, make([]byte, 1)))
	const size = 128 << 10
	closing := start(func() error {
		if _, err := server.Write(pattern(0, size)); err != nil {
			return err
		}
		return server.Close()
	})
	got := startReadAll(client).wait(t, "Read to the end")
	require.NotErrorIs(t, got.err, syscall.ECONNRESET)
	require.NoError(t, got.err)
	require.Len(t, got.data, size)
	require.NoError(t, checkPattern(got.data, 0))
	require.NoError(t, closing.wait(t, "Write and Close"))
}
