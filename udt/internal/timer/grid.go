package timer

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
	gridStep = 100 * time.Millisecond
)

// A grid wakes the idle connections of an endpoint. Its mutex is a leaf.
type grid struct {
	started time.Time

	mu    sync.Mutex
	at    map[int64][]*Timer // by tick, which is counted from started
	ticks tickHeap           // the keys of at
	count int                // of Timers in at
	armed int64              // the tick that the timer is set to, zero if none
	timer *time.Timer
	spare []*Timer
}

// A place is where a Timer is in it.
type place struct {
	tick  int64 // zero if there is none
	index int
}

// set makes t wake at the first tick after the given time instead of at any other.
func (g *grid) set(t *Timer, at time.Time) {
	tick := int64(at.Sub(g.started)/gridStep) + 1
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.place.tick != tick {
		g.removeLocked(t)
		g.addLocked(t, tick)
	}
}

// remove makes t be forgotten.
func (g *grid) remove(t *Timer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.removeLocked(t)
	if g.count == 0 && g.timer != nil {
		g.timer.Stop()
		g.armed, g.ticks = 0, nil
		clear(g.at)
	}
}

func (g *grid) time(tick int64) time.Time { return g.started.Add(time.Duration(tick) * gridStep) }

func (g *grid) addLocked(t *Timer, tick int64) {
	timers, ok := g.at[tick]
	if !ok {
		if g.at == nil {
			g.at = make(map[int64][]*Timer)
		}
		timers, g.spare = g.spare, nil
		heap.Push(&g.ticks, tick)
	}
	t.place = place{tick, len(timers)}
	g.at[tick] = append(timers, t)
	g.count++
	g.armLocked()
}

// removeLocked leaves an empty tick where it is: it goes when its time comes.
func (g *grid) removeLocked(t *Timer) {
	if t.place.tick == 0 {
		return
	}
	timers := g.at[t.place.tick]
	last := len(timers) - 1
	moved := timers[last]
	timers[t.place.index], moved.place.index = moved, t.place.index
	timers[last] = nil
	g.at[t.place.tick] = timers[:last]
	t.place = place{}
	g.count--
}

// armLocked sets the timer to the first tick.
func (g *grid) armLocked() {
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
func (g *grid) fire() {
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
		timers := g.at[tick]
		delete(g.at, tick)
		for _, t := range timers {
			t.place = place{}
		}
		g.count -= len(timers)
		g.mu.Unlock()

		for _, t := range timers {
			t.waker.Tick(now)
		}
		clear(timers)
		g.mu.Lock()
		g.spare = timers[:0]
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
