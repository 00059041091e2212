package timer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A sleeper notes when it is woken, since it was made.
type sleeper struct {
	Timer
	began    time.Time
	timeouts []time.Duration
	ticks    []time.Duration
}

func newSleeper() *sleeper {
	s := &sleeper{began: time.Now()}
	s.Init(s)
	return s
}

func (s *sleeper) Timeout() { s.timeouts = append(s.timeouts, time.Since(s.began)) }

func (s *sleeper) Tick(time.Time) { s.ticks = append(s.ticks, time.Since(s.began)) }

func inBubble(t *testing.T, f func(t *testing.T, g *Group)) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		g.Init(time.Now(), false)
		f(t, &g)
		g.Close()
	})
}

func (s *sleeper) after(d time.Duration) time.Time { return s.began.Add(d) }

// What is near wakes when it was asked to.
func TestNearWaitsAreExact(t *testing.T) {
	inBubble(t, func(t *testing.T, g *Group) {
		s := newSleeper()
		g.Set(&s.Timer, s.after(1234567*time.Microsecond), true)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []time.Duration{1234567 * time.Microsecond}, s.timeouts)
		require.Empty(t, s.ticks)
	})
}

// What is far away wakes with the others of the same tenth of a second, never early.
func TestFarWaitsShareTicks(t *testing.T) {
	inBubble(t, func(t *testing.T, g *Group) {
		var sleepers []*sleeper
		for i := range 10 {
			s := newSleeper()
			sleepers = append(sleepers, s)
			g.Set(&s.Timer, s.after(5*time.Second+time.Duration(i)*10*time.Millisecond), false)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, s := range sleepers {
			require.Equal(t, []time.Duration{5100 * time.Millisecond}, s.ticks)
			require.Empty(t, s.timeouts)
		}
	})
}

// Only the latest of the waits on the grid counts.
func TestFarWaitsMove(t *testing.T) {
	inBubble(t, func(t *testing.T, g *Group) {
		s := newSleeper()
		for d := 3 * time.Second; d <= 30*time.Second; d += 3 * time.Second {
			g.Set(&s.Timer, s.after(d), false)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []time.Duration{30100 * time.Millisecond}, s.ticks)
	})
}

// A timer that was stopped wakes nobody, and leaves the others alone.
func TestStop(t *testing.T) {
	inBubble(t, func(t *testing.T, g *Group) {
		near, far, other := newSleeper(), newSleeper(), newSleeper()
		g.Set(&near.Timer, near.after(time.Second), false)
		g.Set(&far.Timer, far.after(10*time.Second), false)
		g.Set(&other.Timer, other.after(10*time.Second), false)
		g.Stop(&near.Timer)
		g.Stop(&far.Timer)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, near.timeouts)
		require.Empty(t, far.ticks)
		require.Len(t, other.ticks, 1)
		g.Stop(&other.Timer)
	})
}

// A timer wakes again after it was set anew from what it woke, and after it was idle.
func TestTimersAreUsedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, g *Group) {
		s := newSleeper()
		for i := range 3 {
			g.Set(&s.Timer, time.Now().Add(time.Second), false)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			require.Len(t, s.timeouts, i+1)
			s.Idle()
		}
	})
}
