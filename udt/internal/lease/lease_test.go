package lease

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
	Lease
	reading    atomic.Int32 // goroutines that read
	holding    any          // the call that reads, nil if none does
	leave      chan func()  // what the goroutine that reads does to leave
	interrupts int
	overs      int
}

func newLeased(t *testing.T, able bool) *leased {
	l := &leased{T: t, leave: make(chan func())}
	l.Config.Able = able
	l.Config.Read = func() {
		l.reading.Add(1)
		then := <-l.leave
		l.reading.Add(-1)
		then()
	}
	l.Config.Interrupt = func() { l.interrupts++ }
	l.Config.Over = func() { l.overs++ }
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
	if l.Take(holder) {
		l.holding = holder
	}
	return l.holding == holder
}

func (l *leased) givesBack() { l.holding = nil; l.GiveBack() }

// goroutineLeaves makes the goroutine that reads do something, and no longer read.
func (l *leased) goroutineLeaves(then func()) {
	synctest.Wait()
	require.EqualValues(l, 1, l.reading.Load())
	l.leave <- then
	synctest.Wait()
}

// finish closes the socket, and requires that it is read to the end and no further.
func (l *leased) finish() {
	l.Close()
	synctest.Wait()
	switch {
	case l.reading.Load() > 0:
		l.goroutineLeaves(l.End)
	case l.holding != nil:
		l.holding = nil
		l.GiveBack()
	}
	time.Sleep(10 * takeOverAfter)
	require.Zero(l, l.readers())
	require.Equal(l, 1, l.overs)
	require.False(l, l.Take(1))
}

func TestLease(t *testing.T) {
	const call, other = 1, 2
	for name, f := range map[string]func(l *leased){
		"a goroutine reads from the start": func(l *leased) {
			l.Start()
			require.Equal(l, 1, l.readers())
			require.False(l, l.takes(call))
		},
		"a dial reads first": func(l *leased) {
			require.True(l, l.TakeFirst(call))
			l.holding = call
			require.False(l, l.TakeFirst(other))
			require.Zero(l, l.reading.Load())
		},
		"a call takes what the goroutine gave back": func(l *leased) {
			l.Start()
			l.goroutineLeaves(l.GiveBack)
			require.Zero(l, l.readers())
			require.True(l, l.takes(call))
			require.False(l, l.Take(other))
		},
		"a goroutine takes over what no call takes": func(l *leased) {
			l.Start()
			l.goroutineLeaves(l.GiveBack)
			time.Sleep(2 * takeOverAfter)
			require.Equal(l, 1, l.readers())
		},
		"no goroutine takes over from a call": func(l *leased) {
			l.Start()
			l.goroutineLeaves(l.GiveBack)
			require.True(l, l.takes(call))
			time.Sleep(time.Hour)
			require.Equal(l, 1, l.readers())
			require.Zero(l, l.reading.Load())
		},
		"no goroutine takes over between calls that follow each other": func(l *leased) {
			l.Start()
			l.goroutineLeaves(l.GiveBack)
			for range 100 {
				require.True(l, l.takes(call))
				time.Sleep(takeOverAfter / 3)
				l.givesBack()
				time.Sleep(takeOverAfter / 3)
				require.Zero(l, l.readers())
			}
		},
		"a call hands over to a goroutine": func(l *leased) {
			require.True(l, l.TakeFirst(call))
			l.HandOver()
			require.Equal(l, 1, l.readers())
			require.False(l, l.takes(call))
		},
		"only the holder is interrupted": func(l *leased) {
			l.Start()
			l.Interrupt(call)
			l.Interrupt(nil)
			require.Zero(l, l.interrupts)
			l.goroutineLeaves(l.GiveBack)
			require.True(l, l.takes(call))
			l.Interrupt(other)
			require.Zero(l, l.interrupts)
			l.Interrupt(call)
			require.Equal(l, 1, l.interrupts)
			l.givesBack()
			l.Interrupt(call)
			require.Equal(l, 1, l.interrupts)
		},
		"after a veto no call takes it": func(l *leased) {
			l.Start()
			require.True(l, l.Lends())
			l.Veto()
			require.False(l, l.Lends())
			l.goroutineLeaves(l.GiveBack)
			require.False(l, l.takes(call))
			time.Sleep(2 * takeOverAfter)
			require.Equal(l, 1, l.readers())
		},
		"after a veto a goroutine reads for the dial": func(l *leased) {
			l.Veto()
			require.False(l, l.TakeFirst(call))
			require.Equal(l, 1, l.readers())
		},
		"who holds it at the veto goes on": func(l *leased) {
			require.True(l, l.TakeFirst(call))
			l.holding = call
			l.Veto()
			require.Equal(l, 1, l.readers())
			l.givesBack()
			require.False(l, l.takes(call))
		},
		"the reader ends it after the socket was closed": func(l *leased) {
			l.Start()
			synctest.Wait()
			l.Close()
			require.Zero(l, l.overs)
			l.goroutineLeaves(l.End)
			require.Equal(l, 1, l.overs)
		},
		"a call that gives it back after the socket was closed ends it": func(l *leased) {
			require.True(l, l.TakeFirst(call))
			l.holding = call
			l.Close()
			require.Zero(l, l.overs)
			l.givesBack()
			require.Equal(l, 1, l.overs)
		},
		"a closed socket that nobody reads is over at once": func(l *leased) {
			l.Close()
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
		require.False(t, l.Lends())
		require.False(t, l.TakeFirst(1))
		require.Equal(t, 1, l.readers())
		l.goroutineLeaves(l.GiveBack)
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
				l.Start()
			} else if l.TakeFirst(1) {
				l.holding = 1
			}
			vetoed, interrupts, freeSince := false, 0, time.Now()
			for range 200 {
				free := l.readers() == 0
				caller := 1 + r.IntN(2)
				switch op := r.IntN(8); {
				case op == 0:
					had := l.holding
					require.Equal(t, free && l.Able && !vetoed, l.Take(caller))
					if l.holding = had; free && l.Able && !vetoed {
						l.holding = caller
					}
				case op == 1 && l.holding != nil:
					l.givesBack()
				case op == 2 && l.holding != nil:
					l.holding = nil
					l.HandOver()
				case op == 3 && l.reading.Load() > 0:
					l.goroutineLeaves(l.GiveBack)
				case op == 4 && r.IntN(20) == 0:
					l.Veto()
					vetoed = true
				case op == 5:
					if l.holding == caller {
						interrupts++
					}
					l.Interrupt(caller)
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
