package proto

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Control packets stay few: among extended peers an ACK per quarter of the
// packets in a round trip, at most 64; towards the reference an ACK per 10 ms
// and one light ACK per 64 packets; a NAK per loss.
func TestControlOverhead(t *testing.T) {
	for _, k := range streams() {
		for _, loss := range []float64{0, 0.01} {
			s := newSim(t, 1, k)
			s.every = 50
			s.a.ctl.window, s.a.ctl.pacing = 2000, 20_000_000
			s.a.out.delay, s.b.out.delay = 20*time.Millisecond, 20*time.Millisecond
			s.a.out.loss = loss
			s.transfer(10<<20, 0, 30*time.Second)
			data := float64(s.a.sent)
			require.Less(t, data, 10<<20/1456*(1+1.5*loss)+40, "%v: retransmissions", k)
			acks, naks := s.b.out.controls[wire.TypeAck], s.b.out.controls[wire.TypeNak]
			require.Less(t, float64(acks), data/8+2*data*loss, "%v, loss %v: ACKs for %v packets", k, loss, data)
			require.LessOrEqual(t, float64(naks), 3*data*loss, "%v, loss %v", k, loss)
			require.Less(t, float64(s.a.out.controls[wire.TypeAck2]), max(200, data/12), "%v, loss %v", k, loss)
			require.Less(t, s.a.out.controls[wire.TypeKeepAlive], 20, "%v, loss %v", k, loss)
			require.Less(t, s.now, time.Duration(float64(1200*time.Millisecond)*(1+20*loss)), "%v, loss %v", k, loss)
		}
	}
}

// An ACK that was overtaken does not close the window again.
func TestOvertakenAckClosesNothing(t *testing.T) {
	l := newLone(t, true)
	l.write(10)
	l.poll()
	l.now = l.now.Add(100 * time.Millisecond)
	for _, window := range []uint32{2, 100, 2} {
		a := wire.Ack{Form: wire.AckExtended, Next: loneFirst + 10, Window: window, LargestTx: 10, Received: 10, HighNext: loneFirst + 10}
		l.handle(wire.TypeAck, 0, a.Append(nil))
	}
	require.EqualValues(t, loneFirst+110, l.c.send.limit)
}

// The receiver's half of a bulk transfer, and the sender's.
func BenchmarkTransfer(b *testing.B) {
	for _, k := range []kind{{}, {legacyA: true, legacyB: true}} {
		for _, loss := range []float64{0, 0.01, 0.1} {
			b.Run(k.String()+map[float64]string{0: "", 0.01: "/loss", 0.1: "/heavy loss"}[loss], func(b *testing.B) {
				b.SetBytes(1456)
				s := newSim(b, 1, k)
				s.every = 1 << 30
				s.a.ctl.window, s.a.ctl.pacing = 20_000, 500_000_000
				s.a.cfg.SendBuffer, s.b.cfg.RecvBuffer = 64<<20, 64<<20
				s.a.out.delay, s.b.out.delay = 20*time.Millisecond, 20*time.Millisecond
				s.a.out.loss = loss
				s.transfer(int64(b.N)*1456, 0, time.Hour)
			})
		}
	}
}
