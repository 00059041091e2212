package simnet

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	hostA = netip.MustParseAddr("10.0.0.1")
	hostB = netip.MustParseAddr("10.0.0.2")
)

// bed is two hosts on a network, in a bubble.
type bed struct {
	testing.TB
	net  *Network
	a, b *Conn
}

// run calls f in a bubble with a network made from c.
func run(t *testing.T, c Config, f func(t *testing.T, b *bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := New(c)
		defer n.Close()
		f(t, &bed{t, n, listen(t, n, hostA), listen(t, n, hostB)})
	})
}

func listen(t *testing.T, n *Network, host netip.Addr) *Conn {
	t.Helper()
	c, err := n.Listen(netip.AddrPortFrom(host, 0))
	require.NoError(t, err)
	return c
}

// send sends size bytes from a to b, of which the first two are number.
func (b *bed) send(number, size int) {
	b.Helper()
	p := make([]byte, size)
	p[0], p[1] = byte(number>>8), byte(number)
	n, err := b.a.WriteToUDPAddrPort(p, b.b.LocalAddrPort())
	require.NoError(b, err)
	require.Equal(b, size, n)
}

// arrival is what b read, and when.
type arrival struct {
	at     time.Duration
	number int
	data   []byte
}

// drain reads all that arrives at b until nothing does for an hour. Times are
// measured from the call.
func (b *bed) drain() []arrival {
	b.Helper()
	start := time.Now()
	var all []arrival
	buf := make([]byte, 2000)
	for {
		require.NoError(b, b.b.SetReadDeadline(time.Now().Add(time.Hour)))
		n, from, err := b.b.ReadFromUDPAddrPort(buf)
		if err != nil {
			return all
		}
		require.Equal(b, b.a.LocalAddrPort(), from)
		all = append(all, arrival{time.Since(start), int(buf[0])<<8 | int(buf[1]), append([]byte(nil), buf[:n]...)})
	}
}

// burst sends count datagrams of size bytes at once and returns the arrivals.
func (b *bed) burst(count, size int) []arrival {
	b.Helper()
	for i := range count {
		b.send(i, size)
	}
	return b.drain()
}

func numbers(all []arrival) []int {
	var list []int
	for _, a := range all {
		list = append(list, a.number)
	}
	return list
}

// settled requires that every datagram and copy is accounted for.
func (b *bed) settled() Stats {
	b.Helper()
	st := b.net.Stats()
	require.Equal(b, st.Sent+st.Duplicated, st.Delivered+st.Dropped(), "every datagram has one fate: %+v", st)
	return st
}
