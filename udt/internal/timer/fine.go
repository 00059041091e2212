package timer

import (
	"sync"
	"time"

	"github.com/udtgo/udtgo/udt/internal/udpio"
)

// fineWait is below which waits are too short for the runtime's timers.
const fineWait = 700 * time.Microsecond

// A fine wakes those connections of an endpoint whose pacing needs waits
// shorter than fineWait (../proto/SPEC.md#pacing). It costs a system call
// per wait, and a goroutine from the first one on until the endpoint is closed.
type fine struct {
	mu      sync.Mutex
	alarm   *udpio.Alarm
	unable  bool // there is none, or the endpoint is closed
	waiting []waiter
	due     time.Time // when the alarm goes off, zero if it is not set
}

type waiter struct {
	t  *Timer
	at time.Time
}

// set makes t wake at the given time. It reports whether it can.
func (f *fine) set(t *Timer, at time.Time) bool {
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
	f.addLocked(t, at)
	if f.due.IsZero() || at.Before(f.due) {
		f.due = at
		f.alarm.Set(time.Until(at))
	}
	return true
}

func (f *fine) addLocked(t *Timer, at time.Time) {
	for i := range f.waiting {
		if w := &f.waiting[i]; w.t == t {
			w.at = at
			return
		}
	}
	f.waiting = append(f.waiting, waiter{t, at})
}

// run wakes connections until the alarm is closed.
func (f *fine) run(alarm *udpio.Alarm) {
	var woken []*Timer
	for alarm.Wait() == nil {
		woken = f.take(woken[:0])
		for i, t := range woken {
			t.waker.Timeout()
			woken[i] = nil
		}
	}
}

// take removes the connections whose time has come, appends them to woken, and sets
// the alarm for the next.
func (f *fine) take(woken []*Timer) []*Timer {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.due = time.Time{}
	for i := 0; i < len(f.waiting); {
		switch w := f.waiting[i]; {
		case !w.at.After(now):
			woken = append(woken, w.t)
			last := len(f.waiting) - 1
			f.waiting[i], f.waiting[last] = f.waiting[last], waiter{}
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

func (f *fine) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unable = true
	f.waiting = nil
	if f.alarm != nil {
		f.alarm.Close()
	}
}
