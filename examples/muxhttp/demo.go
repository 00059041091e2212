package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/udtgo/udtgo/nettest"
	"github.com/udtgo/udtgo/nettest/simnet"
)

const (
	packetSize = 1500 // bytes of a full IP packet, what the path's rate is measured in
	maxLoads   = 1e6
)

// demonstrate loads the page in every way and reports how long that took.
func demonstrate(ctx context.Context, o *options) error {
	p := page{o.objects}
	ways, err := newWays(p)
	if err != nil {
		return err
	}
	fmt.Printf("A page with %d objects of 2 to 40 KiB, %.1f MB, loaded %d times: the document, then all objects at once.\n",
		p.objects, float64(p.bytes())/1e6, o.loads)
	fmt.Printf("Path: simulated, %g Mbit/s, %v round trip, %g %% loss each way, queue of %d packets; a load takes %.0f ms at least.\n",
		o.rate, o.rtt, o.loss, o.link().Queue, ms(o.least(p)))
	fmt.Printf("Each way has one connection, warm from a load that does not count.\n\n")
	fmt.Printf("%-24s  %8s  %29s  %16s\n", "", "packets", "ms to load an object", "ms for the page")
	fmt.Printf("%-24s  %8s  %5s  %6s  %6s  %6s  %7s  %7s\n", "", "lost", "p50", "p90", "p99", "max", "median", "max")
	for _, w := range ways {
		r, err := o.measure(ctx, w, p)
		if err != nil {
			if ctx.Err() != nil {
				err = errors.New("interrupted")
			}
			return fmt.Errorf("%s: %w", w.name, err)
		}
		r.print(w.name)
	}
	fmt.Printf("\nall bytes as they have to be\n")
	return nil
}

// link is one direction of the simulated path.
func (o *options) link() simnet.Link {
	bitsPerSecond := o.rate * 1e6
	return simnet.Link{
		Rate:  int64(bitsPerSecond),
		Delay: o.rtt / 2,
		Loss:  o.loss / 100,
		Queue: max(int(bitsPerSecond*o.rtt.Seconds()/8/packetSize), 10), // one bandwidth-delay product
	}
}

// least is what a load takes if nothing is lost: two round trips, and the objects.
func (o *options) least(p page) time.Duration {
	return 2*o.rtt + time.Duration(float64(p.bytes())*8/(o.rate*1e6)*float64(time.Second))
}

// A result is what the loads in one way gave.
type result struct {
	lost    uint64          // by the path, both ways
	objects []time.Duration // of all loads
	pages   []time.Duration
}

// measure loads the page in one way, over a path of its own.
func (o *options) measure(ctx context.Context, w *way, p page) (r *result, err error) {
	address, stop, err := w.serve(p.handler())
	if err != nil {
		return nil, err
	}
	relay, err := nettest.NewRelay(nettest.RelayConfig{Target: address.String(), Up: o.link(), Down: o.link(), Seed: 1})
	if err == nil {
		defer relay.Close() // after stop: the connection ends through it
	}
	defer func() {
		limit, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err = errors.Join(err, stop(limit))
	}()
	if err != nil {
		return nil, err
	}
	transport, end, err := w.dial(ctx, relay.Addr().String())
	if err != nil {
		return nil, err
	}
	defer end()
	b := &browser{client: &http.Client{Transport: transport}, scheme: w.scheme, page: p}
	r = new(result)
	for i := range o.loads + 1 {
		l, err := b.load(ctx, i)
		if err != nil {
			return nil, err
		}
		if i > 0 { // the first one warms the path
			r.objects = append(r.objects, l.objects...)
			r.pages = append(r.pages, l.total)
		}
	}
	s := relay.Stats()
	r.lost = s.Up.Lost + s.Up.QueueDrops + s.Down.Lost + s.Down.QueueDrops
	return r, nil
}

func (r *result) print(name string) {
	slices.Sort(r.objects)
	slices.Sort(r.pages)
	fmt.Printf("%-24s  %8d  %5.0f  %6.0f  %6.0f  %6.0f  %7.0f  %7.0f\n", name, r.lost,
		ms(quantile(r.objects, 0.5)), ms(quantile(r.objects, 0.9)), ms(quantile(r.objects, 0.99)), ms(quantile(r.objects, 1)),
		ms(quantile(r.pages, 0.5)), ms(quantile(r.pages, 1)))
}

// quantile returns the smallest value that the share q of the values, which are
// sorted, does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
