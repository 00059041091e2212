package udt_test

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A listener that was started again, with the same ResetKey, makes a client's calls
// fail at once; with another key it cannot.
func TestStatelessReset(t *testing.T) {
	for _, same := range []bool{true, false} {
		inLab(t, wan, func(l *lab) {
			config := func(b byte) *udt.Config {
				c := psk(udt.ModeStream)
				c.Endpoint = &udt.EndpointConfig{ResetKey: bytes.Repeat([]byte{b}, 32)}
				return c
			}
			first := l.listen(addrB, config(1))
			c, s := l.dial(l.endpoint(addrA), psk(udt.ModeStream), first)
			c.Write([]byte("hello"))
			_, err := s.Read(make([]byte, 10))
			require.NoError(l, err)
			time.Sleep(100 * time.Millisecond)
			// The machine goes down without a word.
			l.net.SetLink(addrB.Addr(), addrA.Addr(), simnet.Link{Down: true})
			first.Endpoint().Close()
			time.Sleep(time.Second)
			l.net.SetLink(addrB.Addr(), addrA.Addr(), wan)
			key := byte(1)
			if !same {
				key = 2
			}
			second := l.listen(addrB, config(key))
			start := time.Now()
			c.Write(make([]byte, 100))
			_, err = c.Read(make([]byte, 10))
			if same {
				require.ErrorIs(l, err, udt.ErrReset)
				l.requireTook(start, 20*time.Millisecond, 20*time.Millisecond, "the reset")
			} else {
				require.ErrorIs(l, err, udt.ErrPeerTimeout)
			}
			require.Zero(l, second.Endpoint().Stats().Connections)
			_, err = c.Endpoint().DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
			require.NoError(l, err)
		})
	}
}

// A34: resets are smaller than what they answer, are not answered, and are few; one
// with a wrong token resets nothing.
func TestResetsDoNotEcho(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		config := psk(udt.ModeStream)
		config.Endpoint = &udt.EndpointConfig{ResetKey: bytes.Repeat([]byte{1}, 32)}
		listener := l.listen(addrB, config)
		r := l.raw(addrC, addrB)
		trigger := make([]byte, 100)
		trigger[15] = 77
		r.send(trigger)
		answer := r.receive()
		require.Less(l, len(answer), len(trigger))
		for range 5 {
			r.send(answer)
			require.Nil(l, r.receive())
		}
		short := trigger[:wire.HeaderLen+16]
		r.send(short)
		require.Nil(l, r.receive())
		for range 1000 {
			r.send(trigger)
		}
		time.Sleep(time.Second)
		sent := l.net.LinkStats(addrB.Addr(), addrC.Addr()).Sent
		require.LessOrEqual(l, sent, uint64(1+2*10))
		require.Equal(l, sent, listener.Endpoint().Stats().StatelessResetsSent)
		require.Zero(l, listener.Endpoint().Stats().Connections)
	})
}

// A34: who sends as many stray packets as he likes leaves resets for the peers at other
// addresses. Without the limit per prefix one in a hundred of them would get one.
func TestResetsAreLeftForOthers(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		config := psk(udt.ModeStream)
		config.Endpoint = &udt.EndpointConfig{ResetKey: bytes.Repeat([]byte{1}, 32)}
		l.listen(addrB, config)
		flooder, others := l.raw(addrC, addrB), netip.MustParseAddr("10.0.7.1")
		stray := make([]byte, 100)
		stray[15] = 77
		answered := 0
		for i := range 1000 {
			for range 10 {
				flooder.send(stray)
			}
			if i%100 == 50 {
				other := l.raw(netip.AddrPortFrom(others, 1), addrB)
				others = others.Next()
				other.send(stray)
				if other.receive() != nil {
					answered++
				}
			}
			time.Sleep(time.Millisecond)
		}
		require.Equal(l, 10, answered)
		toFlooder := l.net.LinkStats(addrB.Addr(), addrC.Addr()).Sent
		require.GreaterOrEqual(l, toFlooder, uint64(50), "one address alone may have most of them")
		require.LessOrEqual(l, toFlooder, uint64(200))
	})
}
