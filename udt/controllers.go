package udt

import (
	"math/rand/v2"

	"github.com/udtgo/udtgo/udt/internal/cc"
)

// NewFathom returns Fathom, the default. It is made for long paths that lose
// packets. It has BBR's model of bandwidth and round-trip time, and it asks of each
// loss whether there was a queue when it happened. Losses beside a queue slow it
// down. Losses that the path has all the time do not.
//
// Neither UDT's own control nor BBR as drafted can do this. Of 100 Mbit/s at
// 100 ms with 1 % of random loss the former keeps a tenth and the latter four
// fifths, with 5 % both a twentieth at most. Fathom keeps nine tenths and six
// sevenths. It fills a clean link with a fifth of its buffer, two of it share
// evenly, and a TCP cubic flow beside it keeps about half. Where the rate of the
// path changes every second, it probes for more as soon as the queue is gone.
//
// What that costs: where the queue is so short that a loss looks the same whether
// Fathom caused it or not, some percent of its packets are lost. Choose NewBBR where
// no packet may be lost needlessly, and NewLEDBAT beside traffic that must not be
// disturbed.
//
// To get the behaviour of the C++ library, set Config.CongestionControl to
// NewNative.
func NewFathom() CongestionControl { return builtin{cc.NewFathom(rand.Float64)} }

// NewBBR returns BBRv3 as draft-ietf-ccwg-bbr describes it, for users who need
// what other transports run. It answers every loss by what arrived in that round
// and ends its probes for bandwidth at 2 % of loss: at 1 % of random loss it
// keeps about four fifths of a long link, at 5 % almost nothing.
func NewBBR() CongestionControl { return builtin{cc.NewBBR(rand.Float64)} }
