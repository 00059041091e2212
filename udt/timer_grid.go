package udt

import (
	"container/heap"
	"sync"
	"time"
)

// Timers that are further away than gridFrom, those of idle connections, fire at
// ticks common to all connections of an endpoint: one wake-up of the system, and one
// goroutine, serve many.
const (
	gridFrom = 2 * time.Second
	grid     = 100 * time.Millisecond
)

// A gridTimer wakes the idle connections of an endpoint. Its lock is a leaf.
type gridTimer struct {
	started time.Time

	mu    sync.Mutex
	at    map[int64][]*Conn // by tick, which is counted from started
	ticks tickHeap          // the keys of at
	conns int               // in at
	armed int64             // the tick that the timer is set to, zero if none
	timer *time.Timer
	spare []*Conn
}

// gridPlace is a Conn's place in it.
type gridPlace struct {
	tick  int64 // zero if there is none
	index int
}

// set makes c.tick be called at the first tick after t instead of at any other.
func (g *gridTimer) set(c *Conn, t time.Time) {
	tick := int64(t.Sub(g.started)/grid) + 1
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.place.tick != tick {
		g.removeLocked(c)
		g.addLocked(c, tick)
	}
}

// remove makes c be forgotten.
func (g *gridTimer) remove(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.removeLocked(c)
	if g.conns == 0 && g.timer != nil {
		g.timer.Stop()
		g.armed, g.ticks = 0, nil
		clear(g.at)
	}
}

func (g *gridTimer) time(tick int64) time.Time { return g.started.Add(time.Duration(tick) * grid) }

func (g *gridTimer) addLocked(c *Conn, tick int64) {
	conns, ok := g.at[tick]
	if !ok {
		if g.at == nil {
			g.at = make(map[int64][]*Conn)
		}
		conns, g.spare = g.spare, nil
		heap.Push(&g.ticks, tick)
	}
	c.place = gridPlace{tick, len(conns)}
	g.at[tick] = append(conns, c)
	g.conns++
	g.armLocked()
}

// removeLocked leaves an empty tick where it is: it goes when its time comes.
func (g *gridTimer) removeLocked(c *Conn) {
	if c.place.tick == 0 {
		return
	}
	conns := g.at[c.place.tick]
	last := len(conns) - 1
	moved := conns[last]
	conns[c.place.index], moved.place.index = moved, c.place.index
	conns[last] = nil
	g.at[c.place.tick] = conns[:last]
	c.place = gridPlace{}
	g.conns--
}

// armLocked sets the timer to the first tick.
func (g *gridTimer) armLocked() {
	if len(g.ticks) == 0 || g.armed != 0 && g.armed <= g.ticks[0] {
		return
	}
	g.armed = g.ticks[0]
	left := time.Until(g.time(g.armed))
	if g.timer == nil {
		g.timer = time.AfterFunc(left, g.fire)
		return
	}
	g.timer.Reset(left)
}

// fire wakes the connections whose tick has come.
func (g *gridTimer) fire() {
	now := time.Now()
	for {
		g.mu.Lock()
		if len(g.ticks) == 0 || now.Before(g.time(g.ticks[0])) {
			g.armed = 0
			g.armLocked()
			g.mu.Unlock()
			return
		}
		tick := heap.Pop(&g.ticks).(int64)
		conns := g.at[tick]
		delete(g.at, tick)
		for _, c := range conns {
			c.place = gridPlace{}
		}
		g.conns -= len(conns)
		g.mu.Unlock()

		for _, c := range conns {
			c.tick(now)
		}
		clear(conns)
		g.mu.Lock()
		g.spare = conns[:0]
		g.mu.Unlock()
	}
}

type tickHeap []int64

func (h tickHeap) Len() int           { return len(h) }
func (h tickHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h tickHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *tickHeap) Push(x any)        { *h = append(*h, x.(int64)) }

func (h *tickHeap) Pop() any {
	last := len(*h) - 1
	tick := (*h)[last]
	*h = (*h)[:last]
	return tick
}
