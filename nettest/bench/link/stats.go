package link

import "time"

// Stats is what happened on one direction of a link in a span of time.
type Stats struct {
	Span       time.Duration // from the beginning or the last Reset
	Offered    int64         // packets that came in
	Lost       int64         // of these, at random
	Dropped    int64         // of these, because the queue was full
	Delivered  int64         // packets that came out, even if they came in before
	Bytes      int64         // their size
	MeanQueue  float64       // packets that waited, averaged over the span
	MeanWait   time.Duration // how long a packet would have waited, likewise
	MaxQueue   int
	MaxWait    time.Duration
	MeanLate   time.Duration // how much later than meant packets came out
	MaxLate    time.Duration // because the emulator did not get the processor in time
	QueueLimit int           // Path.Queue
}

// QueueShare returns MeanQueue as a part of the limit, or zero without one.
func (s Stats) QueueShare() float64 {
	if s.QueueLimit == 0 {
		return 0
	}
	return s.MeanQueue / float64(s.QueueLimit)
}

// meter collects Stats. Its times are nanoseconds since the lane's beginning.
type meter struct {
	begin, now             int64
	offered, lost, dropped int64
	delivered, bytes       int64
	queue                  float64 // integral of the packets waiting over time
	wait                   float64 // integral of the waiting time over time
	late                   int64
	maxQueue               int
	maxWait, maxLate       int64
}

// count accounts for the time from the last count until then, in which waiting
// packets waited and the link was to be free at the given time.
func (m *meter) count(then int64, waiting int, free int64) {
	if then <= m.now {
		return
	}
	span := float64(then - m.now)
	m.queue += span * float64(waiting)
	// The waiting time falls as time goes on, until it is zero.
	from, to := float64(max(free-m.now, 0)), float64(max(free-then, 0))
	m.wait += (from - to) * (from + to) / 2
	m.now = then
}

func (m *meter) longest(waiting int, wait int64) {
	m.maxQueue = max(m.maxQueue, waiting)
	m.maxWait = max(m.maxWait, wait)
}

func (m *meter) stats(p Path) Stats {
	s := Stats{
		Span: time.Duration(m.now - m.begin), Offered: m.offered, Lost: m.lost, Dropped: m.dropped,
		Delivered: m.delivered, Bytes: m.bytes, MaxQueue: m.maxQueue, MaxWait: time.Duration(m.maxWait),
		MaxLate: time.Duration(m.maxLate), QueueLimit: p.Queue,
	}
	if s.Span > 0 {
		s.MeanQueue = m.queue / float64(s.Span)
		s.MeanWait = time.Duration(m.wait / float64(s.Span))
	}
	if m.delivered > 0 {
		s.MeanLate = time.Duration(m.late / m.delivered)
	}
	return s
}
