package udt_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// psk returns a Config for connections with a pre-shared key.
func psk(mode udt.Mode) *udt.Config {
	return &udt.Config{Mode: mode, Security: &udt.Security{
		PSKs: []udt.PreSharedKey{{Identity: "test", Key: bytes.Repeat([]byte{7}, 32)}},
	}}
}

// A protected connection is open after as many round trips as a plain one, and
// carries bytes both ways.
func TestProtectedConnection(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		listener, e := l.listen(addrB, psk(udt.ModeStream)), l.endpoint(addrA)
		start := time.Now()
		c, err := e.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
		require.NoError(l, err)
		l.requireTook(start, 40*time.Millisecond, 40*time.Millisecond, "the dial")
		s, err := listener.AcceptUDT()
		require.NoError(l, err)
		_, protected := c.ConnectionState()
		require.True(l, protected)
		want := bytes.Repeat([]byte("protected"), 100_000)
		go func() {
			c.Write(want)
			c.Close()
		}()
		got, err := io.ReadAll(s)
		require.NoError(l, err)
		require.True(l, bytes.Equal(want, got))
		require.NoError(l, s.Close())
	})
}

// Loss, reordering and duplication of whatever packet change nothing.
func TestProtectedConnectionsOverBadPaths(t *testing.T) {
	link := simnet.Link{Delay: 10 * time.Millisecond, Loss: 0.1, Reorder: 0.05, ReorderDelay: 15 * time.Millisecond, Duplicate: 0.05, Rate: 50e6}
	inLab(t, link, func(l *lab) {
		listener, e := l.listen(addrB, psk(udt.ModeStream)), l.endpoint(addrA)
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				go func() {
					io.Copy(c, onlyReader{c})
					c.Close()
				}()
			}
		}()
		for i := range 50 {
			c, err := e.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
			require.NoError(l, err)
			want := bytes.Repeat([]byte{byte(i)}, 20_000)
			go c.Write(want)
			got := make([]byte, len(want))
			_, err = io.ReadFull(c, got)
			require.NoError(l, err)
			require.True(l, bytes.Equal(want, got))
			c.Close()
		}
	})
}

// A wrong key fails the dial, with an error that says who refused what.
func TestWrongPreSharedKey(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		l.listen(addrB, psk(udt.ModeStream))
		wrong := psk(udt.ModeStream)
		wrong.Security.PSKs[0].Key = bytes.Repeat([]byte{8}, 32)
		_, err := l.endpoint(addrA).DialContext(context.Background(), "udt", addrB.String(), wrong)
		require.ErrorIs(l, err, udt.ErrAuth)
		require.ErrorContains(l, err, "pre-shared key")
		_, err = l.endpoint(addrC).DialContext(context.Background(), "udt", addrB.String(), nil)
		require.ErrorIs(l, err, udt.ErrRefused)
		require.False(l, errors.Is(err, udt.ErrAuth))
	})
}
