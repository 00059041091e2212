package udt

import (
	"sync"
	"time"
)

// deadline is the deadline of one direction. Its owner's mutex guards it; waiters
// wait on a Cond of that mutex.
type deadline struct {
	timer   *time.Timer
	set     uint64 // counts calls of set, so that a late timer is ignored
	expired bool
}

// set arms the deadline: t in the past expires it at once, the zero Time
// disarms it. When it expires, wake is called with mu held.
func (d *deadline) setLocked(mu *sync.Mutex, t time.Time, wake func()) {
	d.set++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
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

// stopLocked disarms the deadline for good.
func (d *deadline) stopLocked() {
	d.set++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
