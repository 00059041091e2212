package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// A progress shows how far a transfer is: a bar on a terminal, elsewhere a line
// now and then.
type progress struct {
	out      *os.File
	terminal bool
	size     int64         // of what is expected; negative is unknown
	limit    time.Duration // at which the transfer ends anyway; zero is none
	start    time.Time
	shown    time.Time
	bytes    int64
}

func newProgress(out *os.File, size int64, limit time.Duration) *progress {
	info, err := out.Stat()
	now := time.Now()
	return &progress{
		out: out, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0,
		size: size, limit: limit, start: now, shown: now,
	}
}

// reader returns r with its bytes counted.
func (p *progress) reader(r io.Reader) io.Reader { return &countedReader{r, p} }

type countedReader struct {
	r io.Reader
	p *progress
}

func (c *countedReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.add(n)
	return n, err
}

func (p *progress) add(n int) {
	p.bytes += int64(n)
	interval := 2 * time.Second
	if p.terminal {
		interval = 100 * time.Millisecond
	}
	if now := time.Now(); now.Sub(p.shown) >= interval {
		p.shown = now
		p.show()
	}
}

// finish shows the end, and what follows begins a line of its own.
func (p *progress) finish() {
	p.show()
	if p.terminal {
		fmt.Fprintln(p.out)
	}
}

func (p *progress) show() {
	elapsed := time.Since(p.start)
	line := fmt.Sprintf("%7.1f MB in %4.1f s, %6.1f Mbit/s", float64(p.bytes)/1e6, elapsed.Seconds(), mbits(p.bytes, elapsed))
	if !p.terminal {
		fmt.Fprintln(p.out, line)
		return
	}
	const width = 40
	full := int(width * p.fraction(elapsed))
	fmt.Fprintf(p.out, "\r[%s%s] %s\x1b[K", strings.Repeat("#", full), strings.Repeat(".", width-full), line)
}

// fraction is how near the end is, which comes with the last byte or the limit.
func (p *progress) fraction(elapsed time.Duration) float64 {
	var f float64
	if p.size > 0 {
		f = float64(p.bytes) / float64(p.size)
	}
	if p.limit > 0 {
		f = max(f, elapsed.Seconds()/p.limit.Seconds())
	}
	return min(f, 1)
}

// mbits is a rate in Mbit/s.
func mbits(bytes int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(bytes) * 8 / 1e6 / d.Seconds()
}
