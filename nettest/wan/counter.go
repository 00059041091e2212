package wan

import (
	"sync"
	"time"
)

// counter counts what a receiver delivers.
type counter struct {
	start time.Time // set before anything is delivered

	mu    sync.Mutex
	bytes int64
	first [len(FirstSizes)]time.Duration
}

func (c *counter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += int64(n)
	for i, size := range FirstSizes {
		if c.first[i] == 0 && c.bytes >= size {
			c.first[i] = time.Since(c.start)
		}
	}
}

// get returns the count, and when the first FirstSizes had come.
func (c *counter) get() (bytes int64, first [len(FirstSizes)]time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes, c.first
}
