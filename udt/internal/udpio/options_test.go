package udpio

import (
	"context"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

type contextKey struct{}

// Control and ControlContext are called for Listen and Connect before the socket is
// bound, ControlContext with the caller's context and in place of Control.
func TestControlFunctions(t *testing.T) {
	ctx := context.WithValue(context.Background(), contextKey{}, "mark")
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	open := map[string]func(Options) (Socket, error){
		"Listen": func(o Options) (Socket, error) { return Listen(ctx, "udp", loopback, o) },
		"Connect": func(o Options) (Socket, error) {
			return Connect(ctx, "udp", loopback, netip.MustParseAddrPort("127.0.0.1:9"), o)
		},
	}
	for name, open := range open {
		var called []string
		control := func(network, _ string, c syscall.RawConn) error {
			called = append(called, network)
			return c.Control(func(uintptr) {})
		}
		s, err := open(Options{Control: control})
		require.NoError(t, err, name)
		require.NoError(t, s.Close(), name)
		require.Equal(t, []string{"udp4"}, called, name)

		s, err = open(Options{
			Control: control,
			ControlContext: func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
				called = append(called, ctx.Value(contextKey{}).(string))
				return nil
			},
		})
		require.NoError(t, err, name)
		require.NoError(t, s.Close(), name)
		require.Equal(t, []string{"udp4", "mark"}, called, name)

		_, err = open(Options{Control: func(string, string, syscall.RawConn) error { return syscall.EINVAL }})
		require.ErrorIs(t, err, syscall.EINVAL, name)
	}
}
