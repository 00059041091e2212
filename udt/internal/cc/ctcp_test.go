package cc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCTCPSlowStartDoublesEachRound(t *testing.T) {
	r := newWindowRig(NewCTCP())
	for _, want := range []int{20, 40, 80, 160} {
		r.round()
		require.Equal(t, want, r.s.Window)
	}
}

func TestCTCPAvoidanceAddsOnePacketEachRound(t *testing.T) {
	r := avoiding(NewCTCP(), 50)
	for range 5 {
		before := r.w.cwnd
		r.round()
		require.InDelta(t, before+1, r.w.cwnd, 0.05)
	}
}

func TestCTCPOneAckAddsAtMostOnePacket(t *testing.T) {
	r := avoiding(NewCTCP(), 50)
	r.s.NextPacket += 1000
	r.ackOnly(1000, windowRTT)
	require.Equal(t, 51, r.s.Window, "RFC 5681: no more than SMSS in a round trip")
}

func TestCTCPHalvesAndClimbsBack(t *testing.T) {
	r := avoiding(NewCTCP(), 64)
	r.lose(1)
	require.Equal(t, 32, r.s.Window)
	require.Equal(t, 32.0, r.w.ssthresh)
	r.ack(int(r.s.NextPacket - r.una))
	r.round()
	require.InDelta(t, 33, r.w.cwnd, 0.06, "recovery leads to congestion avoidance, not slow start")
}
