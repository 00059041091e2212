package udt

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// holds reports whether a call of c reads the socket.
func holds(c *Conn) bool {
	holder, _ := c.endpoint.lease.Holder()
	return holder == any(c)
}

// echoPair returns a dialed connection on loopback whose accepted end echoes, after
// so many exchanges that its Reads read the socket themselves.
func echoPair(t *testing.T) *Conn { return echoPairOf(t, nil) }

func echoPairOf(t *testing.T, port *EndpointConfig) *Conn {
	l, err := Listen("udt", "127.0.0.1:0", nil)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-echoed })
	c, err := Dial("udt", l.Addr().String(), &Config{HandshakeTimeout: time.Minute, Endpoint: port})
	require.NoError(t, err)
	for range 4 * lendAfter {
		asking(t, c)
	}
	return c
}

func asking(t *testing.T, c *Conn) {
	b := []byte("ping")
	_, err := c.Write(b)
	require.NoError(t, err)
	_, err = io.ReadFull(c, b)
	require.NoError(t, err)
	require.Equal(t, "ping", string(b))
}

// blockedRead starts a Read that reads the socket, and returns where its error
// arrives.
func blockedRead(t *testing.T, c *Conn) <-chan error {
	ended := make(chan error, 1)
	for range 100 {
		asking(t, c) // the lease is free for a while after each
		require.NoError(t, c.SetReadDeadline(time.Time{}))
		stop := make(chan struct{})
		go func() {
			_, err := c.Read(make([]byte, 1))
			ended <- err
			close(stop)
		}()
		for range 10000 {
			if holds(c) {
				return ended
			}
			runtime.Gosched()
		}
		require.NoError(t, c.SetReadDeadline(time.Unix(1, 0)))
		<-stop
		<-ended
		require.NoError(t, c.SetReadDeadline(time.Time{}))
	}
	t.Fatal("no Read ever read the socket")
	return nil
}

// A Read that reads the socket ends when something else than data ends it.
func TestReadThatHoldsTheSocketIsInterrupted(t *testing.T) {
	for name, row := range map[string]struct {
		act  func(c *Conn) error
		want error
	}{
		"deadline":  {func(c *Conn) error { return c.SetReadDeadline(time.Now().Add(time.Millisecond)) }, os.ErrDeadlineExceeded},
		"past":      {func(c *Conn) error { return c.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"CloseRead": {(*Conn).CloseRead, io.EOF},
		"Close":     {(*Conn).Close, net.ErrClosed},
		"Abort":     {(*Conn).Abort, net.ErrClosed},
		"endpoint":  {func(c *Conn) error { return c.endpoint.Close() }, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			c := echoPair(t)
			defer c.Close()
			ended := blockedRead(t, c)
			require.NoError(t, row.act(c))
			require.ErrorIs(t, <-ended, row.want)
		})
	}
}

// While a Read holds the socket, other calls are served: it applies the
// acknowledgements they wait for.
func TestReadThatHoldsTheSocketServesOthers(t *testing.T) {
	c := echoPair(t)
	ended := blockedRead(t, c)
	_, err := c.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, c.Flush(context.Background()))
	require.NoError(t, <-ended)
	require.NoError(t, c.Close())
}

// After the only call has gone a goroutine reads the socket: what the peer does is
// noticed.
func TestSocketIsReadWithoutACall(t *testing.T) {
	c := echoPair(t)
	defer c.Close()
	require.Eventually(t, func() bool {
		holder, taken := c.endpoint.lease.Holder()
		return taken && holder == nil
	}, 10*time.Second, time.Millisecond)
	asking(t, c)
}

// A function of the user is called by a goroutine, never by a call that may hold
// what the function waits for.
func TestFunctionsOfTheUserKeepTheReader(t *testing.T) {
	c := echoPairOf(t, &EndpointConfig{OnForeignPacket: func([]byte, netip.AddrPort) {}})
	defer c.Close()
	for range 100 {
		asking(t, c)
	}
	require.False(t, c.endpoint.lease.Take(c))
}
