package nettest

import (
	"net"
	"testing"
	"time"

	"github.com/udtgo/udtgo/nettest/internal/require"
)

// deadlineRows say how deadlines work.
var deadlineRows = []dropInRow{
	{"row03_past_deadline_fails_at_once_even_with_data_buffered", rowPastDeadline},
	{"row04_deadline_wakes_blocked_read", rowDeadlineWakesRead},
	{"row04_deadline_wakes_blocked_write", rowDeadlineWakesWrite},
	{"row04_read_and_write_deadlines_are_independent", rowDeadlinesIndependent},
	{"row05_shape_of_the_timeout_error", rowTimeoutShape},
	{"row06_write_after_a_deadline_continues_in_sync", rowWriteAfterDeadline},
	{"row06_read_after_a_deadline_continues_in_sync", rowReadAfterDeadline},
}

func rowPastDeadline(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	_, err := server.Write([]byte("0123456789"))
	require.NoError(t, err)
	first := make([]byte, 1)
	require.NoError(t, readFull(t, client, first))

	for range 3 {
		require.NoError(t, client.SetDeadline(longAgo))
		r := startRead(client, make([]byte, 16)).wait(t, "Read with a past deadline")
		require.Zero(t, r.n)
		requireTimeout(t, r.err)
		w := startWrite(client, []byte("never sent")).wait(t, "Write with a past deadline")
		require.Zero(t, w.n)
		requireTimeout(t, w.err)
	}

	require.NoError(t, client.SetDeadline(noDeadline))
	rest := make([]byte, 9)
	require.NoError(t, readFull(t, client, rest))
	require.Equal(t, "123456789", string(rest), "a timeout loses nothing")
	requireEcho(t, client, server)
}

func rowDeadlineWakesRead(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	for _, c := range []net.Conn{client, server} {
		// As http.Server does to take a connection from its background reader.
		reading := startRead(c, make([]byte, 1))
		reading.waitBlocked(t, "Read")
		require.NoError(t, c.SetReadDeadline(longAgo))
		r := reading.wait(t, "Read whose deadline was set into the past")
		require.Zero(t, r.n)
		requireTimeout(t, r.err)
		require.NoError(t, c.SetReadDeadline(noDeadline))

		reading = startRead(c, make([]byte, 1))
		reading.waitBlocked(t, "Read without a deadline")
		require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		requireTimeout(t, reading.wait(t, "Read that got a deadline while it was blocked").err)
		require.NoError(t, c.SetReadDeadline(noDeadline))
	}
	requireEcho(t, client, server)
}

func rowDeadlineWakesWrite(t *testing.T, f *fixture, _ DropInOptions) {
	client, _ := f.pair(t)
	writing := startFill(client)
	writing.waitFull(t)
	require.NoError(t, client.SetWriteDeadline(longAgo))
	requireTimeout(t, writing.wait(t, "Write whose deadline was set into the past").err)
}

func rowDeadlinesIndependent(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	require.NoError(t, client.SetReadDeadline(longAgo))
	require.NoError(t, startWrite(client, []byte("up")).wait(t, "Write with a past read deadline").err)
	buf := make([]byte, 2)
	require.NoError(t, readFull(t, server, buf))
	require.Equal(t, "up", string(buf))

	require.NoError(t, client.SetReadDeadline(noDeadline))
	require.NoError(t, client.SetWriteDeadline(longAgo))
	require.NoError(t, startWrite(server, []byte("dn")).wait(t, "Write").err)
	require.NoError(t, readFull(t, client, buf))
	require.Equal(t, "dn", string(buf))

	// The zero time lifts a deadline; a later one replaces an earlier one before it fires.
	require.NoError(t, client.SetDeadline(time.Now().Add(time.Hour)))
	require.NoError(t, client.SetWriteDeadline(noDeadline))
	requireEcho(t, client, server)
}

func rowTimeoutShape(t *testing.T, f *fixture, _ DropInOptions) {
	client, _ := f.pair(t)
	require.NoError(t, client.SetDeadline(longAgo))
	for _, r := range []ioResult{
		startRead(client, make([]byte, 1)).wait(t, "Read"),
		startWrite(client, make([]byte, 1)).wait(t, "Write"),
	} {
		requireTimeout(t, r.err)
		require.Contains(t, r.err.Error(), "i/o timeout")
		// crypto/tls takes a read error that is not temporary for the end of the connection.
		temp, ok := r.err.(interface{ Temporary() bool })
		require.True(t, ok, "%T has Temporary", r.err)
		require.True(t, temp.Temporary(), "Temporary() of %v", r.err)
	}
}

// rowWriteAfterDeadline: the count that a failed Write returns is exactly what the peer will read, so the writer can go
// on from there.
func rowWriteAfterDeadline(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	const chunk = 100_003
	sent := 0
	// A slow machine may reach Write after the deadline: then there are more rounds, until something was taken.
	for round := 0; round < 3 || sent == 0 && round < 100; round++ {
		// The first round fills the buffers and ends in the middle of a Write; the later ones find them full.
		require.NoError(t, client.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
		w := start(func() ioResult {
			off := sent
			for {
				n, err := client.Write(pattern(off, chunk))
				off += n
				if err != nil {
					return ioResult{n: off, err: err}
				}
			}
		}).wait(t, "Write with a deadline")
		requireTimeout(t, w.err)
		sent = w.n
	}
	require.Positive(t, sent, "bytes taken")

	reading := startReadAll(server)
	require.NoError(t, client.SetWriteDeadline(noDeadline))
	w := startWrite(client, pattern(sent, chunk)).wait(t, "Write without a deadline")
	require.NoError(t, w.err)
	sent += w.n
	require.NoError(t, start(client.Close).wait(t, "Close"))

	got := reading.wait(t, "Read to the end")
	require.NoError(t, got.err)
	require.Len(t, got.data, sent, "the peer reads exactly what Write said it took")
	require.NoError(t, checkPattern(got.data, 0))
}

// rowReadAfterDeadline reads a stream under deadlines that keep passing.
func rowReadAfterDeadline(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	const size = 1 << 20
	writing := start(func() error {
		for off := 0; off < size; off += 4 << 10 {
			if _, err := client.Write(pattern(off, 4<<10)); err != nil {
				return err
			}
		}
		return client.Close()
	})
	got := start(func() readResult {
		var r readResult
		buf := make([]byte, 1500)
		for i := 0; ; i++ {
			deadline := time.Now().Add(time.Millisecond)
			if i%4 == 0 {
				deadline = longAgo
			}
			if r.err = server.SetReadDeadline(deadline); r.err != nil {
				return r
			}
			n, err := server.Read(buf)
			r.data = append(r.data, buf[:n]...)
			if ne, ok := err.(net.Error); err != nil && (!ok || !ne.Timeout()) {
				r.err = err
				return r
			}
		}
	}).wait(t, "Read to the end under deadlines")
	require.EqualError(t, got.err, "EOF")
	require.Len(t, got.data, size)
	require.NoError(t, checkPattern(got.data, 0))
	require.NoError(t, writing.wait(t, "Write and Close"))
}
