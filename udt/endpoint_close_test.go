package udt_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/udt"
)

// Closing an endpoint takes no buffer from under a Read that copies out of it: what
// Read returns is what was sent.
func TestEndpointCloseWhileAReadCopies(t *testing.T) {
	for range 20 {
		l, err := udt.Listen("udt", "127.0.0.1:0", nil)
		require.NoError(t, err)
		wrote := make(chan struct{})
		go func() {
			defer close(wrote)
			c, err := l.AcceptUDT()
			if err != nil {
				return
			}
			ones := make([]byte, 1<<20)
			for i := range ones {
				ones[i] = 1
			}
			for err == nil {
				_, err = c.Write(ones)
			}
			c.Close()
		}()
		c, err := udt.Dial("udt", l.Addr().String(), pipes.Patient(nil))
		require.NoError(t, err)
		buf := make([]byte, 256<<10)
		_, err = io.ReadFull(c, buf)
		require.NoError(t, err)
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			c.Endpoint().Close()
		}()
		for err == nil {
			var n int
			n, err = c.Read(buf)
			for _, b := range buf[:n] {
				require.EqualValues(t, 1, b)
			}
		}
		<-closed
		l.Endpoint().Close()
		<-wrote
	}
}
