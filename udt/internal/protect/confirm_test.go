package protect

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// The kinds of packets that the ends of the simulation exchange, a sketch of
// ../secure/SPEC.md#confirmation.
const (
	simData = iota
	simAck  // confirms the largest number of a data packet; wants no answer
	simNumberedAck
	simAck2 // confirms the largest number of any packet
)

// A simEnd is one end. It sends as much data as it may, acknowledges each arrival
// of data at once, and on its timer: with a numbered ACK if the last one was not
// answered or there is something new, and with one data packet if it is stopped.
type simEnd struct {
	t       *testing.T
	sealer  *Sealer
	opener  *Opener
	out     func(packet []byte)
	rate    int  // data packets per tick
	greedy  bool // does not respect the reserve
	data    int  // packets of data that arrived
	heard   bool // any data yet
	largest uint64
	fresh   bool // data since the last ACK
	open    bool // the last numbered ACK has no ACK2
	urgent  int  // packets from the reserve
}

func (e *simEnd) maySeal() bool {
	return e.sealer.MaySeal() || e.greedy && notAtEnd(e.sealer)
}

func (e *simEnd) send(kind byte, pn uint64) {
	if !e.sealer.MaySeal() {
		e.urgent++
	}
	packet, err := e.sealer.Seal(newHeader(7), binary.BigEndian.AppendUint64([]byte{kind}, pn))
	require.NoError(e.t, err)
	e.out(packet)
}

func (e *simEnd) receive(packet []byte) {
	payload, pn, err := e.opener.Open(packet)
	require.NoError(e.t, err, "the receiver has the key for every packet that comes in order")
	confirmed := binary.BigEndian.Uint64(payload[1:])
	switch payload[0] {
	case simData:
		e.data++
		e.heard, e.largest, e.fresh = true, pn, true
		return
	case simNumberedAck:
		if notAtEnd(e.sealer) {
			e.send(simAck2, pn)
		}
	case simAck2:
		e.open = false
	}
	require.True(e.t, e.sealer.Confirm(confirmed))
}

func (e *simEnd) tick(now int) {
	for range e.rate {
		if e.maySeal() {
			e.send(simData, 0)
		}
	}
	timer := now%20 == 0
	switch {
	case !e.heard:
	case timer && (e.fresh || e.open) && notAtEnd(e.sealer):
		e.send(simNumberedAck, e.largest)
		e.fresh, e.open = false, true
	case e.fresh && e.maySeal():
		e.send(simAck, e.largest)
		e.fresh = false
	}
	if timer && e.rate > 0 && !e.maySeal() && notAtEnd(e.sealer) {
		e.send(simData, 0)
	}
}

// A simPath is two ends and what is on its way between them.
type simPath struct {
	random *rand.Rand
	ends   [2]*simEnd
	loss   float64
	outage [2]bool // towards each end
	now    int
	onWay  [2][simDelay][][]byte // towards each end, by the tick of arrival
}

const simDelay = 10 // ticks

func newSimPath(t *testing.T, rates [2]int, loss float64) *simPath {
	p := &simPath{random: rand.New(rand.NewPCG(7, 7)), loss: loss}
	for i, rate := range rates {
		p.ends[i] = &simEnd{
			t:      t,
			sealer: newSealer(t, AES128GCM, shortEpochs),
			opener: newOpener(t, AES128GCM, shortEpochs),
			rate:   rate,
			out: func(packet []byte) {
				if !p.outage[1-i] && p.random.Float64() >= p.loss {
					slot := &p.onWay[1-i][p.now%simDelay]
					*slot = append(*slot, packet)
				}
			},
		}
	}
	return p
}

func (p *simPath) step(between func(*Sealer)) {
	p.now++
	for i, e := range p.ends {
		slot := &p.onWay[i][p.now%simDelay]
		arrived := *slot
		*slot = nil
		for _, packet := range arrived {
			e.receive(packet)
		}
	}
	for _, e := range p.ends {
		if between != nil {
			between(e.sealer)
		}
		e.tick(p.now)
	}
}

// Two ends with short epochs on a path that loses packets, all of them for some
// time, go on as soon as it carries packets again, whatever was lost; and none
// ever gets two epochs ahead of what the other has opened.
func TestConfirmationsNeverDeadlock(t *testing.T) {
	for _, c := range []struct {
		name   string
		rates  [2]int
		loss   float64
		forced bool // updates now and then
	}{
		{"one way", [2]int{20, 0}, 0.01, false},
		{"both ways", [2]int{20, 20}, 0.01, false},
		{"both ways, unequal", [2]int{100, 1}, 0.1, false},
		{"heavy loss", [2]int{20, 20}, 0.5, false},
		{"forced updates", [2]int{20, 7}, 0.1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newSimPath(t, c.rates, c.loss)
			var between func(*Sealer)
			if c.forced {
				between = func(s *Sealer) {
					if p.random.IntN(50) == 0 {
						s.ForceUpdate()
					}
				}
			}
			for range 20 { // outages of one direction or both, up to 300 ticks
				which := p.random.IntN(3)
				p.outage = [2]bool{which != 0, which != 1}
				for range p.random.IntN(300) {
					p.step(between)
				}
				p.outage = [2]bool{}
				before := [2]int{p.ends[0].data, p.ends[1].data}
				for range 1000 {
					p.step(between)
				}
				for i, e := range p.ends {
					if c.rates[1-i] > 0 {
						require.Greater(t, e.data, before[i], "the path works, but nothing arrives")
					}
				}
			}
			require.Greater(t, p.ends[0].sealer.Number(), uint64(20*shortEpoch))
			require.Positive(t, p.ends[0].urgent, "the reserve was never needed")
		})
	}
}

// What the simulation above shows is the reserve's doing: without it, two ends that
// send data during an outage never hear of each other again.
func TestWithoutReserveBothEndsStop(t *testing.T) {
	p := newSimPath(t, [2]int{40, 40}, 0)
	p.ends[0].greedy, p.ends[1].greedy = true, true
	p.outage = [2]bool{true, true}
	for range 100 {
		p.step(nil)
	}
	p.outage = [2]bool{}
	for range 1000 {
		p.step(nil)
	}
	for _, e := range p.ends {
		require.Zero(t, e.data)
		require.False(t, notAtEnd(e.sealer))
	}
}
