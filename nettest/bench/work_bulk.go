package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	bulkWrite = 64 << 10
	bulkRead  = 256 << 10
)

var (
	bulk    = bulkWork("bulk", "one connection, writes of 64 KiB", 1, bulkWrite)
	bulk8   = bulkWork("bulk8", "8 connections at once, writes of 64 KiB", 8, bulkWrite)
	write4k = bulkWork("write4k", "one connection, writes of 4 KiB", 1, 4<<10)
)

func bulkWork(name, note string, conns, size int) *Work {
	metrics := bulkMetrics
	if conns > 1 {
		metrics = slices.Concat(metrics, sharesMetrics)
	}
	return &Work{
		Name: name, Note: note, Serve: bulkServe, Dial: bulkDial,
		Metrics: metrics, Against: []string{"raw", "raw-nopoll", "tcp", "libudt", "quic", "kcp"},
		Defaults: func(j *Job) {
			if j.Conns == 0 {
				j.Conns = conns
			}
			if j.Size == 0 {
				j.Size = size
			}
		},
	}
}

// bulkServe receives on j.Conns connections. The section is from the first one's
// acceptance to the last byte.
func bulkServe(ctx context.Context, l net.Listener, j *Job) (*Result, error) {
	var conns []net.Conn
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var s section
	for i := range j.Conns {
		c, err := l.Accept()
		if err != nil {
			return nil, err
		}
		if i == 0 {
			s = begin()
		}
		conns = append(conns, c)
	}
	sinks := make([]sink, len(conns))
	var all sync.WaitGroup
	for i, c := range conns {
		sinks[i] = sink{conn: c, job: j, start: s.start}
		all.Go(func() { sinks[i].run(ctx) })
	}
	all.Wait()
	r := s.end()
	r.Stats = connStats(j, conns[0])
	for i := range sinks {
		if err := sinks[i].err; err != nil {
			return nil, fmt.Errorf("connection %d after %d bytes: %w", i, sinks[i].bytes, err)
		}
		r.Bytes += sinks[i].bytes
		r.Shares = append(r.Shares, sinks[i].bytes)
		r.addSeries(sinks[i].series)
	}
	if len(conns) == 1 {
		r.Shares = nil
	}
	return r, nil
}

func (r *Result) addSeries(series []int64) {
	for len(r.Series) < len(series) {
		r.Series = append(r.Series, 0)
	}
	for i, n := range series {
		r.Series[i] += n
	}
}

// A bulkMover is a connection without a byte stream, which does the transfer in
// its own way and keeps count in the source and the sink.
type bulkMover interface {
	sendBulk(*source) error
	receiveBulk(*sink) error
}

// A sink receives one bulk stream.
type sink struct {
	conn  net.Conn
	job   *Job
	start time.Time
	read  int // bytes per Read, bulkRead if zero

	bytes  int64
	series []int64
	err    error
}

// run reads to the last chunk and answers with one byte. It stops early, without
// error, when ctx ends.
func (s *sink) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { s.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if m, ok := s.conn.(bulkMover); ok {
		if err := m.receiveBulk(s); err != nil && ctx.Err() == nil {
			s.err = err
		}
		return
	}
	chunks := newChunkReader(s.job.Size, s.job.Verify)
	b := make([]byte, cmp.Or(s.read, bulkRead))
	for !chunks.done {
		n, err := s.conn.Read(b)
		s.bytes += int64(n)
		s.note(n)
		if err == nil {
			err = chunks.add(b[:n])
		}
		if err != nil {
			if ctx.Err() == nil {
				s.err = err
			}
			return
		}
	}
	// The source, which does not get it, says so if this fails; and it may seem to fail
	// although the source has got it, and has ended the session under a stream.
	_, _ = s.conn.Write([]byte{1})
}

// note adds to the series.
func (s *sink) note(n int) {
	if s.job.Interval <= 0 {
		return
	}
	i := int(time.Since(s.start).Seconds() / s.job.Interval)
	for len(s.series) <= i {
		s.series = append(s.series, 0)
	}
	s.series[i] += int64(n)
}

// bulkDial sends on j.Conns connections, each for j.Seconds or j.Bytes. The
// section is from the first write to the receivers' word that all has arrived.
func bulkDial(ctx context.Context, dial DialFunc, j *Job) (*Result, error) {
	conns := make([]net.Conn, j.Conns)
	for i := range conns {
		c, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		conns[i] = c
	}
	s := begin()
	sources := make([]source, len(conns))
	var all sync.WaitGroup
	for i, c := range conns {
		sources[i] = source{conn: c, job: j, start: s.start}
		all.Go(func() { sources[i].err = sources[i].run(ctx) })
	}
	all.Wait()
	r := s.end()
	r.Stats = connStats(j, conns[0])
	for i := range sources {
		if err := sources[i].err; err != nil {
			return nil, fmt.Errorf("connection %d after %d bytes: %w", i, sources[i].bytes, err)
		}
		r.Bytes += sources[i].bytes
	}
	return r, nil
}

// A source sends one bulk stream.
type source struct {
	conn  net.Conn
	job   *Job
	start time.Time
	bytes int64
	err   error
}

func (s *source) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if m, ok := s.conn.(bulkMover); ok {
		return m.sendBulk(s)
	}
	chunk := make([]byte, s.job.Size)
	fillChunk(chunk)
	for index, last := uint64(0), false; !last; index++ {
		if s.job.Bytes > 0 {
			last = s.bytes+int64(len(chunk)) >= s.job.Bytes
		} else {
			last = time.Since(s.start).Seconds() >= s.job.Seconds
		}
		putChunkHeader(chunk, index, last)
		n, err := s.conn.Write(chunk)
		s.bytes += int64(n)
		if err != nil {
			return err
		}
	}
	return readFull(s.conn, chunk[:1])
}

// connStats returns the counters of a connection whose transport has some.
func connStats(j *Job, c net.Conn) map[string]float64 {
	if k, err := contender(j.Contender); err == nil && k.Stats != nil {
		return k.Stats(c)
	}
	return nil
}
