package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/cc"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Loss detection among extended peers (SPEC.md#repair).
const (
	packetThreshold  = 3  // later transmissions that have arrived
	reoDecayRounds   = 64 // rounds without reordering after which its window halves
	lossHistory      = 64
	minReoWindowKept = 100 * time.Microsecond
)

// extendedSampler turns the counters of extended ACKs into samples. Counters
// drive the congestion control and the list of missing ranges drives repair, so
// neither needs a scoreboard, and lost ACKs cost nothing.
type extendedSampler struct {
	largest  int64 // largest transmission number that has arrived
	received int64 // transmissions that have arrived
	raw      int64 // those made up to largest that have not: lost, or late

	reoWindow time.Duration // a loss counts when it has lasted this long
	history   []rawLoss     // the latest, oldest first

	roundEnd   int64 // delivered count that ends the present round
	quietRound int   // rounds since reordering was seen
	minDelay   int64 // smallest difference of the two clocks, for the one-way delay
	anyDelay   bool
}

type rawLoss struct {
	at  time.Duration
	raw int64
}

// note records raw and returns how many losses have lasted a reoWindow.
func (s *extendedSampler) note(now, rtt time.Duration, raw int64) int64 {
	if raw < s.raw {
		// Late packets took losses back: learn how late they were.
		s.quietRound = 0
		for _, h := range s.history {
			if h.raw > raw {
				s.reoWindow = max(s.reoWindow, min((now-h.at)*5/4, rtt/2))
				break
			}
		}
	}
	s.raw = raw
	if n := len(s.history); n > 0 && now-s.history[n-1].at < rtt/lossHistory {
		s.history[n-1].raw = min(s.history[n-1].raw, raw)
	} else {
		if n == lossHistory {
			copy(s.history, s.history[1:])
			s.history = s.history[:n-1]
		}
		s.history = append(s.history, rawLoss{now, raw})
	}
	lost := raw
	for i := len(s.history) - 1; i >= 0 && s.reoWindow > 0; i-- {
		// The first entry outside still says what held at the window's start.
		lost = min(lost, s.history[i].raw)
		if s.history[i].at < now-s.reoWindow {
			break
		}
	}
	return lost
}

func (s *extendedSampler) round(delivered, priorDelivered int64) {
	if priorDelivered < s.roundEnd {
		return
	}
	s.roundEnd = delivered
	if s.quietRound++; s.quietRound >= reoDecayRounds {
		s.quietRound = 0
		if s.reoWindow /= 2; s.reoWindow < minReoWindowKept {
			s.reoWindow = 0
		}
	}
}

// handleExtendedAck applies the counters and the list of an extended ACK.
func (c *Conn) handleExtendedAck(now time.Duration, a *wire.Ack) {
	s := &c.send
	x := &s.extended
	largest := wire.Unwrap32(x.largest, a.LargestTx)
	received := wire.Unwrap32(x.received, a.Received)
	if largest < x.largest || received < x.received {
		return // an older ACK, overtaken
	}
	record := s.log.find(largest)
	sample := &c.ackSample
	*sample = cc.AckSample{UpTo: s.buf.una}
	delay := time.Duration(a.Delay) * time.Microsecond
	if largest > x.largest && record != nil {
		if rtt := now - delay - record.sentAt; rtt > 0 {
			c.rtt.sample(now, rtt)
			sample.RTT = rtt
		}
		sample.OneWayDelay = x.oneWayDelay(record.sentAt, a.Clock)
	}
	acked := received - x.received
	x.received, x.largest = received, largest
	made := s.skips.made(largest)
	s.skips.passed(largest)
	s.delivered = received
	if acked > 0 {
		c.progressed(now)
		s.deliveredAt = now
	}
	lostBefore := s.lost
	s.lost = x.note(now, c.rtt.rtt(), made-received)
	if record != nil {
		c.sampleRate(now, sample, record, acked)
	}
	var lost lossReport
	c.repairListed(now, a.Missing, &lost)
	if n := s.lost - lostBefore; n > 0 {
		lost.packets = int(n)
	} else {
		lost.spurious = int(-n)
	}
	var txInFlight int
	var lostSince int64
	if record != nil {
		txInFlight, lostSince = record.inFlight, s.lost-record.lost
	}
	s.log.forget(largest)
	c.reportLoss(now, &lost, txInFlight, lostSince)
	if acked > 0 {
		c.fillState()
		c.controller.OnAck(c.start.Add(now), &c.cc, sample)
	}
}

// sampleRate adds to sample what the transmission tells that record is about, the
// largest that arrived: above all the rate of delivery since.
func (c *Conn) sampleRate(now time.Duration, sample *cc.AckSample, record *txRecord, acked int64) {
	s := &c.send
	size := record.bytes / record.n
	sample.Packets, sample.Bytes = int(acked), int(acked)*size
	sample.PriorDelivered, sample.TxInFlight = record.delivered, record.inFlight
	sample.LostSince, sample.AppLimited = int(s.lost-record.lost), record.appLimited
	if acked == 0 {
		return
	}
	interval := max(record.sentAt-record.firstSentAt, now-record.deliveredAt)
	s.firstSentAt = record.sentAt
	if interval > 0 && interval >= c.rtt.min() {
		sample.Delivered, sample.Interval = s.delivered-record.delivered, interval
		c.cc.DeliveryRate = int64(float64(sample.Delivered) * float64(size) / interval.Seconds())
		c.cc.AppLimited = record.appLimited
	}
	s.extended.round(s.delivered, record.delivered)
}

// repairListed queues the listed packets whose last transmission is lost: three
// later ones have arrived and, where the path reorders, it is old enough.
func (c *Conn) repairListed(now time.Duration, list []byte, lost *lossReport) {
	s := &c.send
	x := &s.extended
	old := now - c.rtt.rtt() - x.reoWindow
	ranges := wire.ParseRanges(list)
	left := s.buf.next - s.buf.una // nobody misses more than is outstanding
	for range wire.MaxAckRanges {
		f, l, ok := ranges.Next()
		if !ok {
			return
		}
		first := wire.Unwrap(s.buf.una, f)
		end := wire.Unwrap(first, l) + 1
		if left -= max(end-max(first, s.buf.una), 0); first >= end || end > s.buf.next || left < 0 {
			c.stats.Malformed++
			return
		}
		for n := max(first, s.buf.una); n < end; n++ {
			p := s.buf.packet(n)
			if p.tx+packetThreshold <= x.largest && (x.reoWindow == 0 || p.sentAt <= old) {
				if p.sends <= 1 {
					lost.add(n, n+1)
				}
				c.queueLoss(n, n+1)
			}
		}
	}
}

// oneWayDelay returns by how much a packet took longer than the fastest one so
// far. The peer's clock has 32 bits and an unknown offset.
func (s *extendedSampler) oneWayDelay(sentAt time.Duration, clock uint32) time.Duration {
	diff := int64(int32(clock - uint32(sentAt/time.Microsecond)))
	if !s.anyDelay {
		s.anyDelay, s.minDelay = true, diff
	}
	s.minDelay = min(s.minDelay, diff)
	return time.Duration(diff-s.minDelay) * time.Microsecond
}
