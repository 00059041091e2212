package udt

import (
	"sync"
	"time"

	"github.com/udtgo/udtgo/udt/internal/udpio"
)

// takeover is after how long an unread socket gets a reader goroutine again. One
// to two of it pass.
const takeover = time.Millisecond

// lendAfter is how often a call must have waited for data on a connection before
// the next one may read the socket itself: a short one is over before that pays.
const lendAfter = 3

// A readerTurn is the right to read an endpoint's socket. Usually a goroutine
// has it, which hands out what arrives. But where a call waits for data of the
// endpoint's only connection, that call had better read the socket itself: waking
// one goroutine after another costs more than everything else that a small message
// needs, and in bulk what one core has received another has to fetch. So the
// goroutine ends when it has delivered something to such a call, whose next wait
// takes the turn. If there is none in time, a goroutine takes over again.
//
// Functions of the user, which may take locks that he holds across such a call, keep
// the goroutine.
//
// The turn is free only while the timer is armed, or before the first call.
type readerTurn struct {
	e    *Endpoint
	able bool // the socket's Recv can be interrupted

	mu     sync.Mutex
	taken  bool
	leader *Conn // whose call has the turn, nil if a goroutine has it
	used   bool  // a call had it since the timer was armed
	armed  bool
	ended  bool // the socket is closed
	timer  *time.Timer
}

func (t *readerTurn) init(e *Endpoint, able bool) { t.e, t.able = e, able }

// startReader makes a goroutine read the socket.
func (e *Endpoint) startReader() {
	e.turn.mu.Lock()
	defer e.turn.mu.Unlock()
	e.turn.taken = true
	go e.read()
}

// take gives the turn to a call of c, if it is free.
func (t *readerTurn) take(c *Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken || t.ended || !t.able || t.e.calls.Load() {
		return false
	}
	t.taken, t.leader, t.used = true, c, true
	return true
}

// takeFirst gives the turn to the dial of c, if nobody has read the socket yet. Where a
// call cannot read it a goroutine does.
func (t *readerTurn) takeFirst(c *Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken || t.timer != nil || t.ended {
		return false
	}
	t.taken = true
	if !t.able || t.e.calls.Load() {
		go t.e.read()
		return false
	}
	t.leader, t.used = c, true
	return true
}

// interrupt makes the call of c that has the turn look whether it can go on.
func (t *readerTurn) interrupt(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.leader == c {
		t.e.sock.Interrupt()
	}
}

// pass leaves the turn to whoever takes it next.
func (t *readerTurn) pass() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		t.endLocked()
		return
	}
	t.taken, t.leader = false, nil
	t.armLocked()
}

// handOver gives the turn to a goroutine.
func (t *readerTurn) handOver() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leader = nil
	go t.e.read()
}

func (t *readerTurn) armLocked() {
	switch {
	case t.armed:
		return
	case t.timer == nil:
		t.timer = time.AfterFunc(takeover, t.expire)
	default:
		t.timer.Reset(takeover)
	}
	t.armed = true
}

// expire reads the socket if nobody else has done so lately.
func (t *readerTurn) expire() {
	t.mu.Lock()
	t.armed = false
	if t.ended || t.taken && !t.used {
		t.mu.Unlock()
		return
	}
	if t.used {
		t.used = false
		t.armLocked()
		t.mu.Unlock()
		return
	}
	t.taken = true
	t.mu.Unlock()
	t.e.read()
}

// close is called when the socket has been closed. Whoever reads it finds out.
func (t *readerTurn) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	if !t.taken {
		t.endLocked()
	}
}

// end gives the turn up for good.
func (t *readerTurn) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endLocked()
}

func (t *readerTurn) endLocked() {
	t.taken, t.leader, t.ended = true, nil, true
	if t.timer != nil {
		t.timer.Stop()
	}
	close(t.e.done)
}

// read receives and hands out packets until the socket is closed, or a call had
// better do it.
func (e *Endpoint) read() {
	b := newBlock()
	defer func() { b.Release() }()
	for {
		if b.shared() {
			b.Release()
			b = newBlock()
		}
		woke, ok := e.receive(b)
		if !ok {
			return
		}
		if woke >= lendAfter && e.turn.able && !e.calls.Load() && e.demux.len() == 1 {
			e.turn.pass()
			return
		}
	}
}

// receive reads the socket once. It reports whether a call that waited for data
// got some: how often this has happened on that connection. If not ok the socket is
// closed and the turn given up.
func (e *Endpoint) receive(b *block) (woke int, ok bool) {
	r, err := e.sock.Recv(b.buf[:])
	if err == nil {
		woke = e.dispatch(time.Now(), b, r)
		if e.retired.Load() && e.retired.Swap(false) {
			e.closeIfIdle()
		}
		return woke, true
	}
	if refused, ok := err.(*udpio.RefusedError); ok {
		e.handleRefused(refused)
		return 0, true
	}
	if err == udpio.ErrInterrupted {
		return 0, true
	}
	e.turn.end()
	e.Close()
	return 0, false
}

// waitOnLocked waits on cond, one of c's, until it is broadcast; or, if nobody reads
// the socket, by reading it once. Either way the caller looks whether it can go on.
func (c *Conn) waitOnLocked(cond *sync.Cond) {
	e := c.endpoint
	if !e.turn.take(c) {
		cond.Wait()
		return
	}
	c.leads = cond
	c.mu.Unlock()
	b := newBlock()
	_, ok := e.receive(b)
	b.Release()
	c.mu.Lock()
	c.leads = nil
	// There will be another wait soon, but not on a connection that is over; and
	// a listener waits for the next one.
	over := c.conclude.id != 0 && (c.closed || c.core.ReadErr() != nil)
	others := c.waiters + c.readersLocked() - 1 // this call is one of them
	switch {
	case !ok:
	case !over && others <= 0 && e.demux.len() <= 1:
		e.turn.pass()
	default:
		e.turn.handOver()
	}
}

// readersLocked is how many calls wait for data: at most one does.
func (c *Conn) readersLocked() int {
	if c.rwait {
		return 1
	}
	return 0
}

// wakeLocked wakes those who wait on cond, one of c's. A call that reads the
// socket is interrupted, unless it is the one that got here.
func (c *Conn) wakeLocked(cond *sync.Cond) {
	cond.Broadcast()
	if c.leads == cond && !c.handling {
		c.endpoint.turn.interrupt(c)
	}
}
