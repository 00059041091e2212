package udt

import (
	"sync"
	"time"
)

// takeOverAfter is after how long an unread socket gets a reader goroutine again. One
// to two of it pass.
const takeOverAfter = time.Millisecond

// lendAfter is how often a call must have waited for data on a connection before
// the next one may read the socket itself: a short one is over before that pays.
const lendAfter = 3

// A lease is the right to read a socket. Usually a goroutine has it, which hands out
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
//   - Once ended it is never free again, and over is called once.
//
// Its mutex is a leaf: interrupt, the only function called under it, does not block.
type lease struct {
	read      func() // reads in a goroutine until it gives the lease back or ends it
	interrupt func() // makes the read under way return
	over      func() // nobody will read any more
	able      bool   // reads can be interrupted

	mu     sync.Mutex
	vetoed bool // calls must not read
	taken  bool
	holder any  // the call that has it, nil if a goroutine has it
	used   bool // a call had it since the timer was armed
	armed  bool
	ended  bool // the socket is closed
	timer  *time.Timer
}

// start makes a goroutine read.
func (l *lease) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken = true
	go l.read()
}

// veto keeps calls from reading from now on, except one that does so already.
func (l *lease) veto() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.vetoed = true
}

// lends reports whether calls may read.
func (l *lease) lends() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.able && !l.vetoed
}

// take gives the lease to a call, if it is free.
func (l *lease) take(holder any) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken || l.ended || !l.able || l.vetoed {
		return false
	}
	l.taken, l.holder, l.used = true, holder, true
	return true
}

// takeFirst gives the lease to a dial, if nobody has read yet. Where a call cannot read
// a goroutine does.
func (l *lease) takeFirst(holder any) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken || l.timer != nil || l.ended {
		return false
	}
	l.taken = true
	if !l.able || l.vetoed {
		go l.read()
		return false
	}
	l.holder, l.used = holder, true
	return true
}

// interruptHolder makes the call of holder, if that has the lease, look whether it can
// go on.
func (l *lease) interruptHolder(holder any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder != nil && l.holder == holder {
		l.interrupt()
	}
}

// giveBack leaves the lease to the next that takes it.
func (l *lease) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		l.endLocked()
		return
	}
	l.taken, l.holder = false, nil
	l.armLocked()
}

// handOver gives the lease to a goroutine.
func (l *lease) handOver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holder = nil
	go l.read()
}

func (l *lease) armLocked() {
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
func (l *lease) takeOver() {
	if l.tookOver() {
		l.read()
	}
}

func (l *lease) tookOver() bool {
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

// close is called when the socket has been closed. If somebody reads it they find out.
func (l *lease) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if !l.taken {
		l.endLocked()
	}
}

// end gives the lease up for good.
func (l *lease) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLocked()
}

func (l *lease) endLocked() {
	l.taken, l.holder, l.ended = true, nil, true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.over()
}
