package wan_test

import (
	"time"

	"github.com/udtgo/udtgo/nettest/wan"
	"github.com/udtgo/udtgo/udt"
)

// controllers are those that can be chosen by name.
var controllers = map[string]func() udt.CongestionControl{
	"":       nil, // the default
	"fathom": udt.NewFathom,
	"bbr":    udt.NewBBR,
	"cubic":  udt.NewCubic,
	"ctcp":   udt.NewCTCP,
	"ledbat": udt.NewLEDBAT,
	"native": udt.NewNative,
}

// constructor returns what makes the named controller for a scenario.
func constructor(name string, s wan.Scenario) (make func() udt.CongestionControl, known bool) {
	if name == "told" {
		return func() udt.CongestionControl { return told{s} }, true
	}
	make, known = controllers[name]
	return make, known
}

// told is a controller that has been told the rate of the link and ignores all
// signs: it shows what recovery alone, without a controller's mistakes, makes
// of a path.
type told struct{ s wan.Scenario }

func (c told) Init(_ time.Time, s *udt.CongestionState) {
	s.PacingRate = c.s.Rate / 8 * 97 / 100 / int64(c.s.Flows)
	s.Window = 2*c.s.BDP() + 64
}

func (told) OnAck(time.Time, *udt.CongestionState, *udt.AckSample)   {}
func (told) OnLoss(time.Time, *udt.CongestionState, *udt.LossSample) {}
func (told) OnTimeout(time.Time, *udt.CongestionState)               {}
