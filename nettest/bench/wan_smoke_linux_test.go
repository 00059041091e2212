package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every kind of scenario runs to its end over a link, and what the receivers
// report fits what the link carried. How fast it went does not matter.
func TestWANSmoke(t *testing.T) {
	if why := wanMissing(); why != "" {
		t.Skip("no links here: ", why)
	}
	for _, s := range []*wanScenario{
		{name: "alone", kind: wanAlone},
		{name: "twins", kind: wanTwins},
		{name: "rival", kind: wanRival},
		{name: "start", kind: wanStart, sizes: []int64{20_000}},
	} {
		s.rate, s.rtt, s.loss = 20e6, 20*time.Millisecond, 0.01
		names := []string{"udt", "tcp-cubic"}
		if s.kind == wanAlone {
			names = append(names, "quic", "libudt", "udt/libudt")
		}
		for _, name := range names {
			e := parseWANEntry(name)
			t.Run(s.name+" "+name, func(t *testing.T) {
				if why := e.missing(); why != "" {
					t.Skip(why)
				}
				const duration = 2 // longer than one of the processes may be without CPU time
				r := s.run(t.Context(), e, 0, duration)
				require.Empty(t, r.Error)
				if s.kind == wanStart {
					require.Len(t, r.Start, 1)
					require.Greater(t, r.Start[0].Seconds, s.rtt.Seconds()/2)
					return
				}
				arrived := int64(0)
				for _, f := range r.Flows {
					require.Positive(t, f.Received.Bytes)
					arrived += f.Received.Bytes
				}
				require.Positive(t, r.Goodput)
				require.Less(t, r.Goodput*duration*float64(s.rate)/8, float64(arrived)+1)
				require.GreaterOrEqual(t, r.Forward.Offered, r.Forward.Delivered+r.Forward.Lost+r.Forward.Dropped)
			})
		}
	}
}
