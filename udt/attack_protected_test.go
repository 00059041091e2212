package udt_test

import (
	"io"
	"net/netip"
	"sync"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// The attack suite against protected connections. Rows of its tests follow those
// of plain mode. Attackers here know everything but the keys: they see what they
// replay, know sequence numbers and socket IDs, and may be the peer itself.

// A wiretap keeps copies of the datagrams that cross a network.
type wiretap struct {
	mu   sync.Mutex
	sent []tapped
	hold func(p []byte, from, to netip.AddrPort) bool // true drops
}

type tapped struct {
	b        []byte
	from, to netip.AddrPort
}

func (l *lab) tap() *wiretap {
	w := new(wiretap)
	l.net.SetFilter(func(p []byte, from, to netip.AddrPort) simnet.Verdict {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sent = append(w.sent, tapped{append([]byte(nil), p...), from, to})
		if w.hold != nil && w.hold(p, from, to) {
			return simnet.Drop
		}
		return simnet.Pass
	})
	return w
}

// take returns what was seen since the last call.
func (w *wiretap) take() []tapped {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := w.sent
	w.sent = nil
	return sent
}

func (w *wiretap) set(hold func(p []byte, from, to netip.AddrPort) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold = hold
}

// sealedOnly returns those that are not handshakes.
func sealedOnly(all []tapped) (sealed []tapped) {
	for _, p := range all {
		if !wire.IsHandshake(p.b) {
			sealed = append(sealed, p)
		}
	}
	return sealed
}

// bodyOf returns the body of a handshake.
func bodyOf(p []byte) (h wire.Handshake, ok bool) {
	if !wire.IsHandshake(p) {
		return h, false
	}
	h, err := wire.ParseHandshake(p[wire.HeaderLen:])
	return h, err == nil
}

// protectedLab connects addrA and addrB with a pre-shared key, with sequence
// numbers from 1000 on, and tells the socket IDs and what was sent. The exchange
// is forgotten, as it is after some seconds.
func protectedLab(l *lab, config *udt.Config) (a, b *udt.Conn, ids [2]uint32, w *wiretap, opening []tapped) {
	l.Helper()
	if config == nil {
		config = psk(udt.ModeStream)
	}
	udt.SetInitialNumber(config, 1000)
	w = l.tap()
	l.listener = l.listen(addrB, config)
	a, b = l.dial(l.configured(addrA, config), config, l.listener)
	time.Sleep(11 * time.Second)
	opening = w.take()
	for _, p := range opening {
		if h, ok := bodyOf(p.b); ok && h.Request == wire.RequestConclusion {
			ids[map[netip.AddrPort]int{addrA: 0, addrB: 1}[p.from]] = h.SocketID
		}
	}
	require.NotZero(l, ids[0])
	require.NotZero(l, ids[1])
	return a, b, ids, w, opening
}

// still is what of a connection's state an idle one does not change by itself.
func still(c *udt.Conn) udt.Stats {
	s := c.Stats()
	s.Time, s.PacketsForged, s.PacketsReplayed = time.Time{}, 0, 0
	return s
}

// rejected returns how many packets were turned away.
func rejected(c *udt.Conn) uint64 {
	s := c.Stats()
	return s.PacketsForged + s.PacketsReplayed
}

// sentTo returns how many datagrams one host has sent to another.
func (l *lab) sentTo(from, to netip.AddrPort) uint64 {
	return l.net.LinkStats(from.Addr(), to.Addr()).Sent
}

// serve accepts and echoes until the listener ends.
func (l *lab) serve(listener *udt.Listener) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := listener.AcceptUDT()
			if err != nil {
				return
			}
			wg.Go(func() {
				_, _ = io.Copy(c, onlyReader{c})
				c.Close()
			})
		}
	})
	l.Cleanup(func() {
		listener.Endpoint().Close()
		wg.Wait()
	})
}

// with returns a Config with s.
func with(s udt.Security) *udt.Config { return &udt.Config{Security: &s} }

// requireRead requires that the next n bytes of content can be read.
func (l *lab) requireRead(c *udt.Conn, n int) {
	l.Helper()
	b := make([]byte, n)
	_, err := io.ReadFull(c, b)
	require.NoError(l, err)
	require.True(l, checkContent(b, 0))
}

// settle lets what was sent arrive and be answered.
func settle() {
	time.Sleep(200 * time.Millisecond)
	synctest.Wait()
}
