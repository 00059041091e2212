package udt_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// The controllers that answer loss fill a path of 20 Mbit/s and 40 ms, whose
// queue holds a round trip's packets, and keep loss low.
func TestLossControllersFillThePath(t *testing.T) {
	for name, c := range map[string]struct {
		make func() udt.CongestionControl
		most time.Duration // for 8 MB, which take 3.4 s at the link's rate
	}{
		"CTCP":   {udt.NewCTCP, 4 * time.Second},
		"Cubic":  {udt.NewCubic, 4 * time.Second},
		"LEDBAT": {udt.NewLEDBAT, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			link := simnet.Link{Rate: 20e6, Delay: 20 * time.Millisecond, Queue: 66}
			inLab(t, link, func(l *lab) {
				a, b := l.pair(&udt.Config{CongestionControl: c.make}, nil)
				took := send(l, a, b, 8_000_000)
				require.Less(t, took, c.most)
				st := a.Stats()
				require.Less(t, float64(st.PacketsRetransmitted), 0.03*float64(st.PacketsSent))
				require.Zero(t, st.Timeouts)
			})
		})
	}
}
