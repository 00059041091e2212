package simnet

import (
	"math"
	"time"
)

const (
	// Overhead is what a datagram takes on a link besides its payload: an
	// IPv4 header and a UDP header, in bytes. It is used for IPv6 too, so
	// that a scenario has the same timing in both families.
	Overhead = 28

	// maxPacket is the largest IP packet, in bytes.
	maxPacket = 65535
)

// A Link says what happens to datagrams in one direction between two hosts.
// The zero Link is perfect: everything arrives at once, in order.
//
// They act in this order: Down, MTU, Burst, Loss, Queue, Rate, Delay and
// Jitter, Reorder, Coalesce, Duplicate, Corrupt. Random loss is before the
// queue: what is lost takes no room and no time. A change of a Link applies to
// datagrams sent after it; those on the way arrive as they would have.
//
// Probabilities are from 0 to 1. Values out of range are clamped to it, and
// negative numbers elsewhere mean zero.
type Link struct {
	// Rate is in bits per second of IP packets, which are payloads plus
	// [Overhead]. Zero is infinite.
	Rate int64

	// Alternate makes the rate switch between two values.
	Alternate Alternate

	// Delay is the propagation time, after the last bit is sent.
	Delay time.Duration

	// Jitter is the largest random addition to Delay; it is evenly
	// distributed from zero. Datagrams do not overtake each other because
	// of it: one that would arrive before its predecessor arrives with it.
	Jitter time.Duration

	// Loss is the probability that a datagram is lost, independently of
	// the others.
	Loss float64

	// Burst is loss that comes in runs.
	Burst Burst

	// Coalesce makes datagrams arrive together, as behind a network card that
	// interrupts once for several: arrivals are put off to the next multiple
	// of it. It makes simulations of fast links faster. Zero is none.
	Coalesce time.Duration

	// Reorder is the probability that a datagram takes ReorderDelay longer
	// and may be overtaken meanwhile.
	Reorder float64

	// ReorderDelay is in addition to Delay and Jitter.
	ReorderDelay time.Duration

	// Duplicate is the probability that a datagram arrives twice. The
	// second copy is made behind the queue and takes no room in it; it has
	// its own jitter, reordering and corruption.
	Duplicate float64

	// Corrupt is the probability that one random bit of the payload is
	// flipped.
	Corrupt float64

	// MTU is the size of the largest IP packet (payload plus [Overhead]) in
	// bytes. Larger ones are dropped without notice. Zero is 65535.
	MTU int

	// Queue is how many datagrams may wait for the link, with the one that
	// is being sent. One more is dropped. Zero is no limit. It has no
	// effect on a link without Rate, where nothing waits.
	Queue int

	// Down drops everything.
	Down bool
}

// Alternate is a rate that switches back and forth at known times, as on mobile
// links. Unlike a change of the Link it also concerns what waits in the queue,
// which is sent at the rate of the moment.
type Alternate struct {
	// Rate is that of every other period, in bits per second as Link.Rate,
	// which is that of the first period and of the time before.
	Rate int64

	// Every is the length of a period. Zero is for ever: no Alternate.
	Every time.Duration

	// Start is the beginning of the first period, counted from the time at
	// which the [Network] was made (for a [Shaper], as all its times).
	Start time.Duration
}

// at returns the rate of the link at the time t and when it changes.
func (l *Link) at(t time.Duration) (rate int64, until time.Duration) {
	a := &l.Alternate
	switch since := t - a.Start; {
	case a.Every <= 0:
		return l.Rate, math.MaxInt64
	case since < a.Every:
		return l.Rate, a.Start + a.Every
	default:
		n := since / a.Every
		until = a.Start + (n+1)*a.Every
		if n%2 == 1 {
			return a.Rate, until
		}
		return l.Rate, until
	}
}

// Burst is a loss process with two states, known as the Gilbert model.
// Everything sent in the bad state is lost. In the long run Enter/(Enter+Leave)
// of the datagrams are lost, in runs of 1/Leave on average.
type Burst struct {
	// Enter is the probability that a datagram sent in the good state finds
	// the state changed to bad, and is lost. Zero is no burst loss.
	Enter float64

	// Leave is the probability that a datagram sent in the bad state finds
	// the state changed to good, and passes. Zero is never.
	Leave float64
}

// clamped returns l with every value in its range.
func (l Link) clamped() Link {
	for _, p := range []*float64{&l.Loss, &l.Burst.Enter, &l.Burst.Leave, &l.Reorder, &l.Duplicate, &l.Corrupt} {
		if math.IsNaN(*p) {
			*p = 0
		}
		*p = min(max(*p, 0), 1)
	}
	for _, d := range []*time.Duration{&l.Delay, &l.Jitter, &l.ReorderDelay, &l.Coalesce} {
		*d = max(*d, 0)
	}
	l.Rate = max(l.Rate, 0)
	l.Alternate.Rate = max(l.Alternate.Rate, 0)
	l.Queue = max(l.Queue, 0)
	if l.MTU <= 0 || l.MTU > maxPacket {
		l.MTU = maxPacket
	}
	return l
}

// A Verdict says what became of a datagram, or why it was dropped.
type Verdict uint8

const (
	Pass         Verdict = iota // goes on, or has arrived
	Drop                        // by a filter
	DropDown                    // the link is down
	DropMTU                     // too large for the link
	DropBurst                   // burst loss
	DropLoss                    // random loss
	DropQueue                   // the link's queue is full
	DropPort                    // nobody has the destination address and port
	DropOverflow                // the receiver's buffer is full
)

var verdicts = [...]string{"pass", "filtered", "down", "mtu", "burst loss", "loss", "queue full", "no port", "receive buffer full"}

// String returns a short text such as "queue full".
func (v Verdict) String() string {
	if int(v) < len(verdicts) {
		return verdicts[v]
	}
	return "unknown"
}
