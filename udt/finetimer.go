package udt

import (
	"sync"
	"time"

	"github.com/udtgo/udtgo/udt/internal/udpio"
)

// fineWait is below which waits are too short for the runtime's timers.
const fineWait = 700 * time.Microsecond

// A fineTimer wakes those connections of an endpoint whose pacing needs waits
// shorter than fineWait (design decisions, section 6.3). It costs a system call
// per wait, and a goroutine from the first one on until the endpoint is closed.
type fineTimer struct {
	mu      sync.Mutex
	alarm   *udpio.Alarm
	unable  bool // there is none, or the endpoint is closed
	waiting []fineWaiter
	set     time.Time // when the alarm goes off, zero if it is not set
}

type fineWaiter struct {
	c  *Conn
	at time.Time
}

// wake makes c.timeout be called at t. It reports whether it can.
func (f *fineTimer) wake(c *Conn, t time.Time, left time.Duration) bool {
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
	if f.set.IsZero() || t.Before(f.set) {
		f.set = t
		f.alarm.Set(left)
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
	var due []*Conn
	for alarm.Wait() == nil {
		due = f.take(due[:0])
		for i, c := range due {
			c.timeout()
			due[i] = nil
		}
	}
}

// take removes the connections whose time has come, appends them to due, and sets
// the alarm for the next.
func (f *fineTimer) take(due []*Conn) []*Conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.set = time.Time{}
	for i := 0; i < len(f.waiting); {
		switch w := f.waiting[i]; {
		case !w.at.After(now):
			due = append(due, w.c)
			last := len(f.waiting) - 1
			f.waiting[i], f.waiting[last] = f.waiting[last], fineWaiter{}
			f.waiting = f.waiting[:last]
			continue
		case f.set.IsZero() || w.at.Before(f.set):
			f.set = w.at
		}
		i++
	}
	if !f.set.IsZero() {
		f.alarm.Set(f.set.Sub(now))
	}
	return due
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
