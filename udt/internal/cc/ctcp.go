package cc

import "time"

// ctcpShare is what is left of the window after a loss (RFC 5681).
const ctcpShare = 0.5

// CTCP is the example of draft-gg-udt's section on configurable congestion
// control: TCP over UDT, with slow start, congestion avoidance, fast retransmit
// and fast recovery, as RFC 5681 and RFC 6582 (NewReno) have them, and slow start
// left by HyStart++.
//
// Differs from the draft, whose onACK counts ACKs and whose fast retransmit
// counts duplicates of them: here packets count (RFC 3465), each once, and loss
// events as the connection finds them; see ackedWindow. The window needs no
// inflation in recovery, since what has arrived out of order is known not to be
// in flight.
//
// Differs from RFC 5681: a loss halves cwnd, not the flight size. In exchange
// cwnd grows only while it is made use of, as in RFC 9002.
type CTCP struct {
	win   ackedWindow
	start hyStart
}

// NewCTCP returns TCP NewReno for one connection.
func NewCTCP() *CTCP { return new(CTCP) }

// Init implements Controller.
func (c *CTCP) Init(now time.Time, s *State) {
	*c = CTCP{win: newAckedWindow(now, s), start: newHyStart(s)}
	c.win.publish(s)
}

// OnAck implements Controller.
func (c *CTCP) OnAck(now time.Time, s *State, a *AckSample) {
	w := &c.win
	n, grow := w.acked(now, s, a)
	if grow {
		used := w.used(s, n)
		switch {
		case w.inSlowStart():
			w.slowStart(s, a, &c.start, n, used)
		case used:
			w.cwnd += min(n/w.cwnd, 1)
		}
	}
	w.publish(s)
}

// OnLoss implements Controller.
func (c *CTCP) OnLoss(now time.Time, s *State, l *LossSample) {
	if c.win.spurious(l) {
		c.win.undo()
	}
	if c.win.lost(now, s, l) {
		c.win.reduce(ctcpShare)
	}
	c.win.publish(s)
}

// OnTimeout implements Controller.
func (c *CTCP) OnTimeout(now time.Time, s *State) {
	c.win.timeout(now, s, ctcpShare)
	c.win.publish(s)
}

// OnRestart implements RestartObserver.
func (c *CTCP) OnRestart(now time.Time, s *State) {
	if c.win.idle(now, s) {
		c.win.restart()
	}
	c.win.publish(s)
}
