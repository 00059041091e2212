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
		phases := make(map[time.Duration]int)
		for _, r := range l.net.Log() {
			if r.From == addrA && r.Time >= since.Sub(begin) {
				phases[r.Time%(100*time.Millisecond)]++
			}
		}
		require.NotEmpty(l, phases)
		require.LessOrEqual(l, len(phases), 2, "those of its own, and the answers to those of the peer's endpoint")
	})
}
