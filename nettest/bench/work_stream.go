package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
)

// muxGroup is the command that runs the works about streams.
const muxGroup = "mux"

// streamWrite is what each of many streams writes and reads at once, in bytes.
const streamWrite = 16 << 10

// bulkOfStreams are the contenders of works that compare streams with the bare
// connections under them.
var bulkOfStreams = []string{
	"udt", "udt-message", "udt-packets", "tcp",
	"mux", "mux-stream", "mux-tcp", "yamux-udt", "yamux", "quic",
}

var (
	stream1    = streamWork("stream1", "one stream of a session, writes of 64 KiB; without streams: one connection", bulkMetrics)
	stream1000 = manyStreams()
)

func streamWork(name, note string, metrics []Metric) *Work {
	w := bulkWork(name, note, 1, bulkWrite)
	w.Group, w.Contenders, w.Metrics = muxGroup, bulkOfStreams, metrics
	w.Against = []string{"udt", "udt-packets", "tcp", "yamux-udt", "yamux", "quic"}
	return w
}

// manyStreams is a work of which contenders without streams do stream1.
func manyStreams() *Work {
	w := streamWork("stream1000", "1000 streams of one session at once, writes of 16 KiB; without streams: one connection, writes of 64 KiB",
		slices.Concat(bulkMetrics, sharesMetrics))
	w.ServeSession, w.DialSession = streamsServe, streamsDial
	defaults := w.Defaults
	w.Defaults = func(j *Job) {
		defaults(j)
		if j.Streams == 0 {
			j.Streams = 1000
		}
		j.Options.MaxStreams = j.Streams
	}
	return w
}

// streamsServe receives on j.Streams streams of one session, as bulkServe on
// connections.
func streamsServe(ctx context.Context, l SessionListener, j *Job) (*Result, error) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	session, err := l.AcceptSession()
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { session.Close() })()
	var s section
	sinks := make([]sink, j.Streams)
	var all sync.WaitGroup
	for i := range sinks {
		c, err := session.Accept()
		if err != nil {
			return nil, fmt.Errorf("after %d streams: %w", i, err)
		}
		if i == 0 {
			s = begin()
		}
		sinks[i] = sink{conn: c, job: sizedAs(j, streamWrite), start: s.start, read: streamWrite}
		all.Go(func() { sinks[i].run(ctx) })
	}
	all.Wait()
	r := s.end()
	r.Stats = sessionStats(j, session)
	for i := range sinks {
		if err := sinks[i].err; err != nil {
			return nil, fmt.Errorf("stream %d after %d bytes: %w", i, sinks[i].bytes, err)
		}
		r.Bytes += sinks[i].bytes
		r.Shares = append(r.Shares, sinks[i].bytes)
		r.addSeries(sinks[i].series)
	}
	return r, nil
}

// streamsDial sends on j.Streams streams of one session. J.Bytes are those of all
// of them.
func streamsDial(ctx context.Context, dial SessionDialFunc, j *Job) (*Result, error) {
	session, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	streams := make([]net.Conn, j.Streams)
	for i := range streams {
		if streams[i], err = session.Open(); err != nil {
			return nil, fmt.Errorf("after %d streams: %w", i, err)
		}
	}
	each := sizedAs(j, streamWrite)
	each.Bytes /= int64(len(streams))
	s := begin()
	sources := make([]source, len(streams))
	var all sync.WaitGroup
	for i, c := range streams {
		sources[i] = source{conn: c, job: each, start: s.start}
		all.Go(func() { sources[i].err = sources[i].run(ctx) })
	}
	all.Wait()
	r := s.end()
	r.Stats = sessionStats(j, session)
	for i := range sources {
		if err := sources[i].err; err != nil {
			return nil, fmt.Errorf("stream %d after %d bytes: %w", i, sources[i].bytes, err)
		}
		r.Bytes += sources[i].bytes
	}
	return r, nil
}

// sizedAs returns a copy of j with other writes.
func sizedAs(j *Job, size int) *Job {
	k := *j
	k.Size = size
	return &k
}

// sessionStats returns the counters of the connection under a session.
func sessionStats(j *Job, s Session) map[string]float64 {
	return connStats(j, &streamConn{session: s})
}
