package proto

import (
	"time"
)

// A budget bounds how many control packets of one kind are applied. What a peer
// does with good reason never meets it. Only packets whose fields are possible count:
// those that somebody invents must not use up what the peer needs.
type budget struct {
	left   int64
	at     time.Duration // when it was filled last
	earned int64         // and what had given reason by then
}

// The kinds of control packets that have budgets of their own.
const (
	budgetAck = iota
	budgetNak
	budgetAsk // for an ACK
	budgetDrop
	budgetUser
	budgetShutdown
	budgetPath // challenges of a path, each of which is answered
	budgets
)

// budgetRates is what each may have per second for nothing.
var budgetRates = [budgets]int64{
	budgetAck: 1000, budgetNak: 1000, budgetAsk: 1000, budgetUser: 1000,
	budgetDrop:     20_000, // every message that expires may need one
	budgetShutdown: 50, budgetPath: 50,
}

// allow takes one packet from the budget of its kind and reports whether there was
// one. A budget that is used up is filled by the time that has passed and by the
// packets that gave reason for an answer since then: as many as can have been on
// their way, as their answers may come together.
func (c *Conn) allow(now time.Duration, kind int) bool {
	b := &c.budgets[kind]
	if b.left > 0 {
		b.left--
		return true
	}
	earned, rate := c.earned(kind), budgetRates[kind]
	fill := int64((now-b.at)/time.Microsecond)*rate/1e6 + max(earned-b.earned, 0)
	if fill <= 0 {
		c.stats.OverBudget++
		return false
	}
	most := rate
	if kind < budgetShutdown { // what the peer's data, or ours, give reason for
		most += int64(c.peerWindow)
	}
	b.left, b.at, b.earned = min(fill, most)-1, now, earned
	return true
}

// earned counts what the peer may answer: to every data packet one ACK or NAK,
// or two where a receiver of the reference sends light ones too.
func (c *Conn) earned(kind int) int64 {
	switch kind {
	case budgetAck:
		return 2 * int64(c.stats.PacketsSent)
	case budgetNak:
		return int64(c.stats.PacketsSent)
	case budgetAsk, budgetDrop:
		return int64(c.stats.PacketsReceived)
	}
	return 0
}
