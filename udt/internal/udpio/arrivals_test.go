package udpio

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// "What is returned is one run of datagrams of one size, the last may be shorter, from
// one peer to one local address."
func TestArrivalsLeaveAsRuns(t *testing.T) {
	x, y := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:2")
	here, there := netip.MustParseAddr("10.0.0.8"), netip.MustParseAddr("10.0.0.9")
	one := func(n int, from netip.AddrPort, local netip.Addr) arrival {
		return arrival{data: pattern(n), from: from, local: local}
	}
	of := func(n, segment int, from netip.AddrPort, local netip.Addr) Received {
		return Received{N: n, Segment: segment, From: from, Local: local}
	}
	spilled := one(10, x, here)
	spilled.rest = pattern(25)[10:]
	for name, c := range map[string]struct {
		in   []arrival
		want []Received
		lost int
	}{
		"nothing":     {},
		"equal":       {in: []arrival{one(10, x, here), one(10, x, here), one(10, x, here)}, want: []Received{of(30, 10, x, here)}},
		"short last":  {in: []arrival{one(10, x, here), one(3, x, here), one(3, x, here)}, want: []Received{of(13, 10, x, here), of(3, 3, x, here)}},
		"longer":      {in: []arrival{one(3, x, here), one(10, x, here), one(10, x, here)}, want: []Received{of(3, 3, x, here), of(20, 10, x, here)}},
		"other peer":  {in: []arrival{one(9, x, here), one(9, y, here), one(9, x, here)}, want: []Received{of(9, 9, x, here), of(9, 9, y, here), of(9, 9, x, here)}},
		"other local": {in: []arrival{one(9, x, here), one(9, x, there), one(9, x, there)}, want: []Received{of(9, 9, x, here), of(18, 9, x, there)}},
		"full":        {in: []arrival{one(40, x, here), one(40, x, here), one(40, x, here)}, want: []Received{of(80, 40, x, here), of(40, 40, x, here)}},
		"too long":    {in: []arrival{one(9, x, here), one(101, x, here), one(102, y, here), one(9, x, here)}, want: []Received{of(9, 9, x, here), of(9, 9, x, here)}, lost: 2},
		"spilled":     {in: []arrival{spilled, one(25, x, here)}, want: []Received{of(50, 25, x, here)}},
	} {
		var q arrivals
		var all [][]byte
		for _, a := range c.in {
			q.add(a)
			if a.len() <= 100 {
				all = append(all, pattern(a.len()))
			}
		}
		var got []Received
		var data [][]byte
		lost := 0
		for !q.empty() {
			b := make([]byte, 100)
			r, l := q.take(b)
			lost += l
			if r.N > 0 {
				got = append(got, r)
				data = append(data, split([]Run{{B: b[:r.N], Segment: r.Segment}})...)
			}
		}
		require.Equal(t, c.want, got, name)
		require.Equal(t, all, data, name)
		require.Equal(t, c.lost, lost, name)
	}
}

// Slots grow as soon as a datagram exceeds them and shrink when none has for a while.
func TestSlotSize(t *testing.T) {
	var z slotSize
	require.Equal(t, leastSlot, z.now())
	z.note(leastSlot)
	require.Equal(t, leastSlot, z.now())
	z.note(leastSlot + 1)
	require.Equal(t, 2*leastSlot, z.now())
	z.note(65507)
	require.Equal(t, mostSlot, z.now())
	for range slotPeriod - 1 {
		z.note(100)
		require.Equal(t, mostSlot, z.now())
	}
	z.note(1472)
	require.Equal(t, leastSlot, z.now())
}
