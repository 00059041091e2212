package udt_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// A client that VerifyPeer refuses is told that it is not authorized, and not why;
// the application never sees it, and nothing of it is left.
func TestVerifyPeerRefusesAClient(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		config := psk(udt.ModeStream)
		config.Backlog = 1
		var refuse atomic.Bool
		refuse.Store(true)
		config.Security.VerifyPeer = func(state tls.ConnectionState) error {
			require.Len(l, state.PeerCertificates, 1)
			if refuse.Load() {
				return errors.New("its dog barks")
			}
			return nil
		}
		listener, e := l.listen(addrB, config), l.endpoint(addrA)
		start := time.Now()
		c, err := e.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
		if err == nil { // the client was through first
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		require.ErrorIs(l, err, udt.ErrAuth)
		require.ErrorContains(l, err, "the server refused us: not authorized")
		require.NotContains(l, err.Error(), "dog")
		l.requireTook(start, 40*time.Millisecond, 60*time.Millisecond, "to be told")
		require.EqualValues(l, 1, listener.Endpoint().Stats().HandshakesFailed)
		time.Sleep(time.Minute)
		l.requireNothingPending(e, listener.Endpoint())
		refuse.Store(false)
		l.dial(e, psk(udt.ModeStream), listener) // there is room
	})
}

// A server that VerifyPeer refuses: the dial fails, and the listener has nothing to
// accept.
func TestVerifyPeerRefusesAServer(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		config := psk(udt.ModeStream)
		config.Security.VerifyPeer = func(tls.ConnectionState) error { return errors.New("its dog barks") }
		listener, e := l.listen(addrB, psk(udt.ModeStream)), l.endpoint(addrA)
		start := time.Now()
		_, err := e.DialContext(context.Background(), "udt", addrB.String(), config)
		require.ErrorIs(l, err, udt.ErrAuth)
		require.ErrorContains(l, err, "we refused the server: peer not authorized: its dog barks")
		l.requireTook(start, 40*time.Millisecond, 40*time.Millisecond, "the dial")
		listener.SetDeadline(time.Now().Add(time.Minute))
		_, err = listener.AcceptUDT()
		requireTimeout(l, err)
		l.requireNothingPending(e, listener.Endpoint())
	})
}

// A client that has not heard why it was refused asks again and is told again.
func TestLostRefusalIsRepeated(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		config := psk(udt.ModeStream)
		config.Security.VerifyPeer = func(tls.ConnectionState) error { return errors.New("no") }
		l.listen(addrB, config)
		e := l.endpoint(addrA)
		fromServer := 0
		l.net.SetFilter(func(b []byte, from, _ netip.AddrPort) simnet.Verdict {
			if from == addrB {
				// A cookie, a flight of three datagrams, the refusal.
				if fromServer++; fromServer == 5 {
					return simnet.Drop
				}
			}
			return simnet.Pass
		})
		c, err := e.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
		require.NoError(l, err, "the refusal comes after the client is through")
		start := time.Now()
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(l, err, udt.ErrAuth)
		l.requireTook(start, 100*time.Millisecond, time.Second, "to be told")
		require.Greater(l, fromServer, 5)
	})
}

// While VerifyPeer thinks about some clients, with data of theirs waiting, other
// connections open and go on.
func TestVerifyPeerMayBlock(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		config := psk(udt.ModeStream)
		var block atomic.Bool
		think := make(chan bool)
		config.Security.VerifyPeer = func(tls.ConnectionState) error {
			if block.Load() {
				<-think
			}
			return nil
		}
		listener, e := l.listen(addrB, config), l.endpoint(addrA)
		a, b := l.dial(e, psk(udt.ModeStream), listener)

		block.Store(true)
		thinking := 2*runtime.GOMAXPROCS(0) + 1
		opened := make(chan *udt.Conn, thinking)
		for range thinking {
			go func() {
				c, err := e.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
				if err != nil {
					l.Error(err)
				} else if _, err := c.Write([]byte("hello")); err != nil {
					l.Error(err)
				}
				opened <- c
			}()
		}
		time.Sleep(time.Second)
		require.Equal(l, thinking, listener.Endpoint().Stats().HandshakesPending)
		block.Store(false)
		start := time.Now()
		c, d := l.dial(e, psk(udt.ModeStream), listener)
		l.requireTook(start, 40*time.Millisecond, 50*time.Millisecond, "another dial")
		l.requireTransfer(c, d, noise(100_000), 10_000, time.Second)
		l.requireTransfer(a, b, noise(100_000), 10_000, time.Second)

		close(think)
		for range thinking {
			s, err := listener.AcceptUDT()
			require.NoError(l, err)
			got := make([]byte, 5)
			_, err = io.ReadFull(s, got)
			require.NoError(l, err)
			require.Equal(l, "hello", string(got))
			require.NotNil(l, <-opened)
		}
	})
}

// A server that has given a client up does not begin anew when that asks again: what
// it answered then would not fit what the client has heard before, as if somebody had
// changed it.
func TestServerGivesAClientUpForGood(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		config := psk(udt.ModeStream)
		config.HandshakeTimeout = time.Minute
		l.listen(addrB, psk(udt.ModeStream)) // which waits for five seconds
		start := time.Now()
		parts := 0
		l.net.SetFilter(func(b []byte, from, _ netip.AddrPort) simnet.Verdict {
			// Of the server's flights the client hears the last part of one, until the
			// server has given up.
			if from == addrB && len(b) > 64 && time.Since(start) < 5500*time.Millisecond {
				if parts++; parts != 3 {
					return simnet.Drop
				}
			}
			return simnet.Pass
		})
		_, err := l.endpoint(addrA).DialContext(context.Background(), "udt", addrB.String(), config)
		require.NotErrorIs(l, err, udt.ErrDowngrade)
		requireTimeout(l, err)
	})
}

// A client may have several credentials of which the listener knows one, and the
// other way round: it is the identity that counts.
func TestPreSharedKeysByIdentity(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		key := func(identity string, b byte) udt.PreSharedKey {
			return udt.PreSharedKey{Identity: identity, Key: bytes.Repeat([]byte{b}, 32)}
		}
		with := func(keys ...udt.PreSharedKey) *udt.Config {
			return &udt.Config{Security: &udt.Security{PSKs: keys}}
		}
		listener, e := l.listen(addrB, with(key("alice", 1), key("bob", 2))), l.endpoint(addrA)
		for _, k := range []udt.PreSharedKey{key("alice", 1), key("bob", 2)} {
			a, b := l.dial(e, with(k), listener)
			l.requireTransfer(a, b, noise(1000), 1000, time.Minute)
		}
		for _, k := range []udt.PreSharedKey{key("alice", 2), key("carol", 1)} {
			start := time.Now()
			_, err := e.DialContext(context.Background(), "udt", addrB.String(), with(k))
			require.ErrorIs(l, err, udt.ErrAuth)
			l.requireTook(start, 40*time.Millisecond, 40*time.Millisecond, "to know it")
		}
	})
}
