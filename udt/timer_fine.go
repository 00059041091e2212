package udt

import (
	"sync"
	"time"

	"github.com/udtgo/udtgo/udt/internal/udpio"
)

// fineWait is below which waits are too short for the runtime's timers.
const fineWait = 700 * time.Microsecond

// A fineTimer wakes those connections of an endpoint whose pacing needs waits
// shorter than fineWait (internal/proto/SPEC.md#pacing). It costs a system call
// per wait, and a goroutine from the first one on until the endpoint is closed.
type fineTimer struct {
	mu      sync.Mutex
	alarm   *udpio.Alarm
	unable  bool // there is none, or the endpoint is closed
	waiting []fineWaiter
	due     time.Time // when the alarm goes off, zero if it is not set
}

type fineWaiter struct {
	c  *Conn
	at time.Time
}

// set makes c.timeout be called at t. It reports whether it can.
func (f *fineTimer) set(c *Conn, t time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unable {
		return false
	}
	if f.alarm == nil {
		alarm, err := udpio.NewAlarm()
		if err != nil {
			f.unable = true
			return false
		}
		f.alarm = alarm
		go f.run(alarm)
	}
	f.addLocked(c, t)
	if f.due.IsZero() || t.Before(f.due) {
		f.due = t
		f.alarm.Set(time.Until(t))
	}
	return true
}

func (f *fineTimer) addLocked(c *Conn, t time.Time) {
	for i := range f.waiting {
		if w := &f.waiting[i]; w.c == c {
			w.at = t
			return
		}
	}
	f.waiting = append(f.waiting, fineWaiter{c, t})
}

// run wakes connections until the alarm is closed.
func (f *fineTimer) run(alarm *udpio.Alarm) {
	var woken []*Conn
	for alarm.Wait() == nil {
		woken = f.take(woken[:0])
		for i, c := range woken {
			c.timeout()
			woken[i] = nil
		}
	}
}

// take removes the connections whose time has come, appends them to woken, and sets
// the alarm for the next.
func (f *fineTimer) take(woken []*Conn) []*Conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.due = time.Time{}
	for i := 0; i < len(f.waiting); {
		switch w := f.waiting[i]; {
		case !w.at.After(now):
			woken = append(woken, w.c)
			last := len(f.waiting) - 1
			f.waiting[i], f.waiting[last] = f.waiting[last], fineWaiter{}
			f.waiting = f.waiting[:last]
			continue
		case f.due.IsZero() || w.at.Before(f.due):
			f.due = w.at
		}
		i++
	}
	if !f.due.IsZero() {
		f.alarm.Set(f.due.Sub(now))
	}
	return woken
}

func (f *fineTimer) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unable = true
	f.waiting = nil
	if f.alarm != nil {
		f.alarm.Close()
	}
}
