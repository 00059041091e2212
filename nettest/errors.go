package nettest

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/udtgo/udtgo/nettest/internal/require"
)

// requireTimeout checks the error of a call whose deadline passed. The outermost error must be the net.Error: std and
// most users assert the type and do not unwrap.
func requireTimeout(t testing.TB, err error) {
	t.Helper()
	ne, ok := err.(net.Error)
	require.Truef(t, ok, "deadline error is %T (%v), which does not implement net.Error", err, err)
	require.Truef(t, ne.Timeout(), "Timeout() of %v", err)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// requireClosed checks the error of a call on a closed connection or listener.
func requireClosed(t testing.TB, err error) {
	t.Helper()
	require.ErrorIs(t, err, net.ErrClosed)
	require.Contains(t, err.Error(), "use of closed network connection")
}

// requireNotTemporary checks that a loop that repeats on temporary errors, as http.Server has, ends on err.
func requireNotTemporary(t testing.TB, err error) {
	t.Helper()
	var temp interface{ Temporary() bool }
	if errors.As(err, &temp) {
		require.Falsef(t, temp.Temporary(), "Temporary() of %v", err)
	}
}

// isReset reports whether err says that the peer aborted the connection. Windows has numbers of its own.
func isReset(err error) bool {
	const wsaConnReset = syscall.Errno(10054)
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, wsaConnReset)
}

// isBrokenPipe reports whether err is one of those that a Write to a peer that went away may return.
func isBrokenPipe(err error) bool {
	const wsaConnAborted = syscall.Errno(10053)
	return isReset(err) || errors.Is(err, syscall.EPIPE) || errors.Is(err, wsaConnAborted)
}

// isTimeout reports whether err, or an error it wraps, is a net.Error that says it is a timeout.
func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
