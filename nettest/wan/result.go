package wan

import (
	"fmt"
	"strings"
	"time"

	"github.com/udtgo/udtgo/udt"
)

// A Result is what became of the transfers of a [Scenario].
type Result struct {
	Scenario Scenario
	Seed     uint64
	Flows    []Flow

	// Interval is the time between the entries of Flow.Delivered.
	Interval time.Duration

	// Queue is the mean length of the bottleneck's queue over time as a part
	// of what it holds, and MaxQueue its greatest length in packets.
	Queue    float64
	MaxQueue int

	Offered    uint64 // packets that the senders sent to the bottleneck
	QueueDrops uint64 // of those, found the queue full
	Lost       uint64 // of those, lost at random

	// Err tells of connections that did not last.
	Err error
}

// FirstSizes are how many bytes of payload [Flow].First tells the times of.
var FirstSizes = [2]int64{100_000, 1_000_000}

// A Flow is what became of one transfer.
type Flow struct {
	// Delivered is how many bytes of payload had been delivered in order at
	// the end of each interval.
	Delivered []int64

	// First is how long it took from the start until the first so many bytes
	// had been delivered; zero means they never were.
	First [len(FirstSizes)]time.Duration

	// Stats are the sender's at the end.
	Stats udt.Stats
}

// delivered returns the payload between two moments.
func (r *Result) delivered(f *Flow, from, to time.Duration) float64 {
	at := func(t time.Duration) float64 {
		i := int(t/r.Interval) - 1
		if i < 0 {
			return 0
		}
		return float64(f.Delivered[min(i, len(f.Delivered)-1)])
	}
	return at(to) - at(from)
}

// Share returns which part of the link all flows together used.
func (r *Result) Share() float64 { return r.ShareBetween(0, r.Scenario.Duration) }

// ShareBetween is [Result.Share] between two moments, which should be multiples
// of the interval. It may exceed the link by what an earlier loss has held back.
func (r *Result) ShareBetween(from, to time.Duration) float64 {
	sum := 0.0
	for i := range r.Flows {
		sum += r.FlowShare(i, from, to)
	}
	return sum
}

// FlowShare returns which part of the link flow i used between two moments.
func (r *Result) FlowShare(i int, from, to time.Duration) float64 {
	return r.delivered(&r.Flows[i], from, to) / r.Scenario.Capacity(from, to)
}

// Settled returns the shares of the flows after the scenario's settling time.
func (r *Result) Settled() []float64 {
	var shares []float64
	for i := range r.Flows {
		shares = append(shares, r.FlowShare(i, r.Scenario.Settle, r.Scenario.Duration))
	}
	return shares
}

// Jain returns Jain's index of fairness of shares: one if they are equal, 1/n if
// one of n has everything.
func Jain(shares []float64) float64 {
	var sum, squares float64
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// Timeouts returns how often three probes in a row went unanswered, of all flows.
func (r *Result) Timeouts() (n uint64) {
	for _, f := range r.Flows {
		n += f.Stats.Timeouts
	}
	return n
}

// DropRate returns which part of the packets found the queue full.
func (r *Result) DropRate() float64 { return part(r.QueueDrops, r.Offered) }

// LossRate returns which part of the packets was lost at random.
func (r *Result) LossRate() float64 { return part(r.Lost, r.Offered) }

// AgainRate returns which part of the packets of all flows were retransmissions.
func (r *Result) AgainRate() float64 {
	var again, all uint64
	for _, f := range r.Flows {
		again += f.Stats.PacketsRetransmitted
		all += f.Stats.PacketsSent
	}
	return part(again, all)
}

func part(n, of uint64) float64 { return float64(n) / float64(max(of, 1)) }

// String returns the figures in one line.
func (r *Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-3s seed %-3d share %.3f (first %v %.3f, then %.3f) queue %3.0f%% drops %.2f%% lost %.2f%%",
		r.Scenario.Name, r.Seed, r.Share(), r.Scenario.Settle, r.ShareBetween(0, r.Scenario.Settle),
		r.ShareBetween(r.Scenario.Settle, r.Scenario.Duration), 100*r.Queue, 100*r.DropRate(), 100*r.LossRate())
	if len(r.Flows) > 1 {
		fmt.Fprintf(&b, " shares %.3f Jain %.3f", r.Settled(), Jain(r.Settled()))
	}
	for _, f := range r.Flows {
		st := &f.Stats
		fmt.Fprintf(&b, " | again %.2f%% (spurious %d) probes %d timeouts %d",
			100*part(st.PacketsRetransmitted, st.PacketsSent), st.LossesSpurious, st.Probes, st.Timeouts)
	}
	if r.Err != nil {
		fmt.Fprintf(&b, " ERROR %v", r.Err)
	}
	return b.String()
}

// String returns the state in one line.
func (p Point) String() string {
	st := &p.Stats
	return fmt.Sprintf("%8.3fs flow %d delivered %9d rate %6.2f Mbit/s pace %v window %d in flight %d rtt %v min %v queue %d drops %d again %d probes %d timeouts %d %s",
		p.Time.Seconds(), p.Flow, p.Delivered, float64(st.DeliveryRate)*8/1e6, st.SendPeriod, st.CongestionWindow, st.InFlight,
		st.RTT, st.MinRTT, p.Queue, p.Drops, st.PacketsRetransmitted, st.Probes, st.Timeouts, st.Stopped)
}
