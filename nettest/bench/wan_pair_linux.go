package main

import (
	"context"
	"time"

	"github.com/udtgo/udtgo/nettest/bench/link"
)

// A wanPair is the two processes of one flow.
type wanPair struct {
	entry          wanEntry
	server, client *Child
	began          time.Time // about when the client was started
	sent, received *Result
}

func (p *wanPair) job(name string, duration float64) Job {
	work := "flow"
	if c, err := contender(name); err == nil && c.Program != nil {
		work = "bulk" // the same for the peer
	}
	j := wanJob(name, work)
	j.Size, j.Seconds, j.Interval = bulkWrite, duration, wanInterval
	j.Timeout = duration + 2*wanPatience.Seconds()
	return j
}

func (p *wanPair) listen(ctx context.Context, l *link.Link, duration float64) (err error) {
	j := p.job(p.entry.receiver, duration)
	j.Role = "server"
	p.server, err = StartChild(ctx, j, l.Command(link.B)...)
	return err
}

func (p *wanPair) dial(ctx context.Context, l *link.Link, duration float64) error {
	addr, err := p.server.Listening(ctx)
	if err != nil {
		return err
	}
	j := p.job(p.entry.sender, duration)
	j.Role, j.Addr = "client", addr
	p.began = time.Now()
	p.client, err = StartChild(ctx, j, l.Command(link.A)...)
	return err
}

// send waits until the sender's time is up.
func (p *wanPair) send(ctx context.Context, duration float64) (err error) {
	limited, cancel := context.WithDeadline(ctx, p.began.Add(seconds(duration)+wanPatience))
	defer cancel()
	if p.client.job.Work == "bulk" {
		if _, err = p.client.next(limited, "connected"); err != nil {
			return err
		}
		// It would wait for all to arrive. We do not.
		limited, cancel = context.WithTimeout(ctx, seconds(duration)+time.Second)
		defer cancel()
	}
	p.sent, err = p.client.Result(limited)
	if err != nil && p.client.job.Work == "bulk" && ctx.Err() == nil && limited.Err() != nil {
		return nil
	}
	return err
}

// stop has the receiver report.
func (p *wanPair) stop(ctx context.Context) (err error) {
	p.server.Stop()
	p.received, err = p.server.Result(ctx)
	return err
}

// end ends both processes.
func (p *wanPair) end() {
	for _, c := range []*Child{p.client, p.server} {
		if c != nil {
			c.Kill()
			c.Wait()
		}
	}
}

// flow says what the receiver got, counted from the sender's first write on.
func (p *wanPair) flow(s *wanScenario, duration float64) wanOneFlow {
	from := p.received.Start + int64(s.rtt/2) // libudt's sender: about when it learns that it is connected
	if p.sent != nil {
		from = p.sent.Start
	}
	share := func(begin, end float64) float64 {
		bytes := p.received.bytesBetween(from+int64(begin*1e9), from+int64(end*1e9), wanInterval)
		return bytes * 8 / (end - begin) / float64(s.rate)
	}
	f := wanOneFlow{Contender: p.entry.String(), Received: p.received, Sent: p.sent, Goodput: share(0, duration)}
	if s.after < duration {
		f.Later = share(s.after, duration)
	}
	for t := 1.; t <= duration; t++ {
		f.Seconds = append(f.Seconds, share(t-1, t))
	}
	p.received.Series = nil // in hundredths of seconds: too much to report
	return f
}
