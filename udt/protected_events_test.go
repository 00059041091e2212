package udt_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// An eventText is what a Logger was told from level Info on.
type eventText struct {
	*lab
	b bytes.Buffer
}

// logging returns a copy of config with a logger.
func (l *lab) logging(config *udt.Config) (*udt.Config, *eventText) {
	t := &eventText{lab: l}
	config = config.Clone()
	port := udt.EndpointConfig{}
	if config.Endpoint != nil {
		port = *config.Endpoint
	}
	port.Logger = slog.New(slog.NewTextHandler(&t.b, nil))
	config.Endpoint = &port
	return config, t
}

// lines returns the lines with all the given words.
func (t *eventText) lines(words ...string) (found []string) {
	synctest.Wait()
	for line := range strings.Lines(t.b.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			found = append(found, line)
		}
	}
	return found
}

// Clients whose credential is not accepted are logged at level Warn, with the reason,
// but no flood of them floods the log.
func TestFailedHandshakesAreLogged(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		config, text := l.logging(psk(udt.ModeStream))
		listener, e := l.listen(addrB, config), l.endpoint(addrA)
		stranger := psk(udt.ModeStream)
		stranger.Security.PSKs = []udt.PreSharedKey{{Identity: "stranger", Key: bytes.Repeat([]byte{1}, 32)}}
		const n = 60
		start := time.Now()
		for range n {
			_, err := e.DialContext(context.Background(), "udt", addrB.String(), stranger)
			require.ErrorIs(l, err, udt.ErrAuth)
		}
		limit := int(time.Since(start).Seconds()*10) + 11
		found := text.lines("level=WARN", "secure handshake failed", "peer="+addrA.String(), "unknown name or identity")
		require.GreaterOrEqual(l, len(found), 10)
		require.LessOrEqual(l, len(found), limit)
		require.Less(l, limit, n)
		s := listener.Endpoint().Stats()
		require.EqualValues(l, n, s.HandshakesFailed)
		require.EqualValues(l, n, s.HandshakesUnauthorized)
	})
}

// A client that falls silent has failed, but not because of its credential; nor has
// one that was there when the endpoint closed, which is not worth a word.
func TestOtherHandshakesThatFail(t *testing.T) {
	for _, closes := range []bool{false, true} {
		inLab(t, fastLink, func(l *lab) {
			config, text := l.logging(psk(udt.ModeStream))
			e := l.listen(addrB, config).Endpoint()
			l.strangers(0, 1, 1, 20*time.Millisecond, nil)
			settle()
			require.Equal(l, 1, e.Stats().HandshakesPending)
			if closes {
				require.NoError(l, e.Close())
				settle()
				require.Empty(l, text.lines("secure handshake failed"))
				return
			}
			time.Sleep(time.Minute)
			require.Len(l, text.lines("level=WARN", "secure handshake failed", "timed out"), 1)
			require.EqualValues(l, 1, e.Stats().HandshakesFailed)
			require.Zero(l, e.Stats().HandshakesUnauthorized)
		})
	}
}

// That a peer has moved, once it has proved it, is logged at level Info, and counted.
func TestMovesAreLogged(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		config, text := l.logging(psk(udt.ModeStream))
		listener, e := l.listen(addrB, config), l.endpoint(addrA)
		n := l.nat(natInside, natOutside, addrB)
		c, err := e.DialContext(context.Background(), "udt", natInside.String(), psk(udt.ModeStream))
		require.NoError(l, err)
		s, err := listener.AcceptUDT()
		require.NoError(l, err)
		require.Empty(l, text.lines("peer moved"))
		n.rebind(l.socket(natOutside2))
		exchange(l, c, s, 10_000)
		require.Len(l, text.lines("level=INFO", "peer moved", "former="+natOutside.String(), "peer="+natOutside2.String()), 1)
		stats := s.Stats()
		require.EqualValues(l, 1, stats.PathChanges)
		require.NotZero(l, stats.PathChallenges)
		require.LessOrEqual(l, stats.PathChallenges, uint64(3))
	})
}

// A connection that a stateless reset ends is logged at level Warn; who sent the reset
// has counted it.
func TestStatelessResetsAreLogged(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		first := l.listen(addrB, resetting())
		config, text := l.logging(psk(udt.ModeStream))
		c, _ := l.dial(l.configured(addrA, config), config, first)
		settle()
		l.net.SetLink(addrB.Addr(), addrA.Addr(), simnet.Link{Down: true})
		require.NoError(l, first.Endpoint().Close())
		time.Sleep(time.Second)
		l.net.SetLink(addrB.Addr(), addrA.Addr(), wan)
		second := l.listen(addrB, resetting()).Endpoint()
		_, err := c.Write(make([]byte, 100))
		require.NoError(l, err)
		_, err = c.Read(make([]byte, 10))
		require.ErrorIs(l, err, udt.ErrReset)
		require.Len(l, text.lines("level=WARN", "stateless reset", "peer="+addrB.String()), 1)
		require.EqualValues(l, 1, c.Endpoint().Stats().StatelessResets)
		require.NotZero(l, second.Stats().StatelessResetsSent)
	})
}

// Packets that the peer has not sealed are logged, but no flood of them floods the log.
func TestForgedPacketsAreLogged(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		config, text := l.logging(psk(udt.ModeStream))
		a, b, ids, _, _ := protectedLab(l, config)
		l.flood(1000, 1, time.Millisecond, func(i int) {
			p := make([]byte, 100)
			p[3], p[15] = byte(i), byte(ids[1])
			p[12], p[13], p[14] = byte(ids[1]>>24), byte(ids[1]>>16), byte(ids[1]>>8)
			l.net.Inject(p, addrA, addrB)
		})
		require.EqualValues(l, 1000, b.Stats().PacketsForged)
		found := text.lines("level=WARN", "forged packet", "peer="+addrA.String())
		require.GreaterOrEqual(l, len(found), 10)
		require.LessOrEqual(l, len(found), 25, "in a little more than a second")
		l.requireAlive(a, b)
	})
}

// Where protection is only preferred, connections without it are logged at level Info,
// on either side.
func TestPlainConnectionsAreLogged(t *testing.T) {
	prefer := func() *udt.Config {
		c := psk(udt.ModeStream)
		c.Security.Policy = udt.SecurityPrefer
		return c
	}
	for _, dialer := range []bool{true, false} {
		inLab(t, wan, func(l *lab) {
			preferring, text := l.logging(prefer())
			client, server := preferring, &udt.Config{}
			if !dialer {
				client, server = server, preferring
			}
			l.pair(client, server)
			require.Len(l, text.lines("level=INFO", "connection not protected"), 1)
		})
		inLab(t, wan, func(l *lab) {
			preferring, text := l.logging(prefer())
			client, server := preferring, psk(udt.ModeStream)
			if !dialer {
				client, server = server, preferring
			}
			l.pair(client, server)
			require.Empty(l, text.lines("not protected"))
		})
	}
}
