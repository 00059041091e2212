package udt_test

import (
	"bytes"
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// Keys that change every two thousand packets, or whenever the application asks for it,
// disturb no transfer, whatever the path does.
func TestKeysChangeDuringTransfers(t *testing.T) {
	for name, link := range map[string]simnet.Link{
		"clean": {Delay: 5 * time.Millisecond, Rate: 100e6},
		"bad": {
			Delay: 20 * time.Millisecond, Rate: 50e6, Loss: 0.05, Duplicate: 0.02,
			Reorder: 0.1, ReorderDelay: 30 * time.Millisecond,
		},
		"outages": {Delay: 10 * time.Millisecond, Rate: 20e6, Burst: simnet.Burst{Enter: 0.001, Leave: 0.2}},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, link, func(l *lab) {
				config := psk(udt.ModeStream)
				udt.SetEpochBits(config.Security, 11)
				c, s := l.dial(l.endpoint(addrA), config, l.listen(addrB, config))
				want := bytes.Repeat([]byte("0123456789abcdef"), 250_000)
				stop := make(chan bool)
				go func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(50 * time.Millisecond):
							c.UpdateKeys()
							s.UpdateKeys()
						}
					}
				}()
				go c.Write(want)
				go func() {
					s.Write(want)
				}()
				for _, side := range []*udt.Conn{c, s} {
					got := make([]byte, len(want))
					_, err := io.ReadFull(side, got)
					require.NoError(l, err)
					require.True(l, bytes.Equal(want, got))
				}
				close(stop)
				require.NoError(l, c.Close())
				require.NoError(l, s.Close())
				if link.Reorder == 0 {
					// A packet that is later than two changes of the key is lost.
					require.Zero(l, s.Stats().PacketsForged, "packets for which there was no key")
				}
			})
		})
	}
}

// A key is not used for longer than an hour, however little is sent with it.
func TestKeysChangeEveryHour(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		c, s := l.dial(l.endpoint(addrA), psk(udt.ModeStream), l.listen(addrB, psk(udt.ModeStream)))
		for minute := range 210 {
			exchange(l, c, s, 10)
			time.Sleep(time.Minute)
			synctest.Wait()
			for _, side := range []*udt.Conn{c, s} {
				age := minute + 1
				require.InDelta(l, float64(age)/61, udt.SealingEpoch(side), 1, "after %d minutes", age)
				if age < 59 {
					require.Zero(l, udt.SealingEpoch(side))
				}
			}
		}
		for _, side := range []*udt.Conn{c, s} {
			require.EqualValues(l, 3, udt.SealingEpoch(side))
			require.Zero(l, rejected(side))
		}
	})
}

// UpdateKeys and ExportKeyingMaterial need a protected connection.
func TestPlainConnectionsHaveNoKeys(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		c, _ := l.pair(nil, nil)
		require.ErrorIs(l, c.UpdateKeys(), udt.ErrNotProtected)
		_, err := c.ExportKeyingMaterial("x", nil, 32)
		require.ErrorIs(l, err, udt.ErrNotProtected)
		_, protected := c.ConnectionState()
		require.False(l, protected)
	})
}

// Both peers export the same key material, and no two connections the same.
func TestExportKeyingMaterial(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		listener, e := l.listen(addrB, psk(udt.ModeStream)), l.endpoint(addrA)
		seen := make(map[string]bool)
		for range 3 {
			c, err := e.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
			require.NoError(l, err)
			s, err := listener.AcceptUDT()
			require.NoError(l, err)
			a, err := c.ExportKeyingMaterial("EXPORTER-test", []byte("context"), 32)
			require.NoError(l, err)
			b, err := s.ExportKeyingMaterial("EXPORTER-test", []byte("context"), 32)
			require.NoError(l, err)
			require.Equal(l, a, b)
			require.False(l, seen[string(a)])
			seen[string(a)] = true
		}
	})
}
