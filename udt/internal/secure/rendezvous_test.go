package secure

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/testkit"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// requireMet is requireOpen for a rendezvous: there is no listener's number.
func (l *lab) requireMet() {
	l.t.Helper()
	l.requireOpen()
	require.Equal(l.t, l.cfg[right].Own.Number, l.took[left].Peer.Number)
	require.True(l.t, l.took[left].Marker.Is(wire.MarkerRendezvous))
}

// Attack A44: two peers that dial each other agree on who is the TLS client,
// whichever it is.
func TestRendezvous(t *testing.T) {
	roles := map[bool]int{}
	for seed := range uint64(20) {
		l := newLab(t, seed)
		l.usePinned()
		l.meet()
		l.run(time.Minute)
		l.requireMet()
		roles[l.took[left].Server]++
		at := max(l.doneAt[left].Sub(epoch), l.doneAt[right].Sub(epoch))
		require.Equal(t, 4*oneWay, at, "contest, ClientHello, ServerHello, last flight")
	}
	require.Len(t, roles, 2)
}

func TestRendezvousWithEveryCredential(t *testing.T) {
	a := testkit.Trusted()
	for name, use := range map[string]func(l *lab){
		"PSK": func(l *lab) {
			for i := range l.cfg {
				p := psk("both", 7)
				var err error
				l.cfg[i].TLS, err = PSKClient(&p, nil)
				require.NoError(t, err)
				l.cfg[i].ServerTLS, err = PSKServer([]PSK{p}, nil)
				require.NoError(t, err)
			}
		},
		"X509": func(l *lab) {
			for i, peer := range []string{"right.test", "left.test"} {
				own := []string{"left.test", "right.test"}[i]
				_, c := x509Pair(t)
				c.RootCAs = a.Pool()
				c.Certificates[0] = issue(a, own, later, nil)
				var err error
				l.cfg[i].TLS, err = X509Client(c, peer, nil)
				require.NoError(t, err)
				l.cfg[i].ServerTLS, err = X509Server(c, nil)
				require.NoError(t, err)
			}
		},
	} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				l := newLab(t, seed)
				use(l)
				l.meet()
				l.run(time.Minute)
				l.requireMet()
			})
		}
	}
}

// One side may come later than the other.
func TestRendezvousOfALateSide(t *testing.T) {
	for seed := range uint64(10) {
		l := newLab(t, seed)
		l.usePinned()
		l.machines[left] = NewRendezvous(l.now, &l.cfg[left])
		l.silent = true
		l.run(3 * time.Second)
		l.machines[right] = NewRendezvous(l.now, &l.cfg[right])
		began := l.now
		l.run(time.Minute)
		l.requireMet()
		require.LessOrEqual(t, l.doneAt[left].Sub(began), 5*oneWay)
	}
}

func TestRendezvousOverBadPaths(t *testing.T) {
	for seed := range uint64(60) {
		l := newLab(t, seed)
		l.loss, l.dup, l.jitter = 0.25, 0.2, 3*oneWay
		l.usePinned()
		for i := range l.cfg {
			l.cfg[i].Timeout = 10 * time.Minute
		}
		l.meet()
		l.run(20 * time.Minute)
		l.requireMet()
	}
}

func TestRendezvousRefusals(t *testing.T) {
	for seed := range uint64(6) {
		l := newLab(t, seed)
		l.usePinned()
		l.cfg[left].TLS, l.cfg[left].ServerTLS = pinned(t, 1, nil, 3), pinned(t, 1, nil, 3)
		l.meet()
		l.run(time.Minute)
		require.ErrorIs(t, l.machines[left].Err(), ErrAuth)
		require.ErrorContains(t, l.machines[left].Err(), "we refused the")
		require.ErrorIs(t, l.machines[right].Err(), ErrAuth)
		require.ErrorContains(t, l.machines[right].Err(), "refused us: key is not one of the pinned keys")
	}
}

func TestRendezvousOfDifferentModes(t *testing.T) {
	for seed := range uint64(6) {
		l := newLab(t, seed)
		l.usePinned()
		l.cfg[left].Own.Type = wire.SocketMessage
		l.meet()
		l.run(time.Minute)
		require.ErrorIs(t, l.machines[left].Err(), ErrMode)
		require.ErrorIs(t, l.machines[right].Err(), ErrMode)
	}
}

// Attack A32 in a rendezvous.
func TestRendezvousEditsInFlight(t *testing.T) {
	for name, offset := range map[string]int{
		"marker": 4, "version": 16, "type": 20, "number": 24, "MSS": 28, "window": 32, "socket ID": 40,
	} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				l := newLab(t, seed)
				l.usePinned()
				l.tamper = func(to int, b []byte) []byte {
					if to == right {
						edit(b, offset)
					}
					return b
				}
				l.meet()
				l.run(time.Minute)
				require.ErrorIs(t, l.machines[left].Err(), ErrDowngrade)
				require.ErrorIs(t, l.machines[right].Err(), ErrDowngrade)
			})
		}
	}
}

// The part of a contest that is no nonce is bound too.
func TestRendezvousEditedContest(t *testing.T) {
	for seed := range uint64(4) {
		l := newLab(t, seed)
		l.usePinned()
		l.tamper = func(to int, b []byte) []byte {
			const at = wire.SecureOffset + wire.SecureLen
			if to == right && b[wire.SecureOffset+5] == wire.LevelClear && b[at] == byte(wire.TLVContest) {
				b[at+wire.TLVHeaderLen+20] ^= 1
			}
			return b
		}
		l.meet()
		l.run(time.Minute)
		require.ErrorIs(t, l.machines[left].Err(), ErrDowngrade)
		require.ErrorIs(t, l.machines[right].Err(), ErrDowngrade)
	}
}

// forgedStep is a first step of a rendezvous by someone who sees nothing.
func (l *lab) forgedStep() []byte {
	cfg := l.cfg[right]
	cfg.Own.SocketID = 0x33333333
	m := NewRendezvous(l.now, &cfg)
	return append([]byte(nil), m.Poll(l.now, nil)...)
}

// Attack A44: forged first steps, whenever they come, do not keep two peers apart,
// and cost them a round trip at most.
func TestForgedRendezvous(t *testing.T) {
	for seed := range uint64(20) {
		l := newLab(t, seed)
		l.usePinned()
		l.meet()
		for range 10 {
			for _, m := range l.machines {
				m.Handle(l.now, l.forgedStep())
				m.Handle(l.now, l.forgedStep())
			}
			l.run(5 * time.Millisecond)
		}
		l.run(time.Minute)
		l.requireMet()
		require.LessOrEqual(t, max(l.doneAt[left].Sub(epoch), l.doneAt[right].Sub(epoch)), 6*oneWay)
	}
}

// Our own datagrams, sent back to us, are nobody.
func TestReflectedRendezvous(t *testing.T) {
	l := newLab(t, 1)
	l.usePinned()
	l.machines[left] = NewRendezvous(l.now, &l.cfg[left])
	b := append([]byte(nil), l.machines[left].Poll(l.now, nil)...)
	l.machines[left].Handle(l.now, b)
	require.Equal(t, meeting, l.machines[left].phase)
	require.Equal(t, 1, l.machines[left].Dropped())
}

func plainStep(request wire.Request, dest uint32) []byte {
	h := wire.Handshake{
		Version: wire.Version, Type: wire.SocketStream, Number: 5, MSS: 1500, FlowWindow: 25600,
		Request: request, SocketID: 0x44444444,
	}
	p := make([]byte, wire.SecureOffset)
	(&wire.Control{Type: wire.TypeHandshake, Dest: dest}).Put(p)
	h.Put(p[wire.HeaderLen:])
	return p
}

// Attack A44: a legacy peer in a rendezvous is refused, and told once, as soon as
// it shows that it hears us; or served, as the policy says.
func TestPlainRendezvous(t *testing.T) {
	l := newLab(t, 1)
	l.usePinned()
	m := NewRendezvous(l.now, &l.cfg[left])
	require.NotNil(t, m.Poll(l.now, nil))
	m.Handle(l.now, plainStep(wire.RequestRendezvous, 0))
	require.NoError(t, m.Err(), "anyone can send this")
	m.Handle(l.now, plainStep(wire.RequestConclusion, l.cfg[left].Own.SocketID))
	require.ErrorIs(t, m.Err(), ErrPeerNotSecure)
	require.Equal(t, l.now, m.Next())
	b := m.Poll(l.now, nil)
	require.Equal(t, wire.Control{Type: wire.TypeShutdown, Dest: 0x44444444}, wire.ParseControl(b))
	require.Len(t, b, wire.HeaderLen+wire.PadLen)
	require.Nil(t, m.Poll(l.now, nil))
	m.Handle(l.now, plainStep(wire.RequestConclusion, l.cfg[left].Own.SocketID))
	require.Nil(t, m.Poll(l.now, nil))

	l.cfg[left].Policy = Prefer
	m = NewRendezvous(l.now, &l.cfg[left])
	require.NotNil(t, m.Poll(l.now, nil))
	m.Handle(l.now, plainStep(wire.RequestConclusion, l.cfg[left].Own.SocketID))
	require.NoError(t, m.Err())
	require.True(t, m.Done())
	require.True(t, m.Result().Plain)
}
