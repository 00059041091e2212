package main

import (
	"context"
	"errors"
	"maps"
	"net"
	"time"
)

const (
	blindRate = 10_000 // packets per second

	// The ends wait, blindSettle seconds at most, until their sockets have been empty and
	// their counters the same for so many looks. A time would not do: they may be without
	// CPU time for all of it.
	blindLook   = 10 * time.Millisecond
	blindLooks  = 30
	blindSettle = 20
)

var (
	blind       = blindWork("blind", "the receiver", 0)
	blindSender = blindWork("blind-sender", "the sender", 1)
)

// blindWork is bulk while a third process sends packets to one of its ends that seem
// to come from the other. Each run is two: in the second one, or the first, the same
// packets go to a closed port.
func blindWork(name, at string, atSender float64) *Work {
	return &Work{
		Name: name, Note: "bulk, while an attacker sends blind packets to " + at + "; goodput to that of the run in which they go to a closed port",
		Contenders: []string{udtProtected.Name, udtDefault.Name},
		Missing:    blindMissing,
		Seconds:    5,
		Metrics:    blindMetrics,
		Serve:      blindServe, Dial: blindDial, Attack: attack,
		Once: func(ctx context.Context, p *Pair, run int) (r PairResult, err error) {
			var baseline PairResult
			for i := range 2 {
				if (run+i)%2 == 0 {
					baseline, err = p.RunAttacked(ctx, true)
				} else {
					r, err = p.RunAttacked(ctx, false)
				}
				if err != nil {
					return r, err
				}
			}
			r.Baseline = &baseline
			return r, nil
		},
		Defaults: func(j *Job) {
			bulk.Defaults(j)
			j.Verify = true
			if j.Settle == 0 {
				j.Settle = blindSettle
			}
			extra := map[string]float64{"blind": blindRate}
			maps.Copy(extra, j.Extra)
			extra["at_sender"] = atSender
			j.Extra = extra
		},
	}
}

// blindServe is bulkServe with the counters of when the attack is over, which is when
// ctx ends.
func blindServe(ctx context.Context, l net.Listener, j *Job) (*Result, error) {
	first := &firstConn{Listener: l}
	r, err := bulkServe(ctx, first, j)
	if err != nil {
		return nil, err
	}
	return afterAttack(ctx, first.conn, j, r), nil
}

// blindDial is bulkDial, likewise.
func blindDial(ctx context.Context, dial DialFunc, j *Job) (*Result, error) {
	var conn net.Conn
	r, err := bulkDial(ctx, func(ctx context.Context) (c net.Conn, err error) {
		conn, err = dial(ctx)
		return conn, err
	}, j)
	if err != nil {
		return nil, err
	}
	return afterAttack(ctx, conn, j, r), nil
}

// A firstConn remembers the connection that it accepts.
type firstConn struct {
	net.Listener
	conn net.Conn
}

func (l *firstConn) Accept() (c net.Conn, err error) {
	l.conn, err = l.Listener.Accept()
	return l.conn, err
}

func afterAttack(ctx context.Context, c net.Conn, j *Job, r *Result) *Result {
	emit(Event{Event: "moved"})
	<-ctx.Done()
	end, before := time.Now().Add(seconds(j.Settle)), int64(-1)
	for looks := 0; ; looks++ {
		queued, drops := socketState(c.LocalAddr().String())
		r.Stats = connStats(j, c)
		r.Extra = map[string]float64{"socket_drops": float64(drops)}
		now := refused(r) + drops
		if queued > 0 || now != before {
			looks = 0
		}
		if looks == blindLooks || time.Now().After(end) {
			return r
		}
		before = now
		time.Sleep(blindLook)
	}
}

// refused is how many packets the end has refused that reports r.
func refused(r *Result) (n int64) {
	for _, name := range []string{"forged", "replayed", "unknown_ids", "wrong_source"} {
		n += int64(r.Stats[name])
	}
	return n
}

// errNothingSeen is the attacker's if the work was done before it knew whom to attack.
var errNothingSeen = errors.New("no packets of the connection seen")

// An Attack is what became of blind packets.
type Attack struct {
	Seconds    float64
	Sent       int64
	Handshakes int64 // of these, which the end that knows the socket ID reads and does not count
	Refused    int64 // counted as forged or replayed, or for a socket that does not exist
	Dropped    int64 // by the kernel, as the socket had no room. It may have been the peer's
	Accepted   int64 // the rest
}

// newAttack adds up what the attacker and the end that it attacked report.
func newAttack(attacker, end *Result, idKnown bool) *Attack {
	a := &Attack{Seconds: attacker.Seconds, Sent: attacker.Ops, Refused: refused(end), Dropped: int64(end.Extra["socket_drops"])}
	if idKnown {
		a.Handshakes = int64(attacker.Extra["handshakes"])
	}
	a.Accepted = max(0, a.Sent-a.Handshakes-a.Refused-a.Dropped)
	return a
}

var blindMetrics = []Metric{
	{Name: "goodput", Head: "goodput", Unit: "of baseline", Digits: 3, Spread: true, Of: func(r PairResult) (float64, bool) {
		return r.toBaseline("rate")
	}},
	{Name: "accepted", Head: "accepted", Unit: "packets", Lower: true, Spread: true, Of: ofAttack(func(a *Attack) float64 { return float64(a.Accepted) })},
	{Name: "sent", Head: "sent", Unit: "packets", Of: ofAttack(func(a *Attack) float64 { return float64(a.Sent) })},
	{Name: "attack", Head: "attack", Unit: "packets/s", Of: ofAttack(func(a *Attack) float64 { return float64(a.Sent) / a.Seconds })},
	{Name: "dropped", Head: "dropped", Unit: "by socket", Lower: true, Spread: true, Of: ofAttack(func(a *Attack) float64 { return float64(a.Dropped) })},
	bulkMetrics[0],
	{Name: "cpu", Head: "CPU", Unit: "of baseline", Digits: 3, Lower: true, Spread: true, Of: func(r PairResult) (float64, bool) {
		return r.toBaseline("cpu")
	}},
}

func ofAttack(of func(*Attack) float64) func(PairResult) (float64, bool) {
	return func(r PairResult) (float64, bool) {
		if r.Attack == nil {
			return 0, false
		}
		return of(r.Attack), true
	}
}

// toBaseline is a figure of bulk divided by that of the baseline.
func (r PairResult) toBaseline(name string) (float64, bool) {
	if r.Baseline == nil {
		return 0, false
	}
	for _, m := range bulkMetrics {
		if m.Name == name {
			a, ok := m.Of(r)
			b, known := m.Of(*r.Baseline)
			return a / b, ok && known && b > 0
		}
	}
	return 0, false
}
