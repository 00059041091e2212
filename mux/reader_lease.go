package mux

import (
	"errors"
	"os"
	"sync"
	"time"
)

// takeOverAfter is after how long an unread carrier gets a reader goroutine again. One
// to two of it pass.
const takeOverAfter = time.Millisecond

// lendAfter is how often in a row the reader goroutine must have woken the only call
// that waits before that call reads the carrier itself.
const lendAfter = 3

// A readerLease is the right to read the carrier. Usually a goroutine has it, which
// hands out what arrives. But where one Read alone waits for data, that call had better
// read the carrier itself: what arrives is copied once, by the goroutine that wants it,
// and no other goroutine has to be woken. So the goroutine gives the lease back when it
// has woken such a call a few times, whose next wait takes the lease. If there is no
// such wait in time, a goroutine takes over again.
//
// These always hold:
//
//   - At most one goroutine reads: it is the holder, or a goroutine of the lease's own.
//   - The lease is free only while the timer runs: nothing that arrives stays unread
//     for longer than two of takeOverAfter.
//   - It becomes free only if the carrier can be interrupted. A call has it for one
//     read; if another call waits by then, a goroutine gets it.
//   - Only its holder is interrupted, once for each time it reads, and not while it
//     handles what it has read. The next to read finds the carrier as if nothing
//     had been interrupted.
//   - Once closed it is never free again: a goroutine, or the holder, reads until
//     that fails. Then over is called, once, with the error.
//
// The session's mutex guards it. It is held when interrupt, resume and over are called,
// which do not block, and not when read is called.
type readerLease struct {
	mu        *sync.Mutex
	read      func() error // reads once, and handles what was read
	interrupt func()       // makes the read under way fail, and those that follow, with os.ErrDeadlineExceeded
	resume    func()       // undoes interrupt
	over      func(error)  // nobody will read any more
	able      bool         // reads can be interrupted

	taken    bool
	holder   *sync.Cond // of the call that has it, nil if a goroutine has it
	handling bool       // what was read is being handled
	stopped  bool       // the holder was interrupted
	waiting  int        // calls that wait, the holder included
	woken    int        // how often in a row the one call that waited was woken
	used     bool       // a call had it since the timer was armed
	armed    bool
	closed   bool
	timer    *time.Timer
}

// startLocked makes a goroutine read.
func (l *readerLease) startLocked() {
	l.taken = true
	go l.loop()
}

// loop reads until the lease is given back, or reading is over.
func (l *readerLease) loop() {
	for {
		err := l.read()
		l.mu.Lock()
		switch {
		case err != nil:
			l.over(err)
			l.mu.Unlock()
			return
		case l.woken >= lendAfter && l.able && !l.closed:
			l.woken = 0
			l.giveBackLocked()
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
	}
}

// awaitLocked waits until cond is woken, or reads once if nobody reads. Either way the
// caller has to look again.
func (l *readerLease) awaitLocked(cond *sync.Cond) {
	l.waiting++
	defer func() { l.waiting-- }()
	if l.taken {
		cond.Wait()
		return
	}
	l.taken, l.holder, l.used = true, cond, true
	l.mu.Unlock()
	err := l.read()
	l.mu.Lock()
	l.holder = nil
	if l.stopped {
		l.stopped = false
		l.resume()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
	}
	switch {
	case err != nil:
		l.over(err)
	case l.waiting > 1 || l.closed:
		go l.loop()
	default:
		l.giveBackLocked()
	}
}

// wakeLocked wakes the calls that wait on cond. One that reads is interrupted, unless
// what it has read wakes it.
func (l *readerLease) wakeLocked(cond *sync.Cond) {
	cond.Broadcast()
	if l.holder == cond && !l.handling && !l.stopped {
		l.stopped = true
		l.interrupt()
	}
}

// handleLocked calls handle with what was read, and counts how many calls it woke.
func (l *readerLease) handleLocked(handle func() (woken int, err error)) error {
	l.handling = true
	defer func() { l.handling = false }()
	woken, err := handle()
	if woken == 1 && l.waiting == 1 {
		l.woken++
	} else {
		l.woken = 0
	}
	return err
}

// giveBackLocked leaves the lease to the next that takes it.
func (l *readerLease) giveBackLocked() {
	l.taken = false
	if !l.armed {
		l.armLocked()
	}
}

func (l *readerLease) armLocked() {
	l.armed = true
	if l.timer == nil {
		l.timer = time.AfterFunc(takeOverAfter, l.takeOver)
		return
	}
	l.timer.Reset(takeOverAfter)
}

// takeOver reads if no call has done so lately.
func (l *readerLease) takeOver() {
	if l.tookOver() {
		l.loop()
	}
}

func (l *readerLease) tookOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = false
	switch {
	case l.taken && !l.used:
		return false
	case l.used:
		l.used = false
		l.armLocked()
		return false
	}
	l.taken = true
	return true
}

// closeLocked is called when the session has ended. Whoever reads finds out when the
// connection is closed.
func (l *readerLease) closeLocked() {
	l.closed = true
	if !l.taken {
		l.startLocked()
	}
}
