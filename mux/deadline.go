package mux

import (
	"sync"
	"time"
)

// deadline is the deadline of one direction of a stream. The session's mutex guards it;
// the calls that it ends wait on a Cond of that mutex.
type deadline struct {
	timer   *time.Timer
	set     uint32 // counts changes, so that a late timer is ignored
	expired bool
}

// setLocked arms the deadline: t in the past expires it at once, the zero Time
// disarms it. When it expires, wake is called with mu held.
func (d *deadline) setLocked(mu *sync.Mutex, t time.Time, wake func()) {
	d.stopLocked()
	d.expired = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.expired = true
		wake()
		return
	}
	set := d.set
	d.timer = time.AfterFunc(left, func() {
		mu.Lock()
		defer mu.Unlock()
		if d.set == set {
			d.expired = true
			wake()
		}
	})
}

// stopLocked disarms the deadline.
func (d *deadline) stopLocked() {
	d.set++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
