package nettest_test

import (
	"context"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// silentTCP returns a dial to a listener whose queue is full: Linux drops the handshake packets that come then.
func silentTCP(t *testing.T) func(context.Context) (net.Conn, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	raw, err := l.(*net.TCPListener).SyscallConn()
	require.NoError(t, err)
	var listenErr error
	require.NoError(t, raw.Control(func(fd uintptr) { listenErr = syscall.Listen(int(fd), 0) }))
	require.NoError(t, listenErr)
	// A queue of length 0 holds one connection.
	c, err := net.Dial("tcp4", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp4", l.Addr().String())
	}
}
