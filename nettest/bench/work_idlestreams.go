package main

import (
	"context"
	"fmt"
	"net"
	"sync"
)

var idleStreams = &Work{
	Name: "idlestreams", Note: "streams of one session that have carried a byte each way and do nothing; no Read pending",
	Group: muxGroup, Contenders: openStream.Contenders, Runs: idleRuns,
	Metrics:      idleMetrics,
	ServeSession: idleStreamsServe, DialSession: idleStreamsDial,
	Defaults: func(j *Job) {
		if j.Streams == 0 {
			j.Streams = 10_000
		}
		j.Options.MaxStreams = j.Streams
		idle.Defaults(j)
	},
}

// idleStreamsServe accepts j.Streams streams and measures what they cost, without
// the session.
func idleStreamsServe(ctx context.Context, l SessionListener, j *Job) (*Result, error) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	session, err := l.AcceptSession()
	if err != nil {
		return nil, err
	}
	streams := make([]net.Conn, 0, j.Streams)
	before := takeInventory()
	s := begin()
	for len(streams) < j.Streams {
		c, err := session.Accept()
		if err == nil {
			err = answer(c)
		}
		if err != nil {
			return nil, fmt.Errorf("after %d streams: %w", len(streams), err)
		}
		streams = append(streams, c)
	}
	return idleMeasure(j, &s, before, streams), nil
}

// idleStreamsDial opens the streams and measures what they cost.
func idleStreamsDial(ctx context.Context, dial SessionDialFunc, j *Job) (*Result, error) {
	session, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	streams := make([]net.Conn, j.Streams)
	errs := make(chan error, idleDialers)
	before := takeInventory()
	s := begin()
	var all sync.WaitGroup
	for d := range idleDialers {
		all.Go(func() {
			for i := d; i < len(streams); i += idleDialers {
				c, err := session.Open()
				if err == nil {
					err = ask(c)
				}
				if err != nil {
					errs <- fmt.Errorf("stream %d: %w", i, err)
					return
				}
				streams[i] = c
			}
		})
	}
	all.Wait()
	select {
	case err := <-errs:
		return nil, err
	default:
	}
	return idleMeasure(j, &s, before, streams), nil
}
