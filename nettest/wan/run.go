package wan

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/udtgo/udtgo/nettest/internal/libudtmodel"
	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// defaultInterval is how often the state of a run is noted.
const defaultInterval = 100 * time.Millisecond

// writeSize is how much a transfer writes at once, in bytes.
const writeSize = 256 << 10

// Options say what is run over a [Scenario].
type Options struct {
	// Seed is for the random choices of the network.
	Seed uint64

	// Controllers make the congestion controllers of the flows, one each;
	// the last one serves for the rest. A nil function, and no function at
	// all, is the default of package udt.
	Controllers []func() udt.CongestionControl

	// Legacy makes the receivers behave as the C++ library's.
	Legacy bool

	// Config configures the connections, except for CongestionControl.
	// Nil is the default.
	Config *udt.Config

	// Interval is how often the state of the flows is noted. Zero is 100 ms.
	Interval time.Duration

	// Trace, if not nil, is called for each flow at each Interval.
	Trace func(Point)
}

// A Point is the state of a flow at one moment.
type Point struct {
	Flow      int
	Time      time.Duration // since the start of the run
	Delivered int64         // payload bytes so far
	Queue     int           // datagrams that wait for the bottleneck
	Drops     uint64        // datagrams that found the queue full, of all flows
	Stats     udt.Stats     // of the sender
}

var (
	senders   = netip.MustParseAddr("10.0.0.1")
	receivers = netip.MustParseAddr("10.0.0.2")
)

// firstPort is that of the first flow, at both ends.
const firstPort = 5000

// Run makes the transfers of a scenario and returns what became of them. It
// returns at their end and leaves nothing behind. Call it in
// a testing/synctest bubble, or it takes as long as it says.
func Run(s Scenario, o Options) (*Result, error) {
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	r := &run{scenario: s, options: o, made: time.Now()}
	r.net = simnet.New(simnet.Config{Seed: o.Seed, RecvBuffer: 64 << 20})
	r.net.SetLink(senders, receivers, s.Link(0))
	r.net.SetLink(receivers, senders, s.Back())
	defer r.close()
	for i := range s.Flows {
		if err := r.connect(i); err != nil {
			return nil, err
		}
	}
	return r.transfer(), nil
}

// run is one run of a scenario.
type run struct {
	scenario Scenario
	options  Options
	net      *simnet.Network
	made     time.Time
	flows    []*flow
	closers  []io.Closer
	wg       sync.WaitGroup
}

// flow is one transfer.
type flow struct {
	conn   *udt.Conn
	count  counter
	series []int64
	failed atomic.Pointer[error] // of writing, during the run
}

func (r *run) close() {
	for _, f := range r.flows {
		f.conn.Abort()
	}
	for _, c := range r.closers {
		c.Close()
	}
	r.net.Close()
	r.wg.Wait()
}

// config is that of flow i.
func (r *run) config(i int) *udt.Config {
	c := r.options.Config.Clone()
	if c == nil {
		c = &udt.Config{}
	}
	if k := r.options.Controllers; len(k) > 0 {
		c.CongestionControl = k[min(i, len(k)-1)]
	}
	return c
}

// connect establishes flow i.
func (r *run) connect(i int) error {
	f := &flow{}
	from := netip.AddrPortFrom(senders, firstPort+uint16(i))
	to := netip.AddrPortFrom(receivers, firstPort+uint16(i))
	listen := r.listen
	if r.options.Legacy {
		listen = r.listenLegacy
	}
	if err := listen(f, to); err != nil {
		return err
	}
	pc, err := r.net.Listen(from)
	if err != nil {
		return err
	}
	e, err := udt.NewEndpoint(pc, nil)
	if err != nil {
		return err
	}
	r.closers = append(r.closers, e)
	f.conn, err = e.DialContext(context.Background(), "udt", to.String(), r.config(i))
	if err != nil {
		return err
	}
	r.flows = append(r.flows, f)
	return nil
}

// listen makes a receiver of package udt that reads all the time.
func (r *run) listen(f *flow, at netip.AddrPort) error {
	pc, err := r.net.Listen(at)
	if err != nil {
		return err
	}
	e, err := udt.NewEndpoint(pc, nil)
	if err != nil {
		return err
	}
	r.closers = append(r.closers, e)
	l, err := e.Listen(r.options.Config)
	if err != nil {
		return err
	}
	r.wg.Go(func() {
		c, err := l.AcceptUDT()
		if err != nil {
			return
		}
		defer c.Abort()
		for b := make([]byte, writeSize); err == nil; {
			var n int
			n, err = c.Read(b)
			f.count.add(n)
		}
	})
	return nil
}

// listenLegacy makes a receiver that behaves as the C++ library's.
func (r *run) listenLegacy(f *flow, at netip.AddrPort) error {
	pc, err := r.net.Listen(at)
	if err != nil {
		return err
	}
	m := libudtmodel.Listen(pc, libudtmodel.Config{Delivered: f.count.add})
	r.closers = append(r.closers, m)
	return nil
}

// transfer runs all flows for the duration of the scenario.
func (r *run) transfer() *Result {
	s := &r.scenario
	start := time.Now()
	r.net.SetLink(senders, receivers, s.Link(start.Sub(r.made)))
	before := r.net.LinkStats(senders, receivers)
	for _, f := range r.flows {
		f.count.start = start
		r.wg.Go(func() {
			b := make([]byte, writeSize)
			for {
				if _, err := f.conn.Write(b); err != nil {
					f.failed.Store(&err)
					return
				}
			}
		})
	}
	for t := r.options.Interval; t <= s.Duration; t += r.options.Interval {
		time.Sleep(time.Until(start.Add(t)))
		for i, f := range r.flows {
			n, _ := f.count.get()
			f.series = append(f.series, n)
			if r.options.Trace != nil {
				st := r.net.LinkStats(senders, receivers)
				r.options.Trace(Point{
					Flow: i, Time: t, Delivered: n,
					Queue: st.Queue, Drops: st.QueueDrops, Stats: f.conn.Stats(),
				})
			}
		}
	}
	return r.result(before, r.net.LinkStats(senders, receivers))
}

// result sums up.
func (r *run) result(before, after simnet.Stats) *Result {
	res := &Result{
		Scenario: r.scenario, Seed: r.options.Seed, Interval: r.options.Interval,
		Queue: after.MeanQueue / float64(r.scenario.Queue), MaxQueue: after.MaxQueue,
		Offered: after.Sent - before.Sent, QueueDrops: after.QueueDrops - before.QueueDrops,
		Lost: after.Lost + after.BurstLost - before.Lost - before.BurstLost,
		Err:  r.broken(),
	}
	for _, f := range r.flows {
		_, first := f.count.get()
		res.Flows = append(res.Flows, Flow{Delivered: f.series, First: first, Stats: f.conn.Stats()})
	}
	return res
}

// broken says which flows did not last until the end.
func (r *run) broken() error {
	var errs []error
	for _, f := range r.flows {
		if err := f.failed.Load(); err != nil {
			errs = append(errs, *err)
		}
	}
	return errors.Join(errs...)
}
