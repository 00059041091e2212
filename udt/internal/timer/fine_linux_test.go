//go:build !udtnooffload

package timer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type chanWaker chan time.Time

func (c chanWaker) Timeout() { c <- time.Now() }

func (c chanWaker) Tick(time.Time) {}

// Fine waits wake each of several, none early, and Close ends their goroutine.
func TestFineWaits(t *testing.T) {
	var g Group
	g.Init(time.Now(), true)
	defer g.Close()
	var timers [3]Timer
	var wakers [3]chanWaker
	for i := range timers {
		wakers[i] = make(chanWaker, 1)
		timers[i].Init(wakers[i])
	}
	for range 50 {
		var at [3]time.Time
		for i := range timers {
			at[i] = time.Now().Add(time.Duration(100+100*i) * time.Microsecond)
			g.Set(&timers[i], at[i], true)
		}
		for i := range timers {
			require.False(t, (<-wakers[i]).Before(at[i]))
		}
	}
}
