package udt_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt"
)

// Keep-alives of all idle connections of an endpoint go out at common moments, ten per
// second, so that they share wake-ups.
func TestIdleConnectionsWakeTogether(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		begin := time.Now()
		config := &udt.Config{KeepAlivePeriod: 5 * time.Second}
		listener := l.listen(addrB, config)
		client := l.endpoint(addrA)
		for range 50 {
			l.dial(client, config, listener)
		}
		time.Sleep(time.Minute)
		since := time.Now()
		time.Sleep(6 * time.Second)
		all, together := 0, 0
		for _, r := range l.net.Log() {
			if r.From == addrA && r.Time >= since.Sub(begin) {
				all++
				if phase := r.Time % (100 * time.Millisecond); phase == 0 || phase == wan.Delay {
					together++ // its own, and answers to the peer's
				}
			}
		}
		require.GreaterOrEqual(l, all, 50)
		require.Greater(l, together, all*8/10, "but for those that were due just before the peer's came")
	})
}
