package nettest

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/udtgo/udtgo/nettest/internal/require"
)

// methodRows say which methods of *net.TCPConn callers look for, and which of them must not be there.
var methodRows = []dropInRow{
	{"row21_CloseWrite_works_or_is_absent", rowCloseWrite},
	{"row23_SetNoDelay", methodRow(func(c interface{ SetNoDelay(bool) error }) error { return c.SetNoDelay(true) })},
	{"row23_SetKeepAlive", methodRow(func(c interface{ SetKeepAlive(bool) error }) error { return c.SetKeepAlive(true) })},
	{"row23_SetKeepAlivePeriod", methodRow(func(c interface{ SetKeepAlivePeriod(time.Duration) error }) error {
		return c.SetKeepAlivePeriod(time.Minute)
	})},
	{"row23_SetKeepAliveConfig", methodRow(func(c interface {
		SetKeepAliveConfig(net.KeepAliveConfig) error
	}) error {
		return c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute})
	})},
	{"row23_SetLinger", methodRow(func(c interface{ SetLinger(int) error }) error { return c.SetLinger(-1) })},
	{"row23_SetReadBuffer", methodRow(func(c interface{ SetReadBuffer(int) error }) error { return c.SetReadBuffer(1 << 20) })},
	{"row23_SetWriteBuffer", methodRow(func(c interface{ SetWriteBuffer(int) error }) error { return c.SetWriteBuffer(1 << 20) })},
	{"row23_CloseRead", methodRow(func(c interface{ CloseRead() error }) error { return c.CloseRead() })},
	{"row26_no_SyscallConn", rowNoSyscallConn},
}

// methodRow checks that both ends of a connection have a method, that it works, and that it fails after Close.
func methodRow[M any](use func(M) error) func(*testing.T, *fixture, DropInOptions) {
	return func(t *testing.T, f *fixture, _ DropInOptions) {
		client, server := f.pair(t)
		requireEcho(t, client, server)
		for _, c := range []net.Conn{client, server} {
			m, ok := c.(M)
			require.True(t, ok, "%T lacks the method", c)
			require.NoError(t, use(m))
			require.NoError(t, start(c.Close).wait(t, "Close"))
			require.ErrorIs(t, use(m), net.ErrClosed, "after Close")
		}
	}
}

// rowCloseWrite: proxies end one direction with CloseWrite if a connection has it and then wait for the other, so a
// CloseWrite that does nothing leaves both sides waiting.
func rowCloseWrite(t *testing.T, f *fixture, opts DropInOptions) {
	client, server := f.pair(t)
	cw, ok := client.(interface{ CloseWrite() error })
	if opts.NoCloseWrite {
		require.False(t, ok, "%T has CloseWrite although the transport has no half-close", client)
		return
	}
	require.True(t, ok, "%T has no CloseWrite", client)
	_, err := client.Write([]byte("request"))
	require.NoError(t, err)
	require.NoError(t, cw.CloseWrite())
	got := startReadAll(server).wait(t, "Read to the end of one direction")
	require.NoError(t, got.err)
	require.Equal(t, "request", string(got.data))

	_, err = server.Write([]byte("answer"))
	require.NoError(t, err)
	require.NoError(t, start(server.Close).wait(t, "Close"))
	got = startReadAll(client).wait(t, "Read of the other direction")
	require.NoError(t, got.err)
	require.Equal(t, "answer", string(got.data))
}

// rowNoSyscallConn: a connection that shares its socket with others must not offer it, as a caller would tune all.
func rowNoSyscallConn(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	for _, c := range []net.Conn{client, server} {
		_, ok := c.(syscall.Conn)
		require.False(t, ok, "%T has SyscallConn", c)
	}
}
