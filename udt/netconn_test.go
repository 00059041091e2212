package udt_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// The tests whose names begin with TestRow are of those rows of the contract of a
// drop-in that nettest.TestDropIn cannot check for every transport. The number is
// the row's.

// inAllLabs runs f in a lab with each kind of peer, and in protected mode.
func inAllLabs(t *testing.T, link simnet.Link, f func(l *lab, c *udt.Config)) {
	t.Helper()
	inBothLabs(t, link, f)
	t.Run("protected", func(t *testing.T) { inLab(t, link, func(l *lab) { f(l, psk(udt.ModeStream)) }) })
}

// A peer that vanished is a timeout, on both sides of the connection.
func TestRow12VanishedPeerIsATimeout(t *testing.T) {
	inAllLabs(t, wan, func(l *lab, c *udt.Config) {
		a, _ := l.pair(c, c)
		l.cut()
		_, err := a.Write([]byte("anybody there"))
		require.NoError(l, err)
		start := time.Now()
		_, err = a.Read(make([]byte, 1))
		require.ErrorIs(l, err, syscall.ETIMEDOUT)
		require.NotErrorIs(l, err, os.ErrDeadlineExceeded, "no deadline has passed")
		l.requireTook(start, time.Second, 15*time.Second, "to give up unanswered data")
		_, err = a.Write([]byte("x"))
		require.ErrorIs(l, err, syscall.ETIMEDOUT)
	})
}

// As with TCP, one Write after the peer's Close is taken, by an application that
// has not seen the end: crypto/tls says goodbye like that. The next one fails,
// and nothing claims that the first has arrived.
func TestRow13OneWriteAfterThePeersClose(t *testing.T) {
	inAllLabs(t, wan, func(l *lab, c *udt.Config) {
		e, listener := l.endpoint(addrA), l.listen(addrB, c)
		closedByPeer := func() *udt.Conn {
			a, b := l.dial(e, c, listener)
			require.NoError(l, b.Close())
			time.Sleep(time.Second)
			return a
		}

		a := closedByPeer()
		n, err := a.Write([]byte("goodbye"))
		require.NoError(l, err)
		require.Equal(l, 7, n)
		require.ErrorIs(l, a.Flush(context.Background()), syscall.EPIPE, "it has not arrived")
		n, err = a.Write([]byte("goodbye"))
		require.ErrorIs(l, err, syscall.EPIPE)
		require.Zero(l, n)
		_, err = a.Read(make([]byte, 1))
		require.Equal(l, io.EOF, err)
		require.ErrorIs(l, a.CloseContext(context.Background()), udt.ErrReset, "it has not arrived")

		a = closedByPeer()
		_, err = a.Read(make([]byte, 1))
		require.Equal(l, io.EOF, err)
		_, err = a.Write([]byte("goodbye"))
		require.ErrorIs(l, err, syscall.EPIPE, "the application knows")
		require.NoError(l, a.CloseContext(context.Background()))
	})
}

// A Write that waits for room when the peer closes fails; it is not the one that
// is taken.
func TestRow13BlockedWriteFails(t *testing.T) {
	inAllLabs(t, wan, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				n, err := a.Write(make([]byte, 200<<20))
				if !errors.Is(err, syscall.EPIPE) || n == 200<<20 {
					l.Errorf("blocked Write returned %d, %v", n, err)
				}
			})
		}
		time.Sleep(30 * time.Second)
		require.NoError(l, b.Close())
		all.Wait()
	})
}

// Addresses are UDP's, never TCP's: programs that demand a *net.TCPAddr, such as
// the source-address check of x/crypto/ssh, refuse them.
func TestRow20AddressesAreUDP(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(nil, nil)
		for _, addr := range []net.Addr{a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr(), a.Endpoint().LocalAddr()} {
			require.IsType(l, new(net.UDPAddr), addr)
			require.Equal(l, "udp", addr.Network())
		}
	})
}

// The Net of every error is the Network of every address: programs switch on either.
func TestErrorsNameTheNetworkOfAddresses(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, _ := l.pair(nil, nil)
		p, listener := l.packets(addrC, nil), l.listen(netip.AddrPortFrom(addrC.Addr(), addrC.Port()+1), nil)
		require.NoError(l, a.Close())
		require.NoError(l, p.Close())
		require.NoError(l, listener.Close())
		canceled, cancel := context.WithCancel(context.Background())
		cancel()
		b := make([]byte, 1)
		for name, call := range map[string]func() error{
			"Conn.Read":                func() error { _, err := a.Read(b); return err },
			"Conn.Write":               func() error { _, err := a.Write(b); return err },
			"Conn.ReadMessage":         func() error { _, err := a.ReadMessage(b); return err },
			"Conn.SetDeadline":         func() error { return a.SetDeadline(time.Time{}) },
			"Conn.Close":               a.Close,
			"Conn.UpdateKeys":          a.UpdateKeys,
			"Listener.Accept":          func() error { _, err := listener.Accept(); return err },
			"Listener.Close":           listener.Close,
			"PacketConn.ReadFrom":      func() error { _, _, err := p.ReadFrom(b); return err },
			"PacketConn.WriteTo":       func() error { _, err := p.WriteTo(b, udpAddr(addrA)); return err },
			"PacketConn.Close":         p.Close,
			"Endpoint.DialContext":     func() error { _, err := a.Endpoint().DialContext(canceled, "udt4", addrB.String(), nil); return err },
			"Endpoint.ListenPacket":    func() error { _, err := a.Endpoint().ListenPacket(&udt.Config{MSS: 1}); return err },
			"Dial":                     func() error { _, err := udt.Dial("udt", "", nil); return err },
			"Listen":                   func() error { _, err := udt.Listen("udt6", "", nil); return err },
			"ListenEndpoint":           func() error { _, err := udt.ListenEndpoint("tcp", ":0", nil); return err },
			"NewEndpoint":              func() error { _, err := udt.NewEndpoint(nil, nil); return err },
			"ListenPacket":             func() error { _, err := udt.ListenPacket("", ":0", nil); return err },
			"Endpoint.Close, a second": func() error { a.Endpoint().Close(); return a.Endpoint().Close() },
		} {
			var op *net.OpError
			require.ErrorAs(l, call(), &op, name)
			require.Equal(l, a.LocalAddr().Network(), op.Net, name)
		}
	})
}

// CloseRead ends reading and leaves the rest as it is: the peer can send as much
// as it likes, and our own data arrive.
func TestRow23CloseRead(t *testing.T) {
	inAllLabs(t, wan, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		_, err := b.Write([]byte("unread"))
		require.NoError(l, err)
		read := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, onlyReader{a})
			read <- err
		}()
		synctest.Wait()
		require.NoError(l, a.CloseRead())
		require.NoError(l, <-read, "the end is io.EOF")
		_, err = a.Read(make([]byte, 1))
		require.Equal(l, io.EOF, err)

		_, err = b.Write(make([]byte, 8<<20))
		require.NoError(l, err)
		require.NoError(l, b.Flush(context.Background()))
		_, err = a.Write([]byte("answer"))
		require.NoError(l, err)
		require.NoError(l, a.Close())
		got, err := io.ReadAll(b)
		require.NoError(l, err)
		require.Equal(l, "answer", string(got))
	})
}

// Keep-alives come in the period that was set last, and not at all when they are
// turned off.
func TestRow23KeepAlive(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		silent := &udt.Config{KeepAlivePeriod: -1, IdleTimeout: -1}
		a, b := l.pair(silent, silent)
		_, err := a.Write([]byte("x"))
		require.NoError(l, err)
		_, err = b.Read(make([]byte, 1))
		require.NoError(l, err)
		sentIn := func(d time.Duration) int {
			before := l.net.LinkStats(addrA.Addr(), addrB.Addr()).Sent
			time.Sleep(d)
			return int(l.net.LinkStats(addrA.Addr(), addrB.Addr()).Sent - before)
		}
		time.Sleep(time.Second)
		require.Zero(l, sentIn(10*time.Minute), "keep-alives are off")
		require.NoError(l, a.SetKeepAlive(true))
		require.InDelta(l, 30, sentIn(10*time.Minute), 8, "the default period is 20 s")
		require.NoError(l, a.SetKeepAlivePeriod(time.Second))
		within := func(n int) bool { return 500 <= n && n <= 751 } // of 600, give or take a fifth of the period
		require.Condition(l, func() bool { return within(sentIn(10 * time.Minute)) })
		require.NoError(l, a.SetKeepAliveConfig(net.KeepAliveConfig{Enable: false}))
		time.Sleep(2 * time.Second)
		require.Zero(l, sentIn(10*time.Minute))
		require.NoError(l, a.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true}))
		require.Condition(l, func() bool { return within(sentIn(10 * time.Minute)) }, "the period that was set before")
	})
}

// The buffers' caps hold from when they are set.
func TestRow23Buffers(t *testing.T) {
	inAllLabs(t, wan, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		require.NoError(l, a.SetWriteBuffer(100_000))
		require.NoError(l, b.SetReadBuffer(1), "becomes the smallest there is")
		require.NoError(l, a.SetWriteDeadline(time.Now().Add(time.Minute)))
		// What the handshake promised to take stays promised.
		promised := 2 << 20
		n, err := a.Write(make([]byte, 64<<20))
		require.ErrorIs(l, err, os.ErrDeadlineExceeded)
		require.Less(l, n, promised+100_000)

		require.NoError(l, a.SetWriteDeadline(time.Time{}))
		go func() {
			_, _ = a.Write(make([]byte, 1<<20))
			_ = a.Close()
		}()
		got, err := drain(b)
		require.NoError(l, err)
		require.EqualValues(l, n+1<<20, got)
	})
}

// A request and its answer take one round trip: nothing waits for more data, for
// a tick or for an acknowledgement.
func TestRow29RequestAndAnswerTakeOneRoundTrip(t *testing.T) {
	inAllLabs(t, simnet.Link{Delay: 20 * time.Millisecond}, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(b, onlyReader{b})
		}()
		buf := make([]byte, 300)
		for i := range 50 {
			start := time.Now()
			_, err := a.Write(buf)
			require.NoError(l, err)
			_, err = io.ReadFull(a, buf)
			require.NoError(l, err)
			require.Equal(l, 40*time.Millisecond, time.Since(start), "request %d", i)
		}
		require.NoError(l, a.Close())
		<-done
	})
}

// The server takes no round trip time from a conclusion that was sent twice: its
// first answers that are lost would be repeated far too late.
func TestRow29RepeatedHandshakeIsNoRoundTrip(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		conclusions := 0
		l.net.SetFilter(func(b []byte, from, _ netip.AddrPort) simnet.Verdict {
			if from == addrA && isControl(b, typeHandshake) && binary.BigEndian.Uint32(b[36:]) == 1<<32-1 {
				if conclusions++; conclusions == 1 {
					return simnet.Drop
				}
			}
			return simnet.Pass
		})
		a, b := l.pair(nil, nil)
		require.Equal(l, 2, conclusions)
		_, err := b.Write([]byte("hello"))
		require.NoError(l, err)
		_, err = io.ReadFull(a, make([]byte, 5))
		require.NoError(l, err)
		time.Sleep(time.Second)
		require.InDelta(l, 20*time.Millisecond, b.Stats().RTT, float64(2*time.Millisecond))
	})
}

// An idle connection sends a keep-alive about every 20 s and lives. One to a peer
// like the reference, which would speak more often, tests it every 5 s.
func TestRow30IdleConnection(t *testing.T) {
	inAllLabs(t, wan, func(l *lab, c *udt.Config) {
		a, b := l.pair(c, c)
		before := l.net.LinkStats(addrA.Addr(), addrB.Addr()).Sent
		time.Sleep(time.Hour)
		sent := l.net.LinkStats(addrA.Addr(), addrB.Addr()).Sent - before
		if c == legacy {
			require.LessOrEqual(l, sent, uint64(2*3600/5+200), "datagrams in an hour, tests and their answers")
		} else {
			require.InDelta(l, 180, float64(sent), 47, "datagrams in an hour")
		}
		l.requireTransfer(a, b, noise(1000), 1000, time.Minute)
	})
}

// A message that does not fit is an error that callers can compare, and only its
// own rest is lost.
func TestRow34ShortBufferForAMessage(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(messages, messages)
		for _, text := range []string{"too long", "next"} {
			_, err := a.Write([]byte(text))
			require.NoError(l, err)
		}
		buf := make([]byte, 4)
		n, err := b.Read(buf)
		require.Equal(l, io.ErrShortBuffer, err)
		require.Equal(l, "too ", string(buf[:n]))
		n, err = b.Read(buf)
		require.NoError(l, err)
		require.Equal(l, "next", string(buf[:n]))
	})
}
