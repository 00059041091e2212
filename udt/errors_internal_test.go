package udt

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/secure"
)

// An exchange that fails behind a connection's back, because the peer has vanished
// before it said that it has all it needs or refuses us after all, ends the connection
// with its own reason.
func TestExchangeEndsConnectionWithItsReason(t *testing.T) {
	for _, kind := range []error{
		secure.ErrTimeout, secure.ErrAuth, secure.ErrDowngrade, secure.ErrRefused, secure.ErrCancelled, secure.ErrProtocol,
	} {
		reason := fromSecure(&secure.Error{Kind: kind, Peer: "server"})
		require.Equal(t, reason, fromCore(reason), "%v", kind)
	}
}
