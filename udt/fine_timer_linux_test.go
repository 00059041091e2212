//go:build linux && !udtnooffload

package udt_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/udt"
)

// At rates whose bursts are less than a millisecond apart everything arrives, with
// the fine timer and without, and closing the endpoint ends its goroutine (TestMain
// looks for those left).
func TestPacingBetweenTimerTicks(t *testing.T) {
	for _, coarse := range []bool{false, true} {
		config := &udt.Config{DisableFineTimer: coarse, MaxBandwidth: 100e6}
		l, err := udt.Listen("udt", "127.0.0.1:0", config)
		require.NoError(t, err)
		defer l.Close()
		received := make(chan int64)
		go func() {
			c, err := l.Accept()
			if err != nil {
				received <- -1
				return
			}
			defer c.Close()
			n, _ := io.Copy(io.Discard, onlyReader{c})
			received <- n
		}()
		c, err := udt.Dial("udt", l.Addr().String(), pipes.Patient(config))
		require.NoError(t, err)
		const size = 4 << 20
		_, err = c.Write(make([]byte, size))
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.EqualValues(t, size, <-received)
	}
}
