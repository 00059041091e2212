package udpio

import (
	"context"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A packet's size is final once it is numbered, so paths may fragment it. The caller's
// Control has the last word.
func TestFragmentsAreAllowed(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::]:0"} {
		require.Equal(t, unix.IP_PMTUDISC_DONT, pathMTUDiscovery(t, listen(t, "udp", addr, Options{})), addr)
	}
	dst := netip.MustParseAddrPort("127.0.0.1:9")
	require.Equal(t, unix.IP_PMTUDISC_DONT, pathMTUDiscovery(t, connect(t, dst, Options{})))

	s, err := Listen(context.Background(), "udp", netip.AddrPort{}, Options{
		Control: func(_, _ string, c syscall.RawConn) (err error) {
			_ = c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
			})
			return err
		},
	})
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, unix.IP_PMTUDISC_DO, pathMTUDiscovery(t, s))
}

func pathMTUDiscovery(t *testing.T, s Socket) (value int) {
	t.Helper()
	raw, err := s.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		value, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER)
	}))
	require.NoError(t, err)
	return value
}
