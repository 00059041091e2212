package cc

import (
	"math"
	"math/rand/v2"
	"time"
)

// A simLink is a bottleneck: random loss, then a queue with tail drop, then a
// rate, then a delay. It counts in packets.
type simLink struct {
	rate    func(at time.Duration) float64 // packets per second
	rtt     time.Duration
	queue   int
	loss    float64
	jitter  time.Duration // keeps the order
	bursts  bool          // two-state loss: enter 0.0005, leave 0.3, all lost inside
	rng     *rand.Rand
	waiting []time.Duration // when those in the queue leave it
	head    int
	free    time.Duration
	inBurst bool

	offered, dropped int
	queued           float64 // sum of what each arrival found
}

// mbit is a rate of 1500-byte packets.
func mbit(m float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return m * 1e6 / 8 / 1500 }
}

// pass takes a packet at now and returns when it reaches the other end.
func (l *simLink) pass(now time.Duration) (at time.Duration, ok bool) {
	l.offered++
	for l.head < len(l.waiting) && l.waiting[l.head] <= now {
		l.head++
	}
	if l.head > 4096 && l.head*2 > len(l.waiting) {
		l.waiting, l.head = l.waiting[:copy(l.waiting, l.waiting[l.head:])], 0
	}
	depth := len(l.waiting) - l.head
	l.queued += float64(depth)
	if l.loss > 0 && l.rng.Float64() < l.loss || l.bursts && l.burst() {
		return 0, false
	}
	if depth > l.queue { // one of them is being sent
		l.dropped++
		return 0, false
	}
	l.free = max(l.free, now)
	l.free += time.Duration(1e9 / l.rate(l.free))
	l.waiting = append(l.waiting, l.free)
	at = l.free + l.rtt/2
	if l.jitter > 0 {
		at += time.Duration(l.rng.Int64N(int64(l.jitter)))
	}
	return at, true
}

func (l *simLink) burst() bool {
	if l.inBurst {
		l.inBurst = l.rng.Float64() >= 0.3
	} else {
		l.inBurst = l.rng.Float64() < 0.0005
	}
	return l.inBurst
}

// simFlow is a sender with ever more data, or limit packets, and its receiver.
// Every packet that arrives is a new one: repair is perfect, as among extended
// peers it nearly is. There are no probes: a flow that loses a whole window falls
// silent.
type simFlow struct {
	ctl     Controller
	s       State
	link    *simLink
	start   time.Duration
	limit   int64 // packets that the receiver wants; zero for no end
	doneAt  time.Duration
	chunk   int64         // packets the application writes at a time; zero for all
	pause   time.Duration // between its chunks
	chunkAt time.Duration
	chunks  int64

	// Sender.
	sent, largest, received int64 // transmissions
	records                 []simRecord
	head                    int
	next, wake              time.Duration
	paused                  bool
	deliveredAt, firstSent  time.Duration
	limitedTill             int64

	// Receiver and what is on its way to either side.
	arrivals      []simArrival
	acks          []simAck
	got, newest   int64
	newestAt      time.Duration
	unacked       int
	ackAt         time.Duration
	lastArrival   time.Duration
	everyN        int
	roundArrivals int
	roundEnd      time.Duration

	series []int64 // received at the end of each second
}

type simRecord struct {
	tx, delivered, lost            int64
	sentAt, deliveredAt, firstSent time.Duration
	inFlight                       int
	appLimited                     bool
}

type simArrival struct {
	at time.Duration
	tx int64
}

type simAck struct {
	at       time.Duration
	newest   int64
	received int64
	delay    time.Duration
}

const never = time.Duration(math.MaxInt64)

var simStart = time.Unix(1_000_000, 0)

func newSimFlow(l *simLink, ctl Controller) *simFlow {
	f := &simFlow{ctl: ctl, link: l, everyN: 2, newest: 0}
	f.s = State{MSS: 1500, MaxWindow: 1 << 20, RTT: l.rtt + 200*time.Microsecond}
	f.s.MinRTT = f.s.RTT
	return f
}

// simulate runs flows over the link until end.
func simulate(l *simLink, end time.Duration, flows ...*simFlow) {
	for _, f := range flows {
		f.wake = f.start
	}
	second := time.Second
	for {
		at, which, do := never, (*simFlow)(nil), 0
		for _, f := range flows {
			for i, t := range [...]time.Duration{f.nextArrival(), f.nextAck(), f.nextAckTimer(), f.nextWake()} {
				if t < at {
					at, which, do = t, f, i
				}
			}
		}
		for second <= min(at, end) {
			for _, f := range flows {
				f.series = append(f.series, f.got)
			}
			second += time.Second
		}
		if at > end || which == nil {
			return
		}
		switch do {
		case 0:
			which.arrive(at)
		case 1:
			which.acked(at)
		case 2:
			which.acknowledge(at)
		case 3:
			if which.sent == 0 {
				which.ctl.Init(simStart.Add(at), &which.s)
			}
			which.wake = never
		}
		which.send(at)
	}
}

func (f *simFlow) nextArrival() time.Duration {
	if len(f.arrivals) > 0 {
		return f.arrivals[0].at
	}
	return never
}

func (f *simFlow) nextAck() time.Duration {
	if len(f.acks) > 0 {
		return f.acks[0].at
	}
	return never
}

func (f *simFlow) nextAckTimer() time.Duration {
	if f.unacked > 0 {
		return f.ackAt
	}
	return never
}

func (f *simFlow) nextWake() time.Duration { return f.wake }

// arrive is the receiver's part: an ACK per quarter of a round trip's packets.
func (f *simFlow) arrive(now time.Duration) {
	a := f.arrivals[0]
	f.arrivals = f.arrivals[1:]
	gap := a.tx > f.newest+1
	f.got++
	f.newest, f.newestAt = a.tx, now
	f.roundArrivals++
	if now >= f.roundEnd {
		f.everyN = min(max(f.roundArrivals/4, 2), 64)
		f.roundArrivals, f.roundEnd = 0, now+f.link.rtt
	}
	if f.limit > 0 && f.got >= f.limit && f.doneAt == 0 {
		f.doneAt = now
	}
	if f.unacked == 0 {
		f.ackAt = now + min(max(f.link.rtt/4, time.Millisecond), 10*time.Millisecond)
	}
	f.unacked++
	if gap || f.unacked >= f.everyN {
		f.acknowledge(now)
	}
}

func (f *simFlow) acknowledge(now time.Duration) {
	f.unacked = 0
	f.acks = append(f.acks, simAck{now + f.link.rtt/2, f.newest, f.got, now - f.newestAt})
}

// acked makes samples of the counters in an ACK.
func (f *simFlow) acked(now time.Duration) {
	a := f.acks[0]
	f.acks = f.acks[1:]
	for f.records[f.head].tx < a.newest {
		f.head++
	}
	r := f.records[f.head]
	if f.head > 4096 && f.head*2 > len(f.records) {
		f.records, f.head = f.records[:copy(f.records, f.records[f.head:])], 0
	}
	rtt := now - a.delay - r.sentAt
	f.smooth(rtt)
	packets := a.received - f.received
	f.largest, f.received = a.newest, a.received
	lost := a.newest - a.received - f.s.Lost
	f.s.Lost += lost
	f.s.Delivered, f.s.InFlight = a.received, int(f.sent-f.largest)
	f.deliveredAt = now
	sample := AckSample{
		Packets: int(packets), Bytes: int(packets) * 1472, RTT: rtt,
		PriorDelivered: r.delivered, TxInFlight: r.inFlight, LostSince: int(f.s.Lost - r.lost), AppLimited: r.appLimited,
	}
	if interval := max(r.sentAt-r.firstSent, now-r.deliveredAt); interval >= f.s.MinRTT {
		sample.Delivered, sample.Interval = a.received-r.delivered, interval
	}
	f.firstSent = r.sentAt
	if lost > 0 {
		f.ctl.OnLoss(simStart.Add(now), &f.s, &LossSample{
			Packets: int(lost), TxInFlight: r.inFlight, LostSince: sample.LostSince, RTT: rtt,
		})
	}
	f.ctl.OnAck(simStart.Add(now), &f.s, &sample)
}

func (f *simFlow) smooth(rtt time.Duration) {
	f.s.RTT += (rtt - f.s.RTT) / 8
	f.s.MinRTT = min(f.s.MinRTT, rtt)
}

// pending is how many packets the application has for the network.
func (f *simFlow) pending(now time.Duration) int64 {
	left := int64(math.MaxInt64)
	if f.chunk > 0 {
		for f.chunkAt <= now {
			f.chunks += f.chunk
			f.chunkAt += f.pause
		}
		left = f.chunks - f.sent + f.s.Lost
	}
	if f.limit > 0 {
		left = min(left, f.limit-f.sent+f.s.Lost)
	}
	return left
}

// send is the connection's pacer: credit for lateness only, bursts of a
// millisecond's worth.
func (f *simFlow) send(now time.Duration) {
	if now < f.start {
		return
	}
	rate := float64(f.s.PacingRate) / 1472
	if rate == 0 {
		rate = 1e9
	}
	period := time.Duration(1e9 / rate)
	burst := int(min(max(rate/1000, 2), 16))
	if rate*1472 > quantumFastRate || f.s.MinRTT < time.Millisecond {
		burst = quantumFast
	}
	if f.paused {
		f.next = max(f.next, now)
	}
	f.paused = false
	f.next = max(f.next, now-time.Millisecond-time.Duration(burst)*period)
	credit := 0
	if now >= f.next {
		credit = int((now-f.next)/period) + 1
	}
	inFlight := int(f.sent - f.largest)
	window := f.s.Window - inFlight
	n := int(min(int64(min(credit, window)), max(f.pending(now), 0)))
	for range n {
		f.transmit(now, inFlight+n)
	}
	f.next += time.Duration(n) * period
	f.s.InFlight = int(f.sent - f.largest)
	f.s.WindowLimited = false
	switch more := f.pending(now) > 0; {
	case more && n >= window:
		f.s.WindowLimited, f.paused = true, true
	case !more:
		f.paused = true
		if n < credit {
			f.limitedTill = f.received + int64(f.s.InFlight)
		}
		if f.chunk > 0 {
			f.wake = f.chunkAt
		}
	default:
		f.wake = max(f.next+time.Duration(burst-1)*period, now+1)
	}
}

func (f *simFlow) transmit(now time.Duration, inFlight int) {
	if f.sent == f.largest {
		f.firstSent, f.deliveredAt = now, now
		if o, ok := f.ctl.(RestartObserver); ok {
			o.OnRestart(simStart.Add(now), &f.s)
		}
	}
	f.sent++
	f.s.NextPacket = f.sent + 1
	f.records = append(f.records, simRecord{
		tx: f.sent, delivered: f.received, lost: f.s.Lost, sentAt: now, deliveredAt: f.deliveredAt,
		firstSent: f.firstSent, inFlight: inFlight, appLimited: f.received < f.limitedTill,
	})
	if at, ok := f.link.pass(now); ok {
		f.lastArrival = max(f.lastArrival, at) // jitter keeps the order
		f.arrivals = append(f.arrivals, simArrival{f.lastArrival, f.sent})
	}
}

// share is the payload that arrived from one time to another over what the link
// carries at IP level.
func (f *simFlow) share(from, to int) float64 {
	got := f.series[to-1]
	if from > 0 {
		got -= f.series[from-1]
	}
	carried := 0.0
	for t := time.Duration(from) * time.Second; t < time.Duration(to)*time.Second; t += 10 * time.Millisecond {
		carried += f.link.rate(t) * 0.01
	}
	return float64(got) / carried * 1456 / 1500
}
