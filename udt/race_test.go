package udt

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
)

// A dial of a name with addresses of both families ends with its context, however
// its attempts at them and the context race: if an attempt's failure is lost, the
// dial waits for it for ever.
func TestDialOfBothFamiliesEndsWithItsContext(t *testing.T) {
	addrs := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.2:9000"), netip.MustParseAddrPort("[2001:db8::2]:9000")}
	for _, after := range []time.Duration{fallbackDelay / 2, fallbackDelay, 2 * fallbackDelay} {
		for range 20 {
			synctest.Test(t, func(t *testing.T) {
				n := simnet.New(simnet.Config{Default: simnet.Link{Down: true}})
				defer n.Close()
				pc, err := n.Listen(netip.MustParseAddrPort("10.0.0.1:0"))
				require.NoError(t, err)
				e, err := NewEndpoint(pc, nil)
				require.NoError(t, err)
				defer e.Close()
				ctx, cancel := context.WithCancel(context.Background())
				start := time.Now()
				time.AfterFunc(after, cancel)
				c, err := (&Dialer{Endpoint: e}).race(ctx, "udt", netip.AddrPort{}, addrs)
				require.Nil(t, c)
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, after, time.Since(start))
			})
		}
	}
}
