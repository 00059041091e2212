package proto

import (
	"fmt"
	"time"

	"github.com/udtgo/udtgo/udt/internal/cc"
)

// fixedController keeps the window it was made with, and notes samples that no
// controller should ever see.
type fixedController struct {
	window   int
	pacing   int64
	bad      error
	acks     int
	losses   int
	spurious int
	timeouts int
	rates    []float64 // packets per second
	rtts     []time.Duration
}

func (f *fixedController) Init(_ time.Time, s *cc.State) { f.set(s) }

func (f *fixedController) set(s *cc.State) {
	s.Window, s.PacingRate = f.window, f.pacing
	if s.InFlight < 0 || s.Delivered < 0 || s.Lost < 0 || s.DeliveryRate < 0 {
		f.bad = fmt.Errorf("state %+v", *s)
	}
}

func (f *fixedController) OnAck(_ time.Time, s *cc.State, a *cc.AckSample) {
	f.set(s)
	f.acks++
	if a.Packets < 0 || a.Bytes < 0 || a.RTT < 0 || a.OneWayDelay < 0 || a.Interval < 0 || a.TxInFlight < 0 ||
		a.Interval > 0 && a.Delivered < 0 || a.PriorDelivered < 0 {
		f.bad = fmt.Errorf("sample %+v", *a)
	}
	if a.Interval > 0 && len(f.rates) < 1e5 {
		f.rates = append(f.rates, float64(a.Delivered)/a.Interval.Seconds())
	}
	if a.RTT > 0 && len(f.rtts) < 1e5 {
		f.rtts = append(f.rtts, a.RTT)
	}
}

func (f *fixedController) OnLoss(_ time.Time, s *cc.State, l *cc.LossSample) {
	f.set(s)
	f.losses += l.Packets
	f.spurious += l.Spurious
	if l.Packets < 0 || l.Spurious < 0 || l.Packets == 0 && l.Spurious == 0 || l.TxInFlight < 0 {
		f.bad = fmt.Errorf("loss sample %+v", *l)
	}
}

func (f *fixedController) OnTimeout(_ time.Time, s *cc.State) { f.set(s); f.timeouts++ }
