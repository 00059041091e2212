package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/udtgo/udtgo/nettest/bench/link"
)

const (
	requestStreams = 100
	requestSize    = 1 << 10 // bytes each way
	requestSettle  = 3       // seconds that do not count: start-up
)

// requestRecvBuffer lets one stream fill the link with every contender: some
// have windows by default that do not.
const requestRecvBuffer = 32 << 20

var (
	// At one per round trip each stream is always active.
	requests     = requestWork("requests", "100 streams, a request and a reply of 1 KiB every 100 ms on each", 0.1, 0)
	requestsBulk = requestWork("requests-bulk", "the same beside a stream that fills the rest of the link", 0.1, 1)

	// As many as quic-go's congestion control carries at this loss.
	requestsSlow = requestWork("requests-slow", "100 streams, a request and a reply of 1 KiB every second on each", 1, 0)
)

// requestWork is small requests on many streams of one session, over a path of
// scenario C that loses in both directions.
func requestWork(name, note string, every float64, bulks int) *Work {
	w := &Work{
		Name: name, Note: note + "; 100 Mbit/s, 100 ms, 1 % loss each way",
		Group: muxGroup, Contenders: []string{"mux", "mux-stream", "yamux-udt", "quic", "yamux-cubic", "yamux-bbr"},
		Runs: 3, Seconds: 20, Link: requestLink, Missing: wanMissing,
		Metrics: requestMetrics, Against: []string{"yamux-udt", "quic"},
		ServeSession: requestsServe, DialSession: requestsDial,
		Defaults: func(j *Job) {
			if j.Streams == 0 {
				j.Streams = requestStreams
			}
			if j.Size == 0 {
				j.Size = requestSize
			}
			if j.Every == 0 {
				j.Every = every
			}
			if j.Settle == 0 {
				j.Settle = requestSettle
			}
			j.Conns = bulks
			j.Options.MaxStreams = j.Streams + bulks
			if j.Contender == quicGo.Name || strings.HasPrefix(j.Contender, "yamux") {
				j.Options.RecvBuffer = requestRecvBuffer
			}
		},
	}
	if bulks > 0 {
		w.Metrics = requestBulkMetrics
	}
	if every < 1 {
		w.Contenders = slices.DeleteFunc(w.Contenders, func(name string) bool { return name == quicGo.Name })
	}
	return w
}

func requestLink(run int) link.Config {
	c := link.Symmetric(100e6, 100*time.Millisecond)
	c.Forward.Loss, c.Forward.Seed = 0.01, uint64(2*run+1)
	c.Reverse.Loss, c.Reverse.Seed = 0.01, uint64(2*run+2)
	return c
}

// A request begins with when it was due, in ns since 1970, and the number of its
// stream. That of the bulk stream is bulkNumber, and has no reply.
const (
	requestHeader = 16
	bulkNumber    = 1<<64 - 1
)

// requestsServe answers the requests of one session until ctx ends.
func requestsServe(ctx context.Context, l SessionListener, j *Job) (*Result, error) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	session, err := l.AcceptSession()
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { session.Close() })()
	var all sync.WaitGroup
	var served, bytes atomic.Int64
	s := begin()
	for {
		c, err := session.Accept()
		if err != nil {
			if ctx.Err() == nil {
				return nil, err
			}
			break
		}
		all.Go(func() {
			b := make([]byte, j.Size)
			for readFull(c, b) == nil {
				if binary.BigEndian.Uint64(b[8:]) == bulkNumber {
					_, _ = io.CopyBuffer(counted{&bytes}, struct{ io.Reader }{c}, make([]byte, bulkRead))
					return // the client has ended it, or the session
				}
				if _, err := c.Write(b); err != nil {
					return
				}
				served.Add(1)
			}
		})
	}
	all.Wait()
	r := s.end()
	r.Ops, r.Bytes = served.Load(), bytes.Load()
	return r, nil
}

// counted is a writer that counts.
type counted struct{ n *atomic.Int64 }

func (c counted) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}

// requestsDial makes requests on j.Streams streams for j.Seconds, after j.Settle,
// and waits for all replies. Requests are sent when they are due, whether or not
// those before were answered.
func requestsDial(ctx context.Context, dial SessionDialFunc, j *Job) (*Result, error) {
	session, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { session.Close() })()
	askers := make([]asker, j.Streams)
	for i := range askers {
		c, err := session.Open()
		if err != nil {
			return nil, fmt.Errorf("stream %d: %w", i, err)
		}
		askers[i] = asker{conn: c, job: j, number: uint64(i)}
	}
	s := begin()
	first := s.start
	last := first.Add(seconds(j.Settle + j.Seconds))
	var all, bulks sync.WaitGroup
	var sent int64
	for range j.Conns {
		c, err := session.Open()
		if err != nil {
			return nil, err
		}
		bulks.Go(func() { sent = fill(c, j, last) })
	}
	for i := range askers {
		a := &askers[i]
		a.first = first.Add(seconds(j.Every) * time.Duration(i) / time.Duration(len(askers)))
		a.count = first.Add(seconds(j.Settle))
		a.last = last
		all.Go(a.run)
	}
	all.Wait()
	bulks.Wait()
	r := s.end()
	var took []time.Duration
	for i := range askers {
		if err := askers[i].err; err != nil {
			return nil, fmt.Errorf("stream %d after %d replies: %w", i, len(askers[i].took), err)
		}
		took = append(took, askers[i].took...)
	}
	r.Ops, r.Bytes, r.Latency = int64(len(took)), sent, latency(took)
	r.Stats = sessionStats(j, session)
	return r, nil
}

// fill writes until a time. What is then on its way does not matter.
func fill(c net.Conn, j *Job, last time.Time) (sent int64) {
	_ = c.SetWriteDeadline(last)
	head := make([]byte, j.Size)
	binary.BigEndian.PutUint64(head[8:], bulkNumber)
	b := make([]byte, bulkWrite)
	fillChunk(b)
	for _, err := c.Write(head); err == nil && time.Now().Before(last); {
		var n int
		n, err = c.Write(b)
		sent += int64(n)
	}
	return sent
}

// An asker makes the requests of one stream.
type asker struct {
	conn               net.Conn
	job                *Job
	number             uint64
	first, count, last time.Time // when the first is due, the first that counts, and none any more

	took []time.Duration
	err  error
}

func (a *asker) run() {
	patience := a.last.Add(20 * time.Second)
	_ = a.conn.SetReadDeadline(patience)
	written := make(chan error, 1)
	every := seconds(a.job.Every)
	total := int(a.last.Sub(a.first) / every)
	go func() {
		b := make([]byte, a.job.Size)
		var err error
		for i := range total {
			due := a.first.Add(every * time.Duration(i))
			time.Sleep(time.Until(due))
			binary.BigEndian.PutUint64(b, uint64(due.UnixNano()))
			binary.BigEndian.PutUint64(b[8:], a.number)
			if _, err = a.conn.Write(b); err != nil {
				break
			}
		}
		written <- err
	}()
	b := make([]byte, a.job.Size)
	for i := range total {
		if a.err = readFull(a.conn, b); a.err != nil {
			break
		}
		due := a.first.Add(every * time.Duration(i))
		if got := binary.BigEndian.Uint64(b); got != uint64(due.UnixNano()) || binary.BigEndian.Uint64(b[8:]) != a.number {
			a.err = fmt.Errorf("a reply to another request than number %d", i)
			break
		}
		if !due.Before(a.count) {
			a.took = append(a.took, time.Since(due))
		}
	}
	if a.err != nil {
		_ = a.conn.SetWriteDeadline(time.Unix(1, 0))
	}
	if err := <-written; a.err == nil {
		a.err = err
	}
}
