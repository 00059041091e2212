package cc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An event of a golden trace: what happens, then the period and window it must
// leave behind. The expectations were computed by a separate program, outside
// this module, from the formulas of SPEC.md#native-rate-control.
type traceEvent struct {
	do     func(r *nativeRig)
	period time.Duration
	window int
}

func ack(at time.Duration, upTo int64) func(*nativeRig) {
	return func(r *nativeRig) { r.ackAt(at, upTo) }
}

// loss reports the loss of packet first when next is the next new packet.
func loss(first, next int64) func(*nativeRig) {
	return func(r *nativeRig) { r.lose(next, first) }
}

func timeout() func(*nativeRig) {
	return func(r *nativeRig) { r.timeout() }
}

// then reports rates from the peer before do.
func then(recvRate, capacity int, do func(*nativeRig)) func(*nativeRig) {
	return func(r *nativeRig) {
		r.s.RecvRate, r.s.LinkCapacity = recvRate, capacity
		do(r)
	}
}

func TestNativeGoldenTraces(t *testing.T) {
	const (
		ms  = time.Millisecond
		far = 1 << 40
	)
	for _, c := range []struct {
		name  string
		rig   nativeRig
		draw  float64
		trace []traceEvent
	}{
		{
			name: "slow start fills the maximum window of a LAN, then rates and losses",
			rig:  nativeRig{s: State{MSS: 1500, NextPacket: 1000, PeerRTT: ms, MaxWindow: 200}},
			draw: 0.5,
			trace: []traceEvent{
				{ack(5*ms, 1040), 1000, 16},
				{ack(10*ms, 1040), 1000, 58},
				{ack(15*ms, 1060), 1000, 58},
				{then(50000, 100000, ack(20*ms, 1100)), 1000, 119},
				{ack(30*ms, 1300), 19960, 320},
				{ack(40*ms, 1500), 19920, 566},
				{ack(50*ms, 1900), 19880, 566},
				{loss(1950, 2100), 23000, 566},
				{ack(60*ms, 1950), 23000, 566},
				{ack(70*ms, 2000), 22947, 566},
				{ack(80*ms, 2100), 22894, 566},
				{loss(2050, 2200), 26000, 566},
				{loss(2150, 2300), 30000, 566},
				{timeout(), 30000, 566},
				{ack(90*ms, 2400), 30000, 566},
			},
		},
		{
			name: "loss before any rate feedback",
			rig:  nativeRig{s: State{MSS: 1500, NextPacket: 0, MaxWindow: 25600}},
			draw: 0.9,
			trace: []traceEvent{
				{ack(10*ms, 10), 1000, 28},
				{loss(12, 40), 4420000, 28},
				{loss(20, 45), 4973000, 28},
				{ack(20*ms, 40), 4973000, 28},
				{then(2000, 9000, ack(30*ms, 50)), 4737408, 236},
				{ack(40*ms, 60), 4523129, 236},
				{timeout(), 4523129, 236},
				{ack(50*ms, 70), 4327395, 236},
			},
		},
		{
			name: "epochs of losses, where every report counts and then not",
			rig: nativeRig{s: State{
				MSS: 1500, NextPacket: 1, PeerRTT: 40 * ms, MaxWindow: 25600,
				RecvRate: 10000, LinkCapacity: 83333,
			}},
			draw: 1,
			trace: []traceEvent{
				{timeout(), 100000, 16},
				{loss(5, 100), 113000, 16},
				{loss(50, 100), 128000, 16},
				{loss(51, 100), 144000, 16},
				{loss(52, 100), 162000, 16},
				{loss(53, 100), 183000, 16},
				{loss(54, 100), 183000, 16},
				{loss(55, 100), 183000, 16},
				{loss(100, 200), 206000, 16},
				{loss(150, 200), 232000, 16},
				{loss(150, 200), 261000, 16},
				{loss(150, 200), 294000, 16},
				{loss(150, 200), 331000, 16},
				{loss(150, 200), 331000, 16},
				{ack(10*ms, 150), 331000, 516},
				{ack(20*ms, 200), 320394, 516},
				{ack(30*ms, 250), 310448, 516},
				{loss(220, 300), 350000, 516},
				{loss(250, 320), 394000, 516},
				{loss(330, 350), 444000, 516},
				{ack(40*ms, 350), 444000, 516},
				{ack(50*ms, 360), 425124, 516},
			},
		},
		{
			name: "timeout on a slow link, packet numbers beyond 32 bits",
			rig:  nativeRig{s: State{MSS: 1500, NextPacket: far, PeerRTT: 250 * ms, MaxWindow: 25600}},
			draw: 0.1,
			trace: []traceEvent{
				{ack(10*ms, far+16), 1000, 34},
				{timeout(), 7647058, 34},
				{ack(20*ms, far+20), 7589025, 34},
				{then(120, 850, ack(30*ms, far+30)), 7531865, 47},
				{loss(far+31, far+40), 8474000, 47},
				{ack(40*ms, far+40), 8474000, 47},
				{ack(50*ms, far+41), 8402794, 47},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.rig
			r.init(func() float64 { return c.draw })
			for i, e := range c.trace {
				e.do(&r)
				// A nanosecond for compilers that fuse multiplications.
				require.InDelta(t, e.period, r.s.SendPeriod, 1, "period after event %d", i)
				require.Equal(t, e.window, r.s.Window, "window after event %d", i)
			}
		})
	}
}
