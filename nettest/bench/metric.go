package main

import "slices"

// A Metric is one figure of a work.
type Metric struct {
	Name  string // in JSON and in the targets
	Head  string // of the column
	Unit  string
	Lower bool // lower is better: a ratio above 1 is then worse

	// Of returns the figure of one run; false means that there is none.
	Of func(PairResult) (float64, bool)

	// Syscalls means that the figure is of a run whose system calls were counted,
	// which is not a timed one.
	Syscalls bool

	Digits int
	Spread bool // print the range too
}

// packetBytes is the payload of a packet of 1500 bytes, of which allocations are
// counted.
const packetBytes = 1456

var bulkMetrics = []Metric{
	{Name: "rate", Head: "rate", Unit: "Gbit/s", Digits: 2, Spread: true, Of: func(r PairResult) (float64, bool) {
		return float64(r.Server.Bytes) * 8 / 1e9 / r.Server.Seconds, r.Server.Seconds > 0
	}},
	{Name: "cpu", Head: "CPU", Unit: "s/GB", Digits: 2, Spread: true, Lower: true, Of: func(r PairResult) (float64, bool) {
		return (r.Server.CPU + r.Client.CPU) / float64(r.Server.Bytes) * 1e9, r.Server.Bytes > 0 && r.Server.CPU > 0
	}},
	{Name: "peak_send", Head: "peak send", Unit: "MiB", Lower: true, Of: func(r PairResult) (float64, bool) {
		return float64(r.Client.PeakMemory) / (1 << 20), r.Client.PeakMemory > 0
	}},
	{Name: "peak_recv", Head: "peak recv", Unit: "MiB", Lower: true, Of: func(r PairResult) (float64, bool) {
		return float64(r.Server.PeakMemory) / (1 << 20), r.Server.PeakMemory > 0
	}},
	{Name: "allocs", Head: "allocs", Unit: "/packet", Digits: 3, Lower: true, Of: func(r PairResult) (float64, bool) {
		packets := float64(r.Server.Bytes) / packetBytes
		return float64(r.Client.Mallocs+r.Server.Mallocs) / packets, packets > 0 && r.Client.Mallocs >= 0 && r.Server.Mallocs >= 0
	}},
	{Name: "syscalls", Head: "syscalls", Unit: "/MB", Digits: 1, Lower: true, Syscalls: true, Of: func(r PairResult) (float64, bool) {
		return float64(r.ServerCalls+r.ClientCalls) / float64(r.Server.Bytes) * 1e6, r.Server.Bytes > 0 && r.ServerCalls > 0 && r.ClientCalls > 0
	}},
	{Name: "lost", Head: "lost", Unit: "%", Digits: 3, Lower: true, Of: func(r PairResult) (float64, bool) {
		sent := r.Client.Stats["packets_sent"]
		return 100 * r.Client.Stats["lost_send"] / sent, sent > 0
	}},
}

// sharesMetrics are further ones of several connections at once.
var sharesMetrics = []Metric{
	{Name: "share_min", Head: "least", Unit: "of mean", Digits: 2, Of: func(r PairResult) (float64, bool) { return share(r, slices.Min) }},
	{Name: "share_max", Head: "most", Unit: "of mean", Digits: 2, Lower: true, Of: func(r PairResult) (float64, bool) { return share(r, slices.Max) }},
}

func share(r PairResult, of func([]int64) int64) (float64, bool) {
	s := r.Server.Shares
	if len(s) == 0 || r.Server.Bytes == 0 {
		return 0, false
	}
	return float64(of(s)) * float64(len(s)) / float64(r.Server.Bytes), true
}

var exchangeMetrics = []Metric{
	quantile("p50", "p50", true, func(l *Latency) float64 { return l.P50 }),
	quantile("p99", "p99", true, func(l *Latency) float64 { return l.P99 }),
	quantile("p999", "p99.9", false, func(l *Latency) float64 { return l.P999 }),
	{Name: "rate", Head: "rate", Unit: "/s", Of: opsRate},
	{Name: "cpu", Head: "CPU", Unit: "µs each", Digits: 1, Lower: true, Of: cpuPerOp},
	{Name: "allocs", Head: "allocs", Unit: "each", Digits: 2, Lower: true, Of: allocsPerOp},
	{Name: "syscalls", Head: "syscalls", Unit: "each", Digits: 1, Lower: true, Syscalls: true, Of: callsPerOp},
}

var setupMetrics = []Metric{
	{Name: "rate", Head: "rate", Unit: "/s", Spread: true, Of: opsRate},
	{Name: "cpu", Head: "CPU", Unit: "µs each", Lower: true, Of: cpuPerOp},
	{Name: "failed", Head: "failed", Unit: "dials", Lower: true, Of: func(r PairResult) (float64, bool) { return float64(r.Client.Failed), true }},
	{Name: "peak_dial", Head: "peak dial", Unit: "MiB", Lower: true, Of: func(r PairResult) (float64, bool) {
		return float64(r.Client.PeakMemory) / (1 << 20), r.Client.PeakMemory > 0
	}},
	{Name: "peak_accept", Head: "peak accept", Unit: "MiB", Lower: true, Of: func(r PairResult) (float64, bool) {
		return float64(r.Server.PeakMemory) / (1 << 20), r.Server.PeakMemory > 0
	}},
	{Name: "syscalls", Head: "syscalls", Unit: "each", Digits: 1, Lower: true, Syscalls: true, Of: callsPerOp},
}

var openMetrics = []Metric{
	{Name: "rate", Head: "rate", Unit: "/s", Spread: true, Of: opsRate},
	{Name: "cpu", Head: "CPU", Unit: "µs each", Digits: 1, Spread: true, Lower: true, Of: cpuPerOp},
	{Name: "allocs", Head: "allocs", Unit: "each", Digits: 1, Lower: true, Of: allocsPerOp},
	{Name: "allocated", Head: "allocated", Unit: "B each", Lower: true, Of: func(r PairResult) (float64, bool) {
		ops := float64(r.Client.Ops)
		return float64(r.Client.AllocBytes+r.Server.AllocBytes) / ops, ops > 0 && r.Client.AllocBytes >= 0 && r.Server.AllocBytes >= 0
	}},
	quantile("p50", "p50", false, func(l *Latency) float64 { return l.P50 }),
	quantile("p99", "p99", false, func(l *Latency) float64 { return l.P99 }),
	{Name: "syscalls", Head: "syscalls", Unit: "each", Digits: 1, Lower: true, Syscalls: true, Of: callsPerOp},
}

var idleMetrics = []Metric{
	idleFigure("heap_dial", "heap dial", "B each", 0, func(d, _ *Idle) float64 { return d.HeapPerConn }),
	idleFigure("heap_accept", "heap accept", "B each", 0, func(_, a *Idle) float64 { return a.HeapPerConn }),
	idleFigure("rss_dial", "RSS dial", "B each", 0, func(d, _ *Idle) float64 { return d.RSSPerConn }),
	idleFigure("rss_accept", "RSS accept", "B each", 0, func(_, a *Idle) float64 { return a.RSSPerConn }),
	idleFigure("goroutines_per_conn", "goroutines", "each end", 2, func(d, a *Idle) float64 {
		return max(float64(d.Goroutines)/float64(d.Conns), float64(a.Goroutines)/float64(a.Conns))
	}),
	idleFigure("cpu", "CPU both", "% of a core", 2, func(d, a *Idle) float64 { return 100 * (d.CPU/d.Watched + a.CPU/a.Watched) }),
	idleFigure("conns", "connections", "", 0, func(d, _ *Idle) float64 { return float64(d.Conns) }),
	idleFigure("dialed", "opened", "/s", 0, func(d, _ *Idle) float64 { return float64(d.Conns) / d.DialSeconds }),
}

func idleFigure(name, head, unit string, digits int, of func(dial, accept *Idle) float64) Metric {
	return Metric{Name: name, Head: head, Unit: unit, Digits: digits, Lower: name != "dialed", Of: func(r PairResult) (float64, bool) {
		if r.Client.Idle == nil || r.Server.Idle == nil {
			return 0, false
		}
		return of(r.Client.Idle, r.Server.Idle), true
	}}
}

func quantile(name, head string, spread bool, of func(*Latency) float64) Metric {
	return Metric{Name: name, Head: head, Unit: "µs", Digits: 1, Lower: true, Spread: spread, Of: func(r PairResult) (float64, bool) {
		if r.Client.Latency == nil {
			return 0, false
		}
		return of(r.Client.Latency), true
	}}
}

func opsRate(r PairResult) (float64, bool) {
	return float64(r.Client.Ops) / r.Client.Seconds, r.Client.Seconds > 0
}

// cpuPerOp counts the server's warm-up as well, which is the price of not
// telling it when the client begins to measure.
func cpuPerOp(r PairResult) (float64, bool) {
	return (r.Client.CPU + r.Server.CPU) / float64(r.Client.Ops) * 1e6, r.Client.Ops > 0 && r.Client.CPU > 0
}

func allocsPerOp(r PairResult) (float64, bool) {
	ops := float64(r.Client.Ops)
	return float64(r.Client.Mallocs+r.Server.Mallocs) / ops, ops > 0 && r.Client.Mallocs >= 0 && r.Server.Mallocs >= 0
}

func callsPerOp(r PairResult) (float64, bool) {
	return float64(r.ServerCalls+r.ClientCalls) / float64(r.Client.Ops), r.Client.Ops > 0 && r.ServerCalls > 0 && r.ClientCalls > 0
}

var requestMetrics = []Metric{
	inMilliseconds("p99", "p99", func(l *Latency) float64 { return l.P99 }),
	inMilliseconds("p50", "p50", func(l *Latency) float64 { return l.P50 }),
	inMilliseconds("p999", "p99.9", func(l *Latency) float64 { return l.P999 }),
	inMilliseconds("max", "max", func(l *Latency) float64 { return l.Max }),
	{Name: "requests", Head: "requests", Of: func(r PairResult) (float64, bool) { return float64(r.Client.Ops), true }},
	{Name: "late", Head: "late", Unit: "ms", Digits: 2, Lower: true, Of: func(r PairResult) (float64, bool) {
		if r.Link == nil {
			return 0, false
		}
		return milliseconds(r.Link.late()), true
	}},
	{Name: "cpu", Head: "CPU", Unit: "% of a core", Digits: 1, Lower: true, Of: func(r PairResult) (float64, bool) {
		return 100 * (r.Client.CPU + r.Server.CPU) / r.Client.Seconds, r.Client.Seconds > 0 && r.Client.CPU > 0
	}},
}

var requestBulkMetrics = append(requestMetrics[:len(requestMetrics):len(requestMetrics)],
	Metric{Name: "bulk", Head: "bulk", Unit: "Mbit/s", Digits: 1, Of: func(r PairResult) (float64, bool) {
		return float64(r.Server.Bytes) * 8 / 1e6 / r.Client.Seconds, r.Client.Seconds > 0
	}})

func inMilliseconds(name, head string, of func(*Latency) float64) Metric {
	m := quantile(name, head, name == "p99", func(l *Latency) float64 { return of(l) / 1000 })
	m.Unit = "ms"
	return m
}
