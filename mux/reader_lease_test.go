package mux

import (
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A leaseRig is a readerLease with a carrier that hands out packets, and with calls
// that wait for them. It checks what must always hold.
type leaseRig struct {
	t        *testing.T
	lease    readerLease
	arriving chan packetFor
	failed   chan struct{} // closed when the carrier fails
	deadline chan struct{} // closed while reads are interrupted

	mu        sync.Mutex
	reading   bool
	byCalls   int // reads by calls
	interrupt int // calls of interrupt
	over      []error
	waiters   []*leaseWaiter
}

// A packetFor is for one waiter.
type packetFor struct {
	waiter  int
	arrived time.Time
}

// A leaseWaiter is what a stream is to a session.
type leaseWaiter struct {
	cond  sync.Cond
	inbox int
	told  bool // its call is to return, as after Stream.Close
}

var errCarrier = errors.New("carrier failed")

func newLeaseRig(t *testing.T, waiters int, able bool) *leaseRig {
	r := &leaseRig{t: t, arriving: make(chan packetFor, 100), failed: make(chan struct{}), deadline: make(chan struct{})}
	for range waiters {
		w := &leaseWaiter{}
		w.cond.L = &r.mu
		r.waiters = append(r.waiters, w)
	}
	r.lease = readerLease{
		mu: &r.mu, able: able, read: r.read,
		interrupt: func() {
			r.interrupt++
			if r.lease.holder == nil || !r.reading {
				t.Error("nobody to interrupt")
			}
			close(r.deadline)
		},
		resume: func() { r.deadline = make(chan struct{}) },
		over: func(err error) {
			r.over = append(r.over, err)
			r.lease.closeLocked()
			for _, w := range r.waiters {
				r.lease.wakeLocked(&w.cond)
			}
		},
	}
	return r
}

// start makes a goroutine read.
func (r *leaseRig) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lease.startLocked()
}

func (r *leaseRig) read() error {
	r.mu.Lock()
	if r.reading {
		r.t.Error("two read at once")
	}
	r.reading = true
	if r.lease.holder != nil {
		r.byCalls++
	}
	deadline := r.deadline
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.reading = false
	}()
	select {
	case <-deadline:
		return os.ErrDeadlineExceeded
	case <-r.failed:
		return errCarrier
	case p := <-r.arriving:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.lease.handleLocked(func() (int, error) { return r.handleLocked(p), nil })
	}
}

// handleLocked hands out p and what has arrived with it, and returns how many calls
// that woke.
func (r *leaseRig) handleLocked(p packetFor) int {
	woken := make(map[int]bool)
	for {
		if since := time.Since(p.arrived); since > 2*takeOverAfter {
			r.t.Errorf("unread for %v", since)
		}
		w := r.waiters[p.waiter]
		w.inbox++
		woken[p.waiter] = true
		r.lease.wakeLocked(&w.cond)
		select {
		case p = <-r.arriving:
		default:
			return len(woken)
		}
	}
}

// await is a Read of waiter i: it reports whether it got a packet.
func (r *leaseRig) await(i int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.waiters[i]
	for {
		switch {
		case w.inbox > 0:
			w.inbox--
			return true
		case w.told:
			w.told = false
			return false
		case len(r.over) > 0:
			return false
		}
		r.lease.awaitLocked(&w.cond)
	}
}

// goAwait is await in a goroutine, which has gone as far as it can.
func (r *leaseRig) goAwait(i int) <-chan bool {
	got := make(chan bool, 1)
	go func() { got <- r.await(i) }()
	synctest.Wait()
	return got
}

func (r *leaseRig) deliver(i int) { r.arriving <- packetFor{i, time.Now()} }

// tell makes the call of waiter i return.
func (r *leaseRig) tell(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiters[i].told = true
	r.lease.wakeLocked(&r.waiters[i].cond)
}

func (r *leaseRig) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lease.closeLocked()
}

// exchange has waiter i get a packet for which it waited.
func (r *leaseRig) exchange(i int) {
	r.t.Helper()
	got := r.goAwait(i)
	r.deliver(i)
	require.True(r.t, <-got)
}

// lend has waiter 0 wait alone until its calls read, and the next of them begin.
func (r *leaseRig) lend() <-chan bool {
	r.t.Helper()
	for range lendAfter {
		r.exchange(0)
	}
	got := r.goAwait(0)
	require.Same(r.t, &r.waiters[0].cond, r.holder())
	return got
}

// holder returns the call that has the lease, nil if a goroutine has it or nobody.
func (r *leaseRig) holder() *sync.Cond {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lease.holder
}

// free reports whether nobody has the lease.
func (r *leaseRig) free() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.lease.taken
}

// fail ends reading, and requires that it is over for good.
func (r *leaseRig) fail() {
	r.t.Helper()
	close(r.failed)
	time.Sleep(10 * takeOverAfter)
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Equal(r.t, []error{errCarrier}, r.over)
	require.True(r.t, r.lease.taken)
	require.Nil(r.t, r.lease.holder)
	require.False(r.t, r.reading)
}

// Each rule of the lease by itself, in one table. The carrier fails after each case.
func TestReaderLease(t *testing.T) {
	for _, c := range []struct {
		name   string
		unable bool
		run    func(t *testing.T, r *leaseRig)
	}{
		{"a goroutine reads from the start", false, func(t *testing.T, r *leaseRig) {
			require.False(t, r.free())
			r.exchange(0)
			require.Zero(t, r.byCalls)
		}},
		{"a call takes what the goroutine gave back", false, func(t *testing.T, r *leaseRig) {
			for range lendAfter {
				require.False(t, r.free())
				r.exchange(0)
			}
			require.Zero(t, r.byCalls)
			require.True(t, r.free(), "the next call may read")
			got := r.goAwait(0)
			r.deliver(0)
			require.True(t, <-got)
			require.Equal(t, 1, r.byCalls)
		}},
		{"a call must have waited alone, often enough in a row", false, func(t *testing.T, r *leaseRig) {
			r.exchange(0)
			other := r.goAwait(1)
			for range 3 * lendAfter {
				r.exchange(0)
			}
			r.tell(1)
			require.False(t, <-other)
			for range lendAfter - 1 {
				r.exchange(0)
			}
			require.Zero(t, r.byCalls)
			require.False(t, r.free())
		}},
		{"a goroutine takes over what no call takes", false, func(t *testing.T, r *leaseRig) {
			got := r.lend()
			r.deliver(0)
			require.True(t, <-got)
			synctest.Wait()
			require.True(t, r.free())
			time.Sleep(2 * takeOverAfter)
			synctest.Wait()
			require.False(t, r.free())
			require.Nil(t, r.holder())
			byCalls := r.byCalls
			r.exchange(1)
			require.Equal(t, byCalls, r.byCalls)
		}},
		{"no goroutine takes over from a call", false, func(t *testing.T, r *leaseRig) {
			got := r.lend()
			time.Sleep(10 * takeOverAfter)
			require.Same(t, &r.waiters[0].cond, r.holder())
			r.deliver(0)
			require.True(t, <-got)
			require.Equal(t, 1, r.byCalls)
		}},
		{"no goroutine takes over between calls that follow each other", false, func(t *testing.T, r *leaseRig) {
			got := r.lend()
			for range 10 {
				r.deliver(0)
				require.True(t, <-got)
				time.Sleep(takeOverAfter / 2)
				got = r.goAwait(0)
				require.Same(t, &r.waiters[0].cond, r.holder())
			}
		}},
		{"only the holder is interrupted", false, func(t *testing.T, r *leaseRig) {
			got := r.lend()
			r.tell(1) // not the holder
			synctest.Wait()
			require.Zero(t, r.interrupt)
			r.tell(0)
			require.False(t, <-got)
			require.Equal(t, 1, r.interrupt)
			require.False(t, r.await(1))
			r.exchange(0)
			require.Equal(t, 1, r.interrupt, "what was read wakes, and does not interrupt")
		}},
		{"the holder is interrupted once", false, func(t *testing.T, r *leaseRig) {
			got := r.lend()
			r.mu.Lock()
			r.waiters[0].told = true
			r.lease.wakeLocked(&r.waiters[0].cond)
			r.lease.wakeLocked(&r.waiters[0].cond)
			require.Equal(t, 1, r.interrupt)
			r.mu.Unlock()
			require.False(t, <-got)
			r.exchange(0)
		}},
		{"a carrier that cannot be interrupted is read by a goroutine", true, func(t *testing.T, r *leaseRig) {
			for range 3 * lendAfter {
				r.exchange(0)
			}
			require.Zero(t, r.byCalls)
			require.False(t, r.free())
		}},
		{"a call hands over to a goroutine", false, func(t *testing.T, r *leaseRig) {
			got := r.lend()
			other := r.goAwait(1)
			r.deliver(1)
			require.True(t, <-other)
			synctest.Wait()
			require.Nil(t, r.holder())
			require.False(t, r.free(), "a goroutine reads, and the call waits")
			other = r.goAwait(1)
			r.deliver(0)
			require.True(t, <-got)
			r.deliver(1)
			require.True(t, <-other)
			require.Equal(t, 1, r.byCalls)
		}},
		{"after the end a goroutine reads what nobody reads", false, func(t *testing.T, r *leaseRig) {
			got := r.lend()
			r.deliver(0)
			require.True(t, <-got)
			r.close()
			require.False(t, r.free(), "a goroutine reads")
		}},
		{"the call that holds it at the end goes on, and a goroutine after it", false, func(t *testing.T, r *leaseRig) {
			got := r.lend()
			r.close()
			r.deliver(0)
			require.True(t, <-got)
			synctest.Wait()
			require.Nil(t, r.holder())
			require.False(t, r.free())
			for range 3 * lendAfter {
				r.exchange(0)
			}
			require.Equal(t, 1, r.byCalls, "it is not given to a call again")
		}},
		{"an error of the goroutine reaches all calls", false, func(t *testing.T, r *leaseRig) {
			all := []<-chan bool{r.goAwait(0), r.goAwait(1)}
			r.fail()
			for _, got := range all {
				require.False(t, <-got)
			}
		}},
		{"an error of the holder reaches all calls", false, func(t *testing.T, r *leaseRig) {
			all := []<-chan bool{r.lend(), r.goAwait(1)}
			r.fail()
			for _, got := range all {
				require.False(t, <-got)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newLeaseRig(t, 2, !c.unable)
				r.start()
				c.run(t, r)
				if len(r.over) == 0 {
					r.fail()
				}
			})
		})
	}
}

// The model. Calls that come, wait, are told to return and go, in any order, with packets at any
// time: none reads beside another, each packet is read in time and arrives once, and
// when the carrier has failed nobody waits.
func TestReaderLeaseModel(t *testing.T) {
	byCalls, interrupts := 0, 0
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			r := newLeaseRig(t, 1+rng.IntN(3), seed%5 > 0)
			r.start()
			stop := make(chan struct{})
			var all sync.WaitGroup
			got := make([]int, len(r.waiters))
			for i := range r.waiters {
				pause := time.Duration(rng.IntN(4)) * takeOverAfter / 2
				all.Go(func() {
					for {
						if r.await(i) {
							got[i]++
						}
						select {
						case <-stop:
							return
						case <-time.After(pause):
						}
					}
				})
			}
			sent := make([]int, len(r.waiters))
			calm := rng.IntN(100) // in percent
			for range 100 {
				i := rng.IntN(len(r.waiters))
				if rng.IntN(100) < calm {
					i = 0
				}
				switch rng.IntN(10) {
				case 0:
					r.tell(i)
				case 1:
					time.Sleep(time.Duration(rng.IntN(int(5 * takeOverAfter))))
				case 2, 3:
					synctest.Wait()
				default:
					r.deliver(i)
					sent[i]++
				}
			}
			if seed%2 == 0 {
				r.close()
			}
			time.Sleep(time.Second)
			synctest.Wait()
			require.Equal(t, sent, got)
			close(stop)
			r.fail()
			all.Wait()
			if seed%5 == 0 {
				require.Zero(t, r.byCalls, "the carrier cannot be interrupted")
			}
			byCalls += r.byCalls
			interrupts += r.interrupt
		})
	}
	require.NotZero(t, byCalls)
	require.NotZero(t, interrupts)
}
