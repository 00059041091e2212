package wan

import (
	"time"

	"github.com/udtgo/udtgo/nettest/simnet"
)

// packetSize is that of a full packet at the default MSS, in bytes.
const packetSize = 1500

// coalesce is how many arrivals come together on links of 1 Gbit/s and more, as
// network cards do it. Simulation takes half the time with it.
const coalesce = 50 * time.Microsecond

// A Scenario is a path with one bottleneck and what is transferred over it.
type Scenario struct {
	Name string

	// Rate is that of the bottleneck, in bits per second of IP packets.
	Rate int64

	// RTT is the round trip time of the empty path, half of it each way.
	RTT time.Duration

	// Loss is the probability with which a packet is lost at random on its
	// way to the receiver, and Burst is loss in runs. Both act before the
	// queue.
	Loss  float64
	Burst simnet.Burst

	// Queue is how many packets the bottleneck's queue holds.
	Queue int

	// Jitter is the largest addition to the way to the receiver. It keeps
	// the order.
	Jitter time.Duration

	// Low, if not zero, is the rate every other Period. The run begins with
	// Rate.
	Low    int64
	Period time.Duration

	// Flows is how many transfers share the path. They begin together.
	Flows int

	// Duration is how long they go on.
	Duration time.Duration

	// Settle is when figures that leave out the start-up begin.
	Settle time.Duration
}

// A and the others are the paths on which the design was tried. Queues of one
// BDP are Rate times RTT, in full packets.
var (
	A  = Scenario{Name: "A", Rate: 100e6, RTT: 100 * time.Millisecond}.complete()
	B  = Scenario{Name: "B", Rate: 100e6, RTT: 100 * time.Millisecond, Loss: 0.001}.complete()
	C  = Scenario{Name: "C", Rate: 100e6, RTT: 100 * time.Millisecond, Loss: 0.01}.complete()
	C5 = Scenario{Name: "C'", Rate: 100e6, RTT: 100 * time.Millisecond, Loss: 0.05}.complete()
	D  = Scenario{Name: "D", Rate: 200e6, RTT: 200 * time.Millisecond, Loss: 0.0001}.complete()
	E1 = Scenario{Name: "E1", Rate: 50e6, RTT: 20 * time.Millisecond, Flows: 2, Duration: 20 * time.Second}.complete()
	E2 = Scenario{Name: "E2", Rate: 50e6, RTT: 20 * time.Millisecond, Flows: 2, Duration: 20 * time.Second}.complete()
	F  = Scenario{Name: "F", Rate: 1e9, RTT: 100 * time.Millisecond, Loss: 0.001, Queue: 32}.complete()
	G  = Scenario{Name: "G", Rate: 10e9, RTT: 100 * time.Millisecond, Loss: 0.00001, Duration: 10 * time.Second}.complete()
	H  = Scenario{
		Name: "H", Rate: 50e6, RTT: 60 * time.Millisecond, Queue: 250, Jitter: 20 * time.Millisecond,
		Burst: simnet.Burst{Enter: 0.0005, Leave: 0.3}, Low: 5e6, Period: 2 * time.Second, Duration: 24 * time.Second,
	}.complete()
)

// Scenarios returns all of them, in the order of their names. In E1 both flows
// are of the same kind; E2 is one flow against another kind.
func Scenarios() []Scenario { return []Scenario{A, B, C, C5, D, E1, E2, F, G, H} }

// complete fills in what most scenarios have in common.
func (s Scenario) complete() Scenario {
	if s.Queue == 0 {
		s.Queue = s.BDP()
	}
	if s.Flows == 0 {
		s.Flows = 1
	}
	if s.Duration == 0 {
		s.Duration = 25 * time.Second
	}
	if s.Settle == 0 {
		s.Settle = 5 * time.Second
	}
	return s
}

// BDP returns the product of rate and round trip time in full packets.
func (s Scenario) BDP() int {
	return int(float64(s.Rate) * s.RTT.Seconds() / 8 / packetSize)
}

// Capacity returns how many bytes of IP packets the bottleneck passes between
// two moments, counted from the start of the run.
func (s Scenario) Capacity(from, to time.Duration) float64 {
	if s.Low == 0 {
		return float64(s.Rate) / 8 * (to - from).Seconds()
	}
	return s.passed(to) - s.passed(from)
}

// passed is the Capacity from the start until t.
func (s Scenario) passed(t time.Duration) float64 {
	cycles, rest := t/(2*s.Period), t%(2*s.Period)
	high := cycles*s.Period + min(rest, s.Period)
	return (float64(s.Rate)*high.Seconds() + float64(s.Low)*(t-high).Seconds()) / 8
}

// Link returns the way to the receiver. Start is when the run begins, on the
// clock of the network.
func (s Scenario) Link(start time.Duration) simnet.Link {
	l := simnet.Link{
		Rate: s.Rate, Delay: s.RTT / 2, Jitter: s.Jitter,
		Loss: s.Loss, Burst: s.Burst, Queue: s.Queue,
	}
	if s.Rate >= 1e9 {
		l.Coalesce = coalesce
	}
	if s.Low != 0 {
		l.Alternate = simnet.Alternate{Rate: s.Low, Every: s.Period, Start: start}
	}
	return l
}

// Back returns the way back, on which nothing is lost and nothing waits.
func (s Scenario) Back() simnet.Link { return simnet.Link{Delay: s.RTT - s.RTT/2} }
