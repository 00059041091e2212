package nettest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/udtgo/udtgo/nettest/internal/require"
)

// errorRows say what errors look like, and that nothing else tells about them.
var errorRows = []dropInRow{
	{"row11_read_and_write_errors_are_OpErrors", rowConnOpErrors},
	{"row11_errors_after_close_are_OpErrors", rowClosedOpErrors},
	{"row11_accept_errors_are_OpErrors", rowAcceptOpErrors},
	{"row11_dial_errors_are_OpErrors", rowDialOpErrors},
	{"row12_dial_to_nobody_is_refused", rowDialRefused},
	{"row12_reset_is_an_OpError", rowResetOpError},
	{"row35_prints_nothing", rowPrintsNothing},
}

// requireOpError checks that err is itself a net.OpError, as std asserts it, with the given Op and a cause.
func requireOpError(t testing.TB, err error, op, network string) *net.OpError {
	t.Helper()
	oe, ok := err.(*net.OpError)
	require.True(t, ok, "error is %T (%v), not *net.OpError", err, err)
	require.Equal(t, op, oe.Op, "Op of %v", err)
	require.Equal(t, network, oe.Net, "Net of %v", err)
	require.Error(t, oe.Err, "cause of %v", err)
	return oe
}

// requireConnOpError checks the error of a call on a connection, addresses included.
func requireConnOpError(t testing.TB, err error, op string, c net.Conn, opts DropInOptions) {
	t.Helper()
	oe := requireOpError(t, err, op, opts.Network)
	require.NotNil(t, oe.Source, "Source of %v", err)
	require.NotNil(t, oe.Addr, "Addr of %v", err)
	require.Equal(t, c.LocalAddr().String(), oe.Source.String(), "Source of %v", err)
	require.Equal(t, c.RemoteAddr().String(), oe.Addr.String(), "Addr of %v", err)
}

func rowConnOpErrors(t *testing.T, f *fixture, opts DropInOptions) {
	client, server := f.pair(t)
	for _, c := range []net.Conn{client, server} {
		require.NoError(t, c.SetDeadline(longAgo))
		_, err := c.Read(make([]byte, 1))
		requireConnOpError(t, err, "read", c, opts)
		_, err = c.Write(make([]byte, 1))
		requireConnOpError(t, err, "write", c, opts)
	}
}

func rowClosedOpErrors(t *testing.T, f *fixture, opts DropInOptions) {
	client, _ := f.pair(t)
	require.NoError(t, start(client.Close).wait(t, "Close"))
	_, err := client.Read(make([]byte, 1))
	requireConnOpError(t, err, "read", client, opts)
	_, err = client.Write(make([]byte, 1))
	requireConnOpError(t, err, "write", client, opts)
	requireOpError(t, client.SetDeadline(noDeadline), "set", opts.Network)
	if err := start(client.Close).wait(t, "second Close"); err != nil {
		requireOpError(t, err, "close", opts.Network)
	}
}

func rowAcceptOpErrors(t *testing.T, f *fixture, opts DropInOptions) {
	require.NoError(t, f.Close())
	err := f.startAccept().wait(t, "Accept after Close").err
	oe := requireOpError(t, err, "accept", opts.Network)
	require.NotNil(t, oe.Addr, "Addr of %v", err)
	require.Equal(t, f.Addr().String(), oe.Addr.String(), "Addr of %v", err)
}

func rowDialOpErrors(t *testing.T, f *fixture, opts DropInOptions) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := f.startDial(ctx).wait(t, "dial with a cancelled context").err
	requireOpError(t, err, "dial", opts.Network)

	require.NoError(t, f.Close())
	ctx, cancel = context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	err = f.startDial(ctx).wait(t, "dial of a closed listener").err
	oe := requireOpError(t, err, "dial", opts.Network)
	require.NotNil(t, oe.Addr, "Addr of %v", err)
	require.Equal(t, f.Addr().String(), oe.Addr.String(), "Addr of %v", err)
}

func rowDialRefused(t *testing.T, f *fixture, _ DropInOptions) {
	require.NoError(t, f.Close())
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	err := f.startDial(ctx).wait(t, "dial of a closed listener").err
	const wsaConnRefused = syscall.Errno(10061)
	require.True(t, errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaConnRefused),
		"dial of a closed listener returned %T: %v", err, err)
}

func rowResetOpError(t *testing.T, f *fixture, opts DropInOptions) {
	client, server := f.pair(t)
	requireEcho(t, client, server)
	requireAbort(t, client)
	r := startRead(server, make([]byte, 1)).wait(t, "Read when the peer aborted")
	requireConnOpError(t, r.err, "read", server, opts)
	require.True(t, isReset(r.err), "Read when the peer aborted returned %v", r.err)
}

// rowPrintsNothing watches the standard logger and the standard streams while connections live, fail and end.
func rowPrintsNothing(t *testing.T, f *fixture, _ DropInOptions) {
	var logged bytes.Buffer
	logger := log.Writer()
	log.SetOutput(&logged)
	rd, wr, err := os.Pipe()
	require.NoError(t, err)
	defer rd.Close()
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = wr, wr
	// Restored before any assertion, so that a failure can be printed.
	func() {
		defer func() {
			os.Stdout, os.Stderr = stdout, stderr
			log.SetOutput(logger)
			wr.Close()
		}()
		client, server := f.pair(t)
		requireEcho(t, client, server)
		drop(client)
		_ = startReadAll(server).wait(t, "Read when the peer aborted")
		drop(server)

		client, server = f.pair(t)
		_ = start(server.Close).wait(t, "Close")
		_ = startReadAll(client).wait(t, "Read when the peer closed")
		_ = start(client.Close).wait(t, "Close")

		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = f.startDial(ctx).wait(t, "cancelled dial")
		_ = f.Close()
	}()
	printed, err := io.ReadAll(rd)
	require.NoError(t, err)
	require.Empty(t, string(printed), "printed")
	require.Empty(t, logged.String(), "logged")
}
