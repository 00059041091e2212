package main

import (
	"fmt"
	"time"
)

// A Job is what one child process does. The parent gives it to both sides; Role
// and Addr are filled in for each.
type Job struct {
	Role      string // "server", "client" or "attacker"
	Contender string
	Work      string
	Addr      string // to listen on, or to dial
	Options   Options

	Seconds float64 // how long to work, unless Bytes is set
	Bytes   int64   // bulk: how much to send; setup and rr: ignored
	Size    int     // bytes per write or per request
	Reply   int     // bytes per reply
	Conns   int     // connections, at once or in all, as the work says
	Streams int     // streams of a session

	// Interval is the seconds per element of Result.Series, which the
	// receiver of a bulk transfer fills in. Zero means no series.
	Interval float64

	Every         float64 // requests: seconds from one to the next on a stream
	Settle, Watch float64 // idle: seconds before and of the measurement of CPU time. requests: seconds that do not count. blind: seconds at most for what is in the sockets
	Verify        bool    // bulk: compare every byte that arrives
	OnePort       bool    // dial through Contender.OnePort where there is one

	// Timeout in seconds ends the child whatever it does.
	Timeout float64

	// Extra is for works that need more.
	Extra map[string]float64 `json:",omitempty"`
}

// args is the Job as the arguments of a Contender.Program: the role, then
// name=value for what a program can need.
func (j *Job) args() []string {
	return []string{
		j.Role,
		"work=" + j.Work, "addr=" + j.Addr,
		fmt.Sprintf("seconds=%g", j.Seconds), fmt.Sprintf("bytes=%d", j.Bytes),
		fmt.Sprintf("size=%d", j.Size), fmt.Sprintf("reply=%d", j.Reply),
		fmt.Sprintf("conns=%d", j.Conns), fmt.Sprintf("interval=%g", j.Interval),
		fmt.Sprintf("settle=%g", j.Settle), fmt.Sprintf("watch=%g", j.Watch),
		fmt.Sprintf("verify=%t", j.Verify), fmt.Sprintf("timeout=%g", j.Timeout),
		fmt.Sprintf("sendbuffer=%d", j.Options.SendBuffer), fmt.Sprintf("recvbuffer=%d", j.Options.RecvBuffer),
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// A Result is what one child measured, over its measured section only: a
// connection's first byte to its last, or the time a client worked.
type Result struct {
	Bytes   int64   // payload received or sent
	Ops     int64   `json:",omitempty"` // round trips or connections
	Failed  int64   `json:",omitempty"` // dials that failed
	Seconds float64 // length of the section

	// Start and End of the section, in ns since 1970: both sides have one clock.
	Start, End int64

	CPU        float64 // seconds, user and system
	PeakMemory int64   // bytes resident, of the process's whole life
	Mallocs    int64   // objects allocated; -1 unknown
	AllocBytes int64   // bytes allocated; -1 unknown

	Latency *Latency           `json:",omitempty"`
	Shares  []int64            `json:",omitempty"` // bytes of each connection
	Series  []int64            `json:",omitempty"` // bytes received in each Job.Interval since the first connection
	Idle    *Idle              `json:",omitempty"`
	Extra   map[string]float64 `json:",omitempty"`

	// Stats is a snapshot of the transport's own counters, where it has some.
	Stats map[string]float64 `json:",omitempty"`
}

// Latency is the distribution of round trips, in microseconds.
type Latency struct{ P50, P99, P999, Max float64 }

// Idle is what connections cost that do nothing.
type Idle struct {
	Conns       int
	HeapPerConn float64 // bytes of live heap and stacks each, after GC
	RSSPerConn  float64 // bytes resident each
	Goroutines  int     // more than before
	CPU         float64 // seconds used while watched
	Watched     float64 // seconds
	DialSeconds float64 `json:",omitempty"` // to open all of them
}

// An Event is one line on a child's standard output.
type Event struct {
	Event  string  `json:"event"` // "listening", "connected" (libudt's bulk only), "moved", "result" or "error"
	Addr   string  `json:"addr,omitempty"`
	Error  string  `json:"error,omitempty"`
	Result *Result `json:"result,omitempty"`
}
