package main

import (
	"context"
	"maps"
	"net"
	"time"
)

const (
	blindRate = 10_000 // packets per second

	// blindSettle is how long the ends wait for what is still in their sockets.
	blindSettle = 100 * time.Millisecond
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
	time.Sleep(blindSettle)
	r.Stats = connStats(j, c)
	r.Extra = map[string]float64{"socket_drops": float64(socketDrops(c.LocalAddr().String()))}
	return r
}

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
	a := &Attack{Seconds: attacker.Seconds, Sent: attacker.Ops, Dropped: int64(end.Extra["socket_drops"])}
	for _, name := range []string{"forged", "replayed", "unknown_ids", "wrong_source"} {
		a.Refused += int64(end.Stats[name])
	}
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
