// Package lease lends the right to read a socket to the call that waits for data.
package lease

import (
	"sync"
	"time"
)

// takeOverAfter is after how long an unread socket gets a reader goroutine again. One
// to two of it pass.
const takeOverAfter = time.Millisecond

// A Config is what a Lease needs of the socket.
type Config struct {
	Read      func() // reads in a goroutine until it gives the lease back or ends it
	Interrupt func() // makes the read under way return
	Over      func() // nobody will read any more
	Able      bool   // reads can be interrupted
}

// A Lease is the right to read a socket. Usually a goroutine has it, which hands out
// what arrives. But where a call waits for data of the endpoint's only connection, that
// call had better read the socket itself: waking one goroutine after another costs more
// than everything else that a small message needs, and in bulk what one core has
// received another has to fetch. So the goroutine gives the lease back when it has
// delivered something to such a call, whose next wait takes it. If there is none in
// time, a goroutine takes over again.
//
// These always hold:
//
//   - At most one goroutine reads: it is the holder, or a goroutine of the lease's own.
//   - The lease is free only before its first use, or while the timer runs: nothing
//     that arrives stays unread for longer than two of takeOverAfter.
//   - A call takes it only if the socket can be interrupted, and no function of the
//     user's is to be called: that may take locks which the user holds across the call.
//   - Only its holder is interrupted, and only by who names it.
//   - Once ended it is never free again, and Config.Over is called once.
//
// Its mutex is a leaf: Config.Interrupt, the only function called under it, does not
// block.
type Lease struct {
	Config // not changed once the lease is used

	mu     sync.Mutex
	vetoed bool // calls must not read
	taken  bool
	holder any  // the call that has it, nil if a goroutine has it
	used   bool // a call had it since the timer was armed
	armed  bool
	ended  bool // the socket is closed
	timer  *time.Timer
}

// Start makes a goroutine read.
func (l *Lease) Start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken = true
	go l.Read()
}

// Veto keeps calls from reading from now on, except one that does so already.
func (l *Lease) Veto() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.vetoed = true
}

// Lends reports whether calls may read.
func (l *Lease) Lends() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Able && !l.vetoed
}

// Holder returns the call that has the lease, nil if no call has it, and whether it is
// taken.
func (l *Lease) Holder() (holder any, taken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder, l.taken
}

// Take gives the lease to a call, if it is free.
func (l *Lease) Take(holder any) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken || l.ended || !l.Able || l.vetoed {
		return false
	}
	l.taken, l.holder, l.used = true, holder, true
	return true
}

// TakeFirst gives the lease to a dial, if nobody has read yet. Where a call cannot read
// a goroutine does.
func (l *Lease) TakeFirst(holder any) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken || l.timer != nil || l.ended {
		return false
	}
	l.taken = true
	if !l.Able || l.vetoed {
		go l.Read()
		return false
	}
	l.holder, l.used = holder, true
	return true
}

// Interrupt makes the call of holder, if that has the lease, look whether it can
// go on.
func (l *Lease) Interrupt(holder any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder != nil && l.holder == holder {
		l.Config.Interrupt()
	}
}

// GiveBack leaves the lease to the next that takes it.
func (l *Lease) GiveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		l.endLocked()
		return
	}
	l.taken, l.holder = false, nil
	l.armLocked()
}

// HandOver gives the lease to a goroutine.
func (l *Lease) HandOver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holder = nil
	go l.Read()
}

func (l *Lease) armLocked() {
	switch {
	case l.armed:
		return
	case l.timer == nil:
		l.timer = time.AfterFunc(takeOverAfter, l.takeOver)
	default:
		l.timer.Reset(takeOverAfter)
	}
	l.armed = true
}

// takeOver reads if nobody else has done so lately.
func (l *Lease) takeOver() {
	if l.tookOver() {
		l.Read()
	}
}

func (l *Lease) tookOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = false
	switch {
	case l.ended || l.taken && !l.used:
		return false
	case l.used:
		l.used = false
		l.armLocked()
		return false
	}
	l.taken = true
	return true
}

// Close is called when the socket has been closed. If somebody reads it they find out.
func (l *Lease) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if !l.taken {
		l.endLocked()
	}
}

// End gives the lease up for good.
func (l *Lease) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLocked()
}

func (l *Lease) endLocked() {
	l.taken, l.holder, l.ended = true, nil, true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.Over()
}
