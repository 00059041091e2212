//go:build linux && !udtnooffload

package udpio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAlarmDoesNotRingEarly(t *testing.T) {
	a, err := NewAlarm()
	require.NoError(t, err)
	defer a.Close()
	for _, d := range []time.Duration{50 * time.Microsecond, time.Millisecond} {
		start := time.Now()
		a.Set(d)
		require.NoError(t, a.Wait())
		require.GreaterOrEqual(t, time.Since(start), d)
	}
}

func TestAlarmCanBeSetAnewWhileSomebodyWaits(t *testing.T) {
	a, err := NewAlarm()
	require.NoError(t, err)
	defer a.Close()
	a.Set(time.Hour)
	rang := make(chan error)
	go func() { rang <- a.Wait() }()
	a.Set(-1)
	require.NoError(t, <-rang)
}

func TestCloseEndsTheWaitForAnAlarm(t *testing.T) {
	a, err := NewAlarm()
	require.NoError(t, err)
	ended := make(chan error)
	go func() { ended <- a.Wait() }()
	require.NoError(t, a.Close())
	require.Error(t, <-ended)
}
