package secure

import (
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/testkit"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// credentials are the ways in which two labs can trust each other.
var credentials = map[string]func(*lab){
	"X509": func(l *lab) { l.useX509(x509Pair(l.t)) },
	"X509 without client certificate": func(l *lab) {
		c, s := x509Pair(l.t)
		c.Certificates, s.ClientAuth = nil, tls.NoClientCert
		l.useX509(c, s)
	},
	"X509 long chains": func(l *lab) {
		c, s := x509Pair(l.t)
		a := testkit.Trusted()
		c.Certificates[0] = issue(a, "client.test", later, rsaKey())
		s.Certificates[0] = issue(a, "server.test", later, rsaKey())
		for range 6 { // what a careless administrator configures
			s.Certificates[0].Certificate = append(s.Certificates[0].Certificate, s.Certificates[0].Certificate[0])
		}
		l.useX509(c, s)
	},
	"pinned": (*lab).usePinned,
	"PSK":    func(l *lab) { l.usePSK(psk("a", 1), psk("b", 2), psk("a", 1)) },
	"retry": func(l *lab) { // the server wants another key share
		l.usePinned()
		l.cfg[right].TLS.CurvePreferences = []tls.CurveID{tls.CurveP256}
	},
	"own protocols": func(l *lab) {
		l.usePinned()
		l.cfg[left].TLS.NextProtos = []string{"b", "a"}
		l.cfg[right].TLS.NextProtos = []string{"a"}
	},
}

// Every credential opens a connection in one round trip for the cookie and one
// more, as plain UDT does, whether or not the client has worked ahead.
func TestOpens(t *testing.T) {
	for name, use := range credentials {
		for _, prepare := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, prepared %t", name, prepare), func(t *testing.T) {
				l := newLab(t, 1)
				use(l)
				l.prepare = prepare
				l.dial()
				l.run(time.Minute)
				l.requireOpen()
				trips := 4
				if name == "retry" {
					trips = 6
				}
				require.Equal(t, time.Duration(trips)*oneWay, l.doneAt[left].Sub(epoch))
				require.Equal(t, time.Duration(trips+1)*oneWay, l.doneAt[right].Sub(epoch))
				require.Equal(t, 2*oneWay, l.took[left].RTT)
				require.Equal(t, 2*oneWay, l.took[right].RTT)
			})
		}
	}
}

// Without loss nothing is sent twice: cookie request, a ClientHello in 2
// datagrams, the client's last flight; cookie, ServerHello in 2, the rest in 1,
// and the acknowledgement.
func TestDatagramCount(t *testing.T) {
	l := newLab(t, 1)
	l.usePinned()
	l.dial()
	l.run(time.Minute)
	l.requireOpen()
	require.Equal(t, [2]int{1 + 2 + 1, 1 + 3 + 1}, l.sent)

	l = newLab(t, 1)
	l.usePinned()
	l.cfg[left].TLS.CurvePreferences = []tls.CurveID{tls.X25519}
	l.dial()
	l.run(time.Minute)
	l.requireOpen()
	require.Equal(t, [2]int{1 + 1 + 1, 1 + 2 + 1}, l.sent, "the classical key exchange")
}

func TestSuites(t *testing.T) {
	// crypto/tls offers no choice of its own: the client's preference for
	// ChaCha20 without AES hardware cannot be asked for either.
	for _, suite := range []uint16{
		tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256,
	} {
		secret := make([]byte, 48)
		a, err := newBox(suite, secret)
		require.NoError(t, err)
		b, err := newBox(suite, secret)
		require.NoError(t, err)
		p := append([]byte("before|header"), "payload"...)
		sealed := a.seal(p, len("header"), len("before|header"), 7)
		header, text := []byte("header"), sealed[len("before|header"):]
		opened, err := b.open(header, text, 7)
		require.NoError(t, err)
		require.Equal(t, "payload", string(opened))
		_, err = b.open(header, text, 8)
		require.Error(t, err)
		_, err = b.open([]byte("Header"), text, 7)
		require.Error(t, err)
	}
	_, err := newBox(0x1305, make([]byte, 32))
	require.Error(t, err)
}

// A quarter of the datagrams is lost, some are doubled, all are out of order.
func TestOpensOverBadPaths(t *testing.T) {
	for name, use := range credentials {
		for seed := range uint64(12) {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				l := newLab(t, seed)
				l.loss, l.dup, l.jitter = 0.25, 0.2, 3*oneWay
				use(l)
				for i := range l.cfg {
					l.cfg[i].Timeout = 10 * time.Minute
				}
				l.dial()
				l.run(20 * time.Minute)
				l.requireOpen()
			})
		}
	}
}

// A path that only doubles and reorders costs no repetition's time.
func TestReorderingCostsNoTime(t *testing.T) {
	for seed := range uint64(20) {
		l := newLab(t, seed)
		l.dup, l.jitter = 0.5, oneWay
		l.usePinned()
		l.dial()
		l.run(time.Minute)
		l.requireOpen()
		require.Less(t, l.doneAt[right].Sub(epoch), firstInterval)
	}
}

// The client repeats what got no answer after 250 ms, then ever more seldom up to
// 2 s, and gives up.
func TestRepetitions(t *testing.T) {
	l := newLab(t, 1)
	l.usePinned()
	var at []time.Duration
	l.tamper = func(to int, b []byte) []byte {
		if to == right && wire.IsSecure(b) {
			if now := l.now.Sub(epoch) - 2*oneWay; len(at) == 0 || at[len(at)-1] != now {
				at = append(at, now)
			}
			return nil
		}
		return b
	}
	l.dial()
	l.run(time.Minute)
	ms := time.Millisecond
	require.Equal(t, []time.Duration{
		0, 250 * ms, 750 * ms, 1750 * ms, 3750 * ms, 5750 * ms, 7750 * ms, 9750 * ms, clientTimeout - 2*oneWay,
	}, at, "the last one tells that we gave up")
	require.ErrorIs(t, l.machines[left].Err(), ErrTimeout)
	require.Equal(t, clientTimeout, l.failedAt[left].Sub(epoch))
}

// A server that never hears the end of a handshake forgets it after 5 s.
func TestHalfOpenEnds(t *testing.T) {
	l := newLab(t, 1)
	l.usePinned()
	l.tamper = func(to int, b []byte) []byte {
		if l.machines[right] != nil {
			return nil
		}
		return b
	}
	l.dial()
	l.run(time.Minute)
	require.ErrorIs(t, l.machines[right].Err(), ErrTimeout)
	require.Equal(t, 3*oneWay+serverTimeout, l.failedAt[right].Sub(epoch))
}

// A client whose server is open repeats its last flight until it hears so.
func TestClientRepeatsItsLastFlight(t *testing.T) {
	l := newLab(t, 1)
	l.usePinned()
	lost := 0
	l.tamper = func(to int, b []byte) []byte {
		if to == left && l.machines[right] != nil && l.machines[right].Done() && lost < 2 {
			lost++
			return nil
		}
		return b
	}
	l.dial()
	l.run(time.Minute)
	l.requireOpen()
	require.Equal(t, 2, lost)

	l = newLab(t, 1)
	l.usePinned()
	l.tamper = func(to int, b []byte) []byte {
		if to == left && l.machines[right] != nil && l.machines[right].Done() {
			return nil
		}
		return b
	}
	l.dial()
	l.run(200 * time.Millisecond)
	require.True(t, l.machines[left].Done())
	require.False(t, l.machines[left].Confirmed())
	l.machines[left].Confirm() // a protected packet came
	require.True(t, l.machines[left].Next().IsZero())
	require.Nil(t, l.machines[left].Poll(l.now.Add(time.Minute), nil))
}

func TestNobodyAnswers(t *testing.T) {
	l := newLab(t, 1)
	l.usePinned()
	l.silent = true
	l.dial()
	l.run(time.Minute)
	err := l.machines[left].Err()
	require.ErrorIs(t, err, ErrTimeout)
	require.ErrorContains(t, err, "does not answer")
	require.Equal(t, int(clientTimeout/firstInterval), l.sent[left])
}

// Who gives up tells the other.
func TestAbort(t *testing.T) {
	l := newLab(t, 1)
	l.usePinned()
	l.tamper = func(to int, b []byte) []byte {
		if to == left && wire.IsSecure(b) {
			return nil
		}
		return b
	}
	l.dial()
	l.run(100 * time.Millisecond)
	l.machines[left].Abort()
	l.run(time.Second)
	require.ErrorIs(t, l.machines[left].Err(), ErrCancelled)
	require.ErrorIs(t, l.machines[right].Err(), ErrCancelled)
	require.Less(t, l.failedAt[right].Sub(epoch), 120*time.Millisecond)
}
