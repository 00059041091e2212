package main

import (
	"context"
	"errors"
	"os"
	"time"
)

// wanFlow is bulk for long paths: what is still on its way when the time is up
// does not matter, and could take long to arrive. The client reports at once;
// the server receives, and fills in Result.Series, until it is told to stop.
var wanFlow = &Work{Name: "flow", Note: "one connection, cut off after a time", Serve: bulkServe, Dial: wanFlowDial}

func wanFlowDial(ctx context.Context, dial DialFunc, j *Job) (*Result, error) {
	c, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	// It stays open: Close would be a part of the transfer.
	context.AfterFunc(ctx, func() { c.Close() })
	s := begin()
	if err := c.SetWriteDeadline(s.start.Add(seconds(j.Seconds))); err != nil {
		return nil, err
	}
	chunk := make([]byte, j.Size)
	fillChunk(chunk)
	sent := int64(0)
	for index := uint64(0); time.Since(s.start).Seconds() < j.Seconds; index++ {
		putChunkHeader(chunk, index, false)
		n, err := c.Write(chunk)
		sent += int64(n)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	r := s.end()
	r.Bytes, r.Stats = sent, connStats(j, c)
	return r, nil
}

// bytesBetween returns how much a receiver got between two times in ns since
// 1970. What arrived in an interval is spread over it evenly.
func (r *Result) bytesBetween(from, to int64, interval float64) float64 {
	each := interval * 1e9
	sum := 0.
	for i, n := range r.Series {
		begin := float64(r.Start-from) + float64(i)*each
		inside := min(begin+each, float64(to-from)) - max(begin, 0)
		if inside > 0 {
			sum += float64(n) * inside / each
		}
	}
	return sum
}

// jain returns Jain's index of fairness: 1 if all shares are equal, 1/n if one
// has everything.
func jain(shares []float64) float64 {
	sum, squares := 0., 0.
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(shares)) * squares)
}
