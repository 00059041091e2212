package udpio

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A pipeConn is one end of an in-memory net.PacketConn whose datagrams take a
// millisecond.
type pipeConn struct {
	net.PacketConn // nil: the methods that must not be called

	addr     net.Addr
	peer     *pipeConn
	in       chan letter
	closed   chan struct{}
	close    sync.Once
	failures []error // what the first reads return
	refuse   error   // what writes return
}

// A letter is a datagram on its way.
type letter struct {
	text string
	from net.Addr
}

func newPipe(a, b net.Addr) (*pipeConn, *pipeConn) {
	x := &pipeConn{addr: a, in: make(chan letter, 100), closed: make(chan struct{})}
	y := &pipeConn{addr: b, in: make(chan letter, 100), closed: make(chan struct{}), peer: x}
	x.peer = y
	return x, y
}

func (c *pipeConn) LocalAddr() net.Addr         { return c.addr }
func (c *pipeConn) SetDeadline(time.Time) error { return nil }

func (c *pipeConn) ReadFrom(b []byte) (int, net.Addr, error) {
	if len(c.failures) > 0 {
		err := c.failures[0]
		c.failures = c.failures[1:]
		return 0, nil, err
	}
	select {
	case d := <-c.in:
		time.Sleep(time.Millisecond)
		return copy(b, d.text), d.from, nil
	case <-c.closed:
		return 0, nil, io.ErrClosedPipe
	}
}

func (c *pipeConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	if c.refuse != nil {
		return 0, c.refuse
	}
	if addr.String() == c.peer.addr.String() {
		c.peer.in <- letter{string(b), c.addr}
	}
	return len(b), nil
}

func (c *pipeConn) Close() error {
	c.close.Do(func() { close(c.closed) })
	return nil
}

// A textAddr is an address that is known by its text only.
type textAddr string

func (a textAddr) Network() string { return "sim" }
func (a textAddr) String() string  { return string(a) }

func udpAddr(s string) net.Addr { return net.UDPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

func wrapPipe(t *testing.T, c *pipeConn) Socket {
	t.Helper()
	s, err := Wrap(c, Options{})
	require.NoError(t, err)
	return s
}

// A simulated network works in a bubble, with the addresses of package net or others
// that look like them.
func TestPacketConnInBubble(t *testing.T) {
	for _, addrs := range [][2]net.Addr{
		{udpAddr("10.0.0.1:1"), udpAddr("10.0.0.2:2")},
		{textAddr("10.0.0.1:1"), textAddr("10.0.0.2:2")},
	} {
		synctest.Test(t, func(t *testing.T) {
			x, y := newPipe(addrs[0], addrs[1])
			a, b := wrapPipe(t, x), wrapPipe(t, y)
			require.Equal(t, netip.MustParseAddrPort("10.0.0.1:1"), a.LocalAddr())
			require.Equal(t, Info{MaxRun: 1}, a.Info())
			_, err := a.SyscallConn()
			require.Error(t, err)

			done := make(chan error)
			go func() {
				_, err := b.Recv(make([]byte, 64<<10))
				done <- err
			}()
			runs := []Run{{B: pattern(250), Segment: 100}}
			peer := to(b.LocalAddr())
			n, err := a.Send(peer, runs, false)
			require.NoError(t, err)
			require.Equal(t, 3, n)
			require.NoError(t, <-done)
			got, last := receive(t, b, 2)
			require.Equal(t, split(runs)[1:], got)
			require.Equal(t, Received{N: 50, Segment: 50, From: a.LocalAddr(), Local: b.LocalAddr().Addr()}, last)

			go func() {
				_, err := b.Recv(make([]byte, 64<<10))
				done <- err
			}()
			synctest.Wait()
			require.NoError(t, b.Close())
			require.ErrorIs(t, <-done, net.ErrClosed)
		})
	}
}

// Transient errors are counted; a read that keeps failing is repeated with pauses.
func TestPacketConnErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := newPipe(udpAddr("10.0.0.1:1"), udpAddr("10.0.0.2:2"))
		a, b := wrapPipe(t, x), wrapPipe(t, y)
		for range 50 {
			y.failures = append(y.failures, io.ErrUnexpectedEOF)
		}
		_, err := a.Send(to(b.LocalAddr()), []Run{{B: []byte("x")}}, false)
		require.NoError(t, err)
		start := time.Now()
		receive(t, b, 1)
		require.EqualValues(t, 50, b.Info().TransientErrors)
		require.Greater(t, time.Since(start), 300*time.Millisecond)
		require.Less(t, time.Since(start), 400*time.Millisecond)

		x.refuse = io.ErrShortWrite
		n, err := a.Send(to(b.LocalAddr()), []Run{{B: pattern(250), Segment: 100}}, false)
		require.NoError(t, err)
		require.Equal(t, 3, n, "lost as on a path")
		require.EqualValues(t, 3, a.Info().TransientErrors)

		x.refuse = net.ErrClosed
		n, err = a.Send(to(b.LocalAddr()), []Run{{B: pattern(250), Segment: 100}}, false)
		require.ErrorIs(t, err, net.ErrClosed)
		require.Zero(t, n)
	})
}

// What comes from an address that is none of UDP has nobody to answer to.
func TestPacketConnForeignAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, y := newPipe(udpAddr("10.0.0.1:1"), udpAddr("10.0.0.2:2"))
		b := wrapPipe(t, y)
		y.in <- letter{"dropped", textAddr("somebody")}
		y.in <- letter{"taken", udpAddr("10.0.0.1:1")}
		got, _ := receive(t, b, 1)
		require.Equal(t, [][]byte{[]byte("taken")}, got)
		require.EqualValues(t, 1, b.Info().TransientErrors)
	})
}
