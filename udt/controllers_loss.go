package udt

import "github.com/udtgo/udtgo/udt/internal/cc"

// NewCubic returns CUBIC (RFC 9438) with HyStart++ (RFC 9406), the congestion
// control of most TCPs. Choose it for connections that compete with TCP as equals,
// or to keep TCP's behaviour when the transport changes.
//
// It fills paths without loss, and queues with them. It takes any loss for
// congestion: at 1 % of random loss it keeps a few per cent of a long fast path.
// It takes back a loss that turns out to have been reordering, except towards a
// libudt receiver, which does not report it.
func NewCubic() CongestionControl { return builtin{cc.NewCubic()} }

// NewCTCP returns TCP NewReno (RFC 5681, RFC 6582) over UDT with HyStart++: the
// example of the UDT draft's section on configurable congestion control, with
// counters that give nothing for ACKs that are divided, repeated or forged.
// Choose it for comparisons, as a base for your own, or for the simplest
// well-known behaviour.
//
// It shares NewCubic's limits and is slower than that on long fast paths: after
// a loss it needs one round trip for each packet of half the window to recover.
func NewCTCP() CongestionControl { return builtin{cc.NewCTCP()} }

// NewLEDBAT returns LEDBAT++ (draft-irtf-iccrg-ledbat-plus-plus, RFC 6817), a
// congestion control for backups, updates and other transfers that must not
// disturb others. It uses what others leave: it keeps the queue at 60 ms at most, and
// so gives way to any flow that fills it.
//
// Alone it leaves about a tenth of the link unused, for slowdowns in which it
// learns the delay of the empty path. Where the queue of the bottleneck holds
// less than 60 ms it meets loss before delay and yields less: it then competes
// like a slow TCP. Where it had given way on a long fast path, it needs minutes
// to take the link back, as it gains no more than a packet per round trip. When
// the path itself becomes longer, it takes that for a queue for up to ten minutes.
func NewLEDBAT() CongestionControl { return builtin{cc.NewLEDBAT()} }
