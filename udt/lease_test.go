package udt

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A leased is a lease of a socket that does not exist, and what becomes of it.
type leased struct {
	*testing.T
	lease
	reading    atomic.Int32 // goroutines that read
	holding    any          // the call that reads, nil if none does
	leave      chan func()  // what the goroutine that reads does to leave
	interrupts int
	overs      int
}

func newLeased(t *testing.T, able bool) *leased {
	l := &leased{T: t, leave: make(chan func())}
	l.lease.able = able
	l.lease.read = func() {
		l.reading.Add(1)
		then := <-l.leave
		l.reading.Add(-1)
		then()
	}
	l.lease.interrupt = func() { l.interrupts++ }
	l.lease.over = func() { l.overs++ }
	return l
}

// readers returns how many read, now that nobody does anything else.
func (l *leased) readers() int {
	synctest.Wait()
	if l.holding != nil {
		return int(l.reading.Load()) + 1
	}
	return int(l.reading.Load())
}

func (l *leased) takes(holder any) bool {
	if l.take(holder) {
		l.holding = holder
	}
	return l.holding == holder
}

func (l *leased) givesBack() { l.holding = nil; l.giveBack() }

// goroutineLeaves makes the goroutine that reads do something, and no longer read.
func (l *leased) goroutineLeaves(then func()) {
	synctest.Wait()
	require.EqualValues(l, 1, l.reading.Load())
	l.leave <- then
	synctest.Wait()
}

// finish closes the socket, and requires that it is read to the end and no further.
func (l *leased) finish() {
	l.close()
	synctest.Wait()
	switch {
	case l.reading.Load() > 0:
		l.goroutineLeaves(l.end)
	case l.holding != nil:
		l.holding = nil
		l.giveBack()
	}
	time.Sleep(10 * takeOverAfter)
	require.Zero(l, l.readers())
	require.Equal(l, 1, l.overs)
	require.False(l, l.take(1))
}

func TestLease(t *testing.T) {
	const call, other = 1, 2
	for name, f := range map[string]func(l *leased){
		"a goroutine reads from the start": func(l *leased) {
			l.start()
			require.Equal(l, 1, l.readers())
			require.False(l, l.takes(call))
		},
		"a dial reads first": func(l *leased) {
			require.True(l, l.takeFirst(call))
			l.holding = call
			require.False(l, l.takeFirst(other))
			require.Zero(l, l.reading.Load())
		},
		"a call takes what the goroutine gave back": func(l *leased) {
			l.start()
			l.goroutineLeaves(l.giveBack)
			require.Zero(l, l.readers())
			require.True(l, l.takes(call))
			require.False(l, l.take(other))
		},
		"a goroutine takes over what no call takes": func(l *leased) {
			l.start()
			l.goroutineLeaves(l.giveBack)
			time.Sleep(2 * takeOverAfter)
			require.Equal(l, 1, l.readers())
		},
		"no goroutine takes over from a call": func(l *leased) {
			l.start()
			l.goroutineLeaves(l.giveBack)
			require.True(l, l.takes(call))
			time.Sleep(time.Hour)
			require.Equal(l, 1, l.readers())
			require.Zero(l, l.reading.Load())
		},
		"no goroutine takes over between calls that follow each other": func(l *leased) {
			l.start()
			l.goroutineLeaves(l.giveBack)
			for range 100 {
				require.True(l, l.takes(call))
				time.Sleep(takeOverAfter / 3)
				l.givesBack()
				time.Sleep(takeOverAfter / 3)
				require.Zero(l, l.readers())
			}
		},
		"a call hands over to a goroutine": func(l *leased) {
			require.True(l, l.takeFirst(call))
			l.handOver()
			require.Equal(l, 1, l.readers())
			require.False(l, l.takes(call))
		},
		"only the holder is interrupted": func(l *leased) {
			l.start()
			l.interruptHolder(call)
			l.interruptHolder(nil)
			require.Zero(l, l.interrupts)
			l.goroutineLeaves(l.giveBack)
			require.True(l, l.takes(call))
			l.interruptHolder(other)
			require.Zero(l, l.interrupts)
			l.interruptHolder(call)
			require.Equal(l, 1, l.interrupts)
			l.givesBack()
			l.interruptHolder(call)
			require.Equal(l, 1, l.interrupts)
		},
		"after a veto no call takes it": func(l *leased) {
			l.start()
			require.True(l, l.lends())
			l.veto()
			require.False(l, l.lends())
			l.goroutineLeaves(l.giveBack)
			require.False(l, l.takes(call))
			time.Sleep(2 * takeOverAfter)
			require.Equal(l, 1, l.readers())
		},
		"after a veto a goroutine reads for the dial": func(l *leased) {
			l.veto()
			require.False(l, l.takeFirst(call))
			require.Equal(l, 1, l.readers())
		},
		"who holds it at the veto goes on": func(l *leased) {
			require.True(l, l.takeFirst(call))
			l.holding = call
			l.veto()
			require.Equal(l, 1, l.readers())
			l.givesBack()
			require.False(l, l.takes(call))
		},
		"the reader ends it after the socket was closed": func(l *leased) {
			l.start()
			synctest.Wait()
			l.close()
			require.Zero(l, l.overs)
			l.goroutineLeaves(l.end)
			require.Equal(l, 1, l.overs)
		},
		"a call that gives it back after the socket was closed ends it": func(l *leased) {
			require.True(l, l.takeFirst(call))
			l.holding = call
			l.close()
			require.Zero(l, l.overs)
			l.givesBack()
			require.Equal(l, 1, l.overs)
		},
		"a closed socket that nobody reads is over at once": func(l *leased) {
			l.close()
			require.Equal(l, 1, l.overs)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLeased(t, true)
				f(l)
				if l.overs == 0 {
					l.finish()
				}
			})
		})
	}
}

// Where reads cannot be interrupted a goroutine reads always.
func TestLeaseOfASocketThatCannotBeInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeased(t, false)
		require.False(t, l.lends())
		require.False(t, l.takeFirst(1))
		require.Equal(t, 1, l.readers())
		l.goroutineLeaves(l.giveBack)
		require.False(t, l.takes(1))
		l.finish()
	})
}

// Whatever happens in whatever order, the invariants of the lease hold.
func TestLeaseModel(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			l := newLeased(t, r.IntN(8) > 0)
			if r.IntN(2) == 0 {
				l.start()
			} else if l.takeFirst(1) {
				l.holding = 1
			}
			vetoed, interrupts, freeSince := false, 0, time.Now()
			for range 200 {
				free := l.readers() == 0
				caller := 1 + r.IntN(2)
				switch op := r.IntN(8); {
				case op == 0:
					had := l.holding
					require.Equal(t, free && able(l) && !vetoed, l.take(caller))
					if l.holding = had; free && able(l) && !vetoed {
						l.holding = caller
					}
				case op == 1 && l.holding != nil:
					l.givesBack()
				case op == 2 && l.holding != nil:
					l.holding = nil
					l.handOver()
				case op == 3 && l.reading.Load() > 0:
					l.goroutineLeaves(l.giveBack)
				case op == 4 && r.IntN(20) == 0:
					l.veto()
					vetoed = true
				case op == 5:
					if l.holding == caller {
						interrupts++
					}
					l.interruptHolder(caller)
				case op > 5:
					time.Sleep(time.Duration(r.IntN(int(2 * takeOverAfter))))
				}
				n := l.readers()
				require.LessOrEqual(t, n, 1)
				require.Equal(t, interrupts, l.interrupts)
				require.Zero(t, l.overs)
				if n > 0 || !free {
					freeSince = time.Now()
				}
				require.LessOrEqual(t, time.Since(freeSince), 2*takeOverAfter, "nobody reads")
			}
			l.finish()
		})
	}
}

func able(l *leased) bool { return l.lease.able }
