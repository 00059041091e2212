package udt_test

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// A nat forwards datagrams between a client, which sees it at inside, and a server,
// which sees the client at its present outside.
type nat struct {
	inside  *simnet.Conn
	outside atomic.Pointer[simnet.Conn]
	server  netip.AddrPort
	client  atomic.Pointer[netip.AddrPort]
}

func (l *lab) nat(inside, outside, server netip.AddrPort) *nat {
	n := &nat{inside: l.socket(inside), server: server}
	n.rebind(l.socket(outside))
	go func() {
		b := make([]byte, 2048)
		for {
			k, from, err := n.inside.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			n.client.Store(&from)
			_, _ = n.outside.Load().WriteToUDPAddrPort(b[:k], server)
		}
	}()
	return n
}

// rebind makes the server see the client at another address. What comes to the old one
// is lost.
func (n *nat) rebind(s *simnet.Conn) {
	n.outside.Store(s)
	go func() {
		b := make([]byte, 2048)
		for {
			k, _, err := s.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if to := n.client.Load(); to != nil && n.outside.Load() == s {
				_, _ = n.inside.WriteToUDPAddrPort(b[:k], *to)
			}
		}
	}()
}

var (
	natInside   = netip.MustParseAddrPort("10.0.1.1:9000")
	natOutside  = netip.MustParseAddrPort("10.0.1.2:1111")
	natOutside2 = netip.MustParseAddrPort("10.0.1.2:2222")
)

// A protected connection survives that a NAT gives its client another address in the
// middle of a transfer, in either direction.
func TestProtectedConnectionSurvivesRebinding(t *testing.T) {
	for _, upload := range []bool{true, false} {
		link := simnet.Link{Delay: 10 * time.Millisecond, Rate: 20e6}
		inLab(t, link, func(l *lab) {
			listener, e := l.listen(addrB, psk(udt.ModeStream)), l.endpoint(addrA)
			n := l.nat(natInside, natOutside, addrB)
			c, err := e.DialContext(context.Background(), "udt", natInside.String(), psk(udt.ModeStream))
			require.NoError(l, err)
			s, err := listener.AcceptUDT()
			require.NoError(l, err)
			require.Equal(l, natOutside, addrOf(s.RemoteAddr()))
			from, to := c, s
			if !upload {
				from, to = s, c
			}
			want := bytes.Repeat([]byte("0123456789"), 500_000)
			go func() {
				from.Write(want)
				from.Close()
			}()
			time.AfterFunc(500*time.Millisecond, func() { n.rebind(l.socket(natOutside2)) })
			got, err := io.ReadAll(to)
			require.NoError(l, err)
			require.True(l, bytes.Equal(want, got))
			require.Equal(l, natOutside2, addrOf(s.RemoteAddr()))
			to.Close()
		})
	}
}

// Copies of packets from a false address, even if they overtake the true ones, do not
// move a connection, and bring on the address at most three small packets each.
func TestSpoofedRebindingChangesNothing(t *testing.T) {
	link := simnet.Link{Delay: 10 * time.Millisecond, Rate: 20e6}
	inLab(t, link, func(l *lab) {
		listener, e := l.listen(addrB, psk(udt.ModeStream)), l.endpoint(addrA)
		n := l.nat(natInside, natOutside, addrB)
		c, err := e.DialContext(context.Background(), "udt", natInside.String(), psk(udt.ModeStream))
		require.NoError(l, err)
		s, err := listener.AcceptUDT()
		require.NoError(l, err)
		want := bytes.Repeat([]byte("0123456789"), 300_000)
		go func() {
			c.Write(want)
			c.Close()
		}()
		// For 100 ms the packets come from the victim's address, as an attacker on
		// the path can bring about; then from the true one again.
		victim := l.socket(addrC)
		time.AfterFunc(300*time.Millisecond, func() { n.outside.Store(victim) })
		time.AfterFunc(400*time.Millisecond, func() { n.rebind(l.socket(natOutside2)) })
		got, err := io.ReadAll(s)
		require.NoError(l, err)
		require.True(l, bytes.Equal(want, got))
		require.Equal(l, natOutside2, addrOf(s.RemoteAddr()))
		toVictim := l.net.LinkStats(addrB.Addr(), addrC.Addr())
		require.LessOrEqual(l, toVictim.Sent, uint64(3))
		require.NotZero(l, toVictim.Sent)
		require.EqualValues(l, 1, s.Stats().PathChanges, "to the true address")
		s.Close()
	})
}

// Without migration packets from another address are not even opened.
func TestMigrationCanBeDisabled(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		config := psk(udt.ModeStream)
		config.Security.DisableMigration = true
		listener, e := l.listen(addrB, config), l.endpoint(addrA)
		n := l.nat(natInside, natOutside, addrB)
		c, err := e.DialContext(context.Background(), "udt", natInside.String(), psk(udt.ModeStream))
		require.NoError(l, err)
		s, err := listener.AcceptUDT()
		require.NoError(l, err)
		n.rebind(l.socket(natOutside2))
		go c.Write([]byte("lost"))
		_, err = s.Read(make([]byte, 10))
		require.ErrorIs(l, err, udt.ErrPeerTimeout)
		require.NotZero(l, listener.Endpoint().Stats().WrongSource)
	})
}
