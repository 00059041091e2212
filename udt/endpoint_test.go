package udt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// One port carries a listener and any number of dials, in both directions, to the
// same peer.
func TestManyConnectionsShareAPort(t *testing.T) {
	inLab(t, simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.01}, func(l *lab) {
		const each = 20
		ends := [2]*udt.Endpoint{l.endpoint(addrA), l.endpoint(addrB)}
		var wg sync.WaitGroup
		errs := make(chan error, 4*each)
		for i, e := range ends {
			listener, err := e.Listen(nil)
			require.NoError(l, err)
			for k := range each {
				wg.Go(func() { // a server that returns what it gets
					c, err := listener.AcceptUDT()
					if err != nil {
						errs <- err
						return
					}
					defer c.Close()
					b := make([]byte, 10_000)
					if _, err = io.ReadFull(c, b); err == nil {
						_, err = c.Write(b)
					}
					errs <- err
				})
				wg.Go(func() {
					c, err := e.DialContext(context.Background(), "udt", ends[1-i].LocalAddr().String(), nil)
					if err != nil {
						errs <- err
						return
					}
					defer c.Close()
					b := make([]byte, 10_000)
					fillContent(b, k)
					c.Write(b)
					clear(b)
					if _, err = io.ReadFull(c, b); err == nil && !checkContent(b, k) {
						err = errors.New("wrong content")
					}
					errs <- err
				})
			}
		}
		wg.Wait()
		for range 4 * each {
			require.NoError(l, <-errs)
		}
		time.Sleep(10 * time.Second)
		for _, e := range ends {
			require.Zero(l, e.Stats().Connections)
			require.NoError(l, e.Shutdown(context.Background()))
		}
	})
}

// On IPv6 packets are 1480 bytes by default, counted with 28 bytes of headers as
// the wire does.
func TestIPv6(t *testing.T) {
	inLab(t, simnet.Link{Delay: time.Millisecond, MTU: 1480}, func(l *lab) {
		a6, b6 := netip.MustParseAddrPort("[2001:db8::1]:4000"), netip.MustParseAddrPort("[2001:db8::2]:5000")
		a, b := l.dial(l.endpoint(a6), nil, l.listen(b6, nil))
		require.Equal(l, b6.String(), a.RemoteAddr().String())
		require.Equal(l, a6.String(), b.RemoteAddr().String())
		require.Equal(l, 1480-44, a.PacketPayload())
		write(l, a, 100_000)
		go a.Close()
		requireContent(l, b, 100_000, io.EOF)
	})
}

// An endpoint has one listener at a time; after it was closed there can be
// another, and accepted connections go on.
func TestOneListenerAtATime(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		first := l.listen(addrB, nil)
		e := first.Endpoint()
		_, err := e.Listen(nil)
		require.ErrorIs(l, err, syscall.EADDRINUSE)
		_, err = e.ListenPacket(nil)
		require.ErrorIs(l, err, syscall.EADDRINUSE)
		dialer := l.endpoint(addrA)
		a, b := l.dial(dialer, nil, first)
		waiting, err := dialer.DialContext(context.Background(), "udt", addrB.String(), nil)
		require.NoError(l, err)
		require.NoError(l, first.Close())
		require.ErrorIs(l, first.Close(), net.ErrClosed)
		_, err = waiting.Read(make([]byte, 1))
		require.ErrorIs(l, err, udt.ErrReset, "nobody had accepted it")
		_, err = first.Accept()
		require.ErrorIs(l, err, net.ErrClosed)
		_, err = dialer.DialContext(context.Background(), "udt", addrB.String(), nil)
		requireTimeout(l, err)

		second, err := e.Listen(nil)
		require.NoError(l, err)
		l.dial(dialer, nil, second)
		write(l, a, 1000)
		go a.Close()
		requireContent(l, b, 1000, io.EOF)
	})
}

// Datagrams that are not UDT's go to OnForeignPacket, whole and unchanged, and
// WriteTo sends the like; connections are not disturbed.
func TestForeignPackets(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		var got [][]byte
		a, b := l.pair(nil, &udt.Config{Endpoint: &udt.EndpointConfig{
			OnForeignPacket: func(p []byte, from netip.AddrPort) {
				got = append(got, append([]byte(nil), p...))
				if from != addrA {
					got = append(got, []byte("wrong source"))
				}
			},
		}})
		stun := []byte{0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
		zero := make([]byte, 40) // to socket ID zero
		foreign := [][]byte{stun, zero, stun[:4], {7}}
		for _, p := range foreign {
			require.NoError(l, a.Endpoint().WriteTo(p, addrB))
		}
		write(l, a, 1000)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(l, foreign, got)
		require.EqualValues(l, len(foreign), b.Endpoint().Stats().Foreign)
		require.NoError(l, b.Endpoint().WriteTo(stun, addrA)) // whose endpoint drops them
		require.NoError(l, b.Endpoint().WriteTo(stun[:4], addrA))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(l, got, len(foreign))
		require.EqualValues(l, 1, a.Endpoint().Stats().UnknownIDs)
		require.EqualValues(l, 1, a.Endpoint().Stats().Malformed)
		go a.Close()
		requireContent(l, b, 1000, io.EOF)
	})
}

// Shutdown stops accepting, waits until every connection has closed, and closes
// the socket.
func TestShutdownDrains(t *testing.T) {
	inLab(t, simnet.Link{Delay: 10 * time.Millisecond, Rate: 10e6, Loss: 0.02}, func(l *lab) {
		listener := l.listen(addrB, nil)
		e := l.endpoint(addrA)
		var conns []*udt.Conn
		for range 3 {
			a, b := l.dial(e, nil, listener)
			write(l, a, 200_000)
			require.NoError(l, a.SetLinger(1)) // Close need not wait
			conns = append(conns, b)
			go a.CloseContext(context.Background())
		}
		synctest.Wait()
		go func() {
			for _, b := range conns {
				time.Sleep(time.Second)
				drain(b)
				b.Close()
			}
		}()
		require.NoError(l, listener.Endpoint().Shutdown(context.Background()))
		require.Zero(l, listener.Endpoint().Stats().Connections)
		_, err := listener.Accept()
		require.ErrorIs(l, err, net.ErrClosed)
		_, err = listener.Endpoint().DialContext(context.Background(), "udt", addrA.String(), nil)
		require.ErrorIs(l, err, net.ErrClosed)
		_, err = listener.Endpoint().Listen(nil)
		require.ErrorIs(l, err, net.ErrClosed)
		require.ErrorIs(l, listener.Endpoint().Close(), net.ErrClosed)
		_, err = l.net.Listen(addrB)
		require.NoError(l, err, "the port is free")
	})
}

// A Shutdown whose context ends aborts what is left and says so.
func TestShutdownWithALimit(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(nil, nil)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(l, a.Endpoint().Shutdown(ctx), context.DeadlineExceeded)
		l.requireTook(start, 2*time.Second, 2*time.Second, "Shutdown")
		_, err := a.Write([]byte("x"))
		require.ErrorIs(l, err, net.ErrClosed)
		start = time.Now()
		_, err = b.Read(make([]byte, 1))
		require.Equal(l, io.EOF, err, "nothing was lost")
		l.requireTook(start, 10*time.Millisecond, 10*time.Millisecond, "the news")
	})
}

// Endpoint.Close ends all its connections at once: calls fail with net.ErrClosed,
// and the peer is told, with ErrReset if anything accepted is missing.
func TestEndpointClose(t *testing.T) {
	for _, size := range []int{100, 200_000} {
		inLab(t, wan, func(l *lab) {
			a, b := l.pair(nil, &udt.Config{RecvBuffer: 64 << 10})
			read := make(chan error, 1)
			go func() {
				_, err := a.Read(make([]byte, 1))
				read <- err
			}()
			write(l, a, size)
			time.Sleep(time.Second)
			start := time.Now()
			require.NoError(l, a.Endpoint().Close())
			require.ErrorIs(l, <-read, net.ErrClosed)
			l.requireTook(start, 0, 0, "Close")
			require.ErrorIs(l, a.Endpoint().Close(), net.ErrClosed)
			n, err := drain(b)
			if size == 100 {
				require.NoError(l, err)
				require.EqualValues(l, size, n)
			} else {
				require.ErrorIs(l, err, udt.ErrReset, "%d bytes of %d came", n, size)
			}
			b.Close()
			time.Sleep(time.Second)
			l.requireGone(a, b)
		})
	}
}

// The buffers of all connections together do not grow beyond MemoryLimit, and
// everything is given back.
func TestMemoryLimit(t *testing.T) {
	inLab(t, simnet.Link{Delay: 20 * time.Millisecond, Rate: 300e6}, func(l *lab) {
		transfer := func(limit int64) (most int64) {
			config := &udt.Config{Endpoint: &udt.EndpointConfig{MemoryLimit: limit}}
			listener, e := l.listen(addrB, config), l.configured(addrA, config)
			var wg sync.WaitGroup
			for range 3 {
				a, b := l.dial(e, nil, listener)
				wg.Go(func() {
					a.Write(make([]byte, 3<<20))
					a.Close()
				})
				wg.Go(func() {
					n, err := drain(b)
					if n != 3<<20 || err != nil {
						panic(fmt.Sprint(n, err))
					}
					b.Close()
				})
			}
			done := make(chan struct{})
			go func() {
				wg.Wait()
				close(done)
			}()
			for over := false; !over; {
				select {
				case <-done:
					over = true
				case <-time.After(5 * time.Millisecond):
				}
				most = max(most, e.Stats().MemoryHeld, listener.Endpoint().Stats().MemoryHeld)
			}
			time.Sleep(time.Second)
			for _, e := range []*udt.Endpoint{e, listener.Endpoint()} {
				require.Zero(l, e.Stats().MemoryHeld)
				require.NoError(l, e.Shutdown(context.Background()))
			}
			return most
		}
		free := transfer(0)
		require.Greater(l, free, int64(1<<20), "the test needs a path that makes buffers grow")
		limited := transfer(free / 4)
		require.LessOrEqual(l, limited, free/4)
		require.NotZero(l, limited)
	})
}

// Socket IDs and initial sequence numbers cannot be guessed: no two are the same
// and every bit is as often one as zero.
func TestIDsAndNumbersAreRandom(t *testing.T) {
	inLab(t, simnet.Link{}, func(l *lab) {
		var ids, numbers []uint32
		l.net.SetFilter(func(b []byte, from, to netip.AddrPort) simnet.Verdict {
			if len(b) == wire.HeaderLen+wire.HandshakeLen && wire.IsControl(b) && wire.ParseControl(b).Type == wire.TypeHandshake {
				h, _ := wire.ParseHandshake(b[wire.HeaderLen:])
				if h.Request == wire.RequestConclusion {
					ids = append(ids, h.SocketID)
					if from == addrA {
						numbers = append(numbers, h.Number)
					}
				}
			}
			return simnet.Pass
		})
		e, listener := l.endpoint(addrA), l.listen(addrB, nil)
		const conns = 400
		for range conns {
			a, _ := l.dial(e, nil, listener)
			a.Abort()
		}
		require.Len(l, ids, 2*conns)
		require.Len(l, numbers, conns)
		for name, values := range map[string][]uint32{"IDs": ids, "numbers": numbers} {
			seen := map[uint32]bool{}
			var ones [32]int
			for _, v := range values {
				require.False(l, seen[v], "%s: %d twice", name, v)
				seen[v] = true
				require.NotZero(l, v)
				for ; v != 0; v &= v - 1 {
					ones[bits.TrailingZeros32(v)]++
				}
			}
			require.Zero(l, ones[31], name)
			for bit, n := range ones[:31] {
				require.InDelta(l, len(values)/2, n, float64(len(values))/6, "%s: bit %d", name, bit)
			}
		}
	})
}

// A cookie is valid for the address, socket ID and number it was made for, until
// the second change of the secret, which happens once a minute.
func TestCookies(t *testing.T) {
	conclude := func(l *lab, r *raw, h wire.Handshake) bool {
		e := l.listener.Endpoint()
		before, falseCookies := e.Stats().Connections, e.Stats().FalseCookies
		answer, ok := r.handshake(h)
		if !ok {
			require.Equal(l, before, e.Stats().Connections)
			require.Equal(l, falseCookies+1, e.Stats().FalseCookies)
			return false
		}
		require.Equal(l, wire.RequestConclusion, answer.Request)
		require.Equal(l, before+1, e.Stats().Connections)
		return true
	}
	for name, test := range map[string]struct {
		change func(h *wire.Handshake)
		wait   time.Duration
		from   netip.AddrPort
		valid  bool
	}{
		"as made":                      {valid: true},
		"after 59 seconds":             {wait: 58 * time.Second, valid: true},
		"after one change":             {wait: 61 * time.Second, valid: true},
		"after two changes":            {wait: 121 * time.Second},
		"after an hour":                {wait: time.Hour},
		"zero":                         {change: func(h *wire.Handshake) { h.Cookie = 0 }},
		"forged":                       {change: func(h *wire.Handshake) { h.Cookie ^= 1 }},
		"for another ID":               {change: func(h *wire.Handshake) { h.SocketID++ }},
		"for another number":           {change: func(h *wire.Handshake) { h.Number++ }},
		"from another address":         {from: addrC},
		"from another port":            {from: netip.AddrPortFrom(addrA.Addr(), addrA.Port()+1)},
		"with another flow window":     {change: func(h *wire.Handshake) { h.FlowWindow++ }, valid: true},
		"from a client of another MSS": {change: func(h *wire.Handshake) { h.MSS = 1400 }, valid: true},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, wan, func(l *lab) {
				l.listener = l.listen(addrB, nil)
				r := l.raw(addrA, addrB)
				h := r.request(77)
				require.Zero(l, l.listener.Endpoint().Stats().Connections)
				if test.change != nil {
					test.change(&h)
				}
				time.Sleep(test.wait)
				if test.from.IsValid() {
					r = l.raw(test.from, addrB)
				}
				require.Equal(l, test.valid, conclude(l, r, h))
			})
		})
	}
}

// A client that asks for something impossible is refused.
func TestImpossibleConclusionsAreRefused(t *testing.T) {
	for name, change := range map[string]func(h *wire.Handshake){
		"version":     func(h *wire.Handshake) { h.Version = 5 },
		"type":        func(h *wire.Handshake) { h.Type = 0 },
		"mode":        func(h *wire.Handshake) { h.Type = wire.SocketMessage },
		"MSS":         func(h *wire.Handshake) { h.MSS = 75 },
		"flow window": func(h *wire.Handshake) { h.FlowWindow = 0 },
		"negative":    func(h *wire.Handshake) { h.FlowWindow = 1 << 31 },
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, wan, func(l *lab) {
				e := l.listen(addrB, nil).Endpoint()
				r := l.raw(addrA, addrB)
				h := hello(77)
				change(&h)
				answer, ok := r.handshake(r.requestAs(h))
				require.True(l, ok)
				require.Equal(l, wire.RequestRefused, answer.Request)
				require.Zero(l, e.Stats().Connections)
				require.EqualValues(l, 1, e.Stats().HandshakesRefused)
			})
		})
	}
}

// Requests without a valid conclusion leave nothing behind, however many come,
// and their answers are no larger than they are.
func TestListenerKeepsNoStateForRequests(t *testing.T) {
	inLab(t, simnet.Link{}, func(l *lab) {
		e := l.listen(addrB, nil).Endpoint()
		flood := func(n int) {
			for i := range n {
				h := hello(uint32(i + 1))
				from := netip.AddrPortFrom(addrC.Addr(), uint16(1+i%60_000))
				l.net.Inject(handshakePacket(&h), from, addrB)
				h.Request, h.Cookie = wire.RequestConclusion, uint32(i)
				l.net.Inject(handshakePacket(&h), from, addrB)
				if i%100 == 99 || i == n-1 {
					synctest.Wait() // all are answered
					time.Sleep(time.Microsecond)
				}
			}
		}
		heap := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		flood(1000)
		before := heap()
		flood(20_000)
		after := heap()
		require.Zero(l, e.Stats().Connections)
		require.Less(l, int64(after)-int64(before), int64(20_000*16))
		in := l.net.LinkStats(addrC.Addr(), addrB.Addr())
		out := l.net.LinkStats(addrB.Addr(), addrC.Addr())
		require.EqualValues(l, 42_000, in.Sent)
		require.EqualValues(l, 21_000, out.Sent, "the false conclusions are not answered")
		require.LessOrEqual(l, 2*out.SentBytes, in.SentBytes)
	})
}

// When Config.Backlog connections wait for Accept, further ones are refused.
func TestBacklog(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		listener, e := l.listen(addrB, &udt.Config{Backlog: 2}), l.endpoint(addrA)
		for range 2 {
			_, err := e.DialContext(context.Background(), "udt", addrB.String(), nil)
			require.NoError(l, err)
		}
		start := time.Now()
		_, err := e.DialContext(context.Background(), "udt", addrB.String(), nil)
		require.ErrorIs(l, err, udt.ErrRefused)
		require.NotErrorIs(l, err, udt.ErrMode)
		l.requireTook(start, 40*time.Millisecond, 40*time.Millisecond, "the refusal")
		_, err = listener.Accept()
		require.NoError(l, err)
		_, err = e.DialContext(context.Background(), "udt", addrB.String(), nil)
		require.NoError(l, err)
		require.EqualValues(l, 1, listener.Endpoint().Stats().HandshakesRefused)
	})
}

// A copy of a conclusion that was refused, arriving when there is room again, is
// refused too: its client has given up, and would take a place without ever using it.
func TestLateCopiesOfRefusedConclusionsAreRefused(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		listener := l.listen(addrB, &udt.Config{Backlog: 1})
		l.endpoint(addrA).DialContext(context.Background(), "udt", addrB.String(), nil)
		client := l.raw(addrC, addrB)
		conclusion := client.request(7)
		answer, ok := client.handshake(conclusion)
		require.True(l, ok)
		require.Equal(l, wire.RequestRefused, answer.Request)

		_, err := listener.Accept()
		require.NoError(l, err)
		answer, ok = client.handshake(conclusion)
		require.True(l, ok)
		require.Equal(l, wire.RequestRefused, answer.Request)
		require.Equal(l, 1, listener.Endpoint().Stats().Connections)
	})
}

// AcceptPeer sees what the peer asks for and decides; whom it refuses leaves
// nothing and takes no place in the backlog.
func TestAcceptPeer(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		var seen []udt.PeerInfo
		config := &udt.Config{Backlog: 1, AcceptPeer: func(p udt.PeerInfo) error {
			seen = append(seen, p)
			if p.RemoteAddr.Addr() == addrC.Addr() {
				return errors.New("not you")
			}
			return nil
		}}
		listener := l.listen(addrB, config)
		stranger := l.endpoint(addrC)
		for range 3 {
			_, err := stranger.DialContext(context.Background(), "udt", addrB.String(), &udt.Config{MSS: 1000})
			require.ErrorIs(l, err, udt.ErrRefused)
		}
		require.Zero(l, listener.Endpoint().Stats().Connections)
		l.dial(l.endpoint(addrA), &udt.Config{FlowWindow: 1000}, listener)
		require.Len(l, seen, 4)
		require.Equal(l, addrC, seen[0].RemoteAddr)
		require.Equal(l, 1000, seen[0].MSS)
		require.Equal(l, udt.ModeStream, seen[0].Mode)
		require.Equal(l, addrA, seen[3].RemoteAddr)
		require.Equal(l, 1000, seen[3].FlowWindow)
	})
}

// Copies of a conclusion that arrive late make no second connection, neither while
// the first is open nor after it has ended.
func TestLateConclusionsMakeNoGhosts(t *testing.T) {
	for _, abort := range []bool{false, true} {
		inLab(t, wan, func(l *lab) {
			listener, e := l.listen(addrB, nil), l.endpoint(addrA)
			var conclusion []byte
			l.net.SetFilter(func(b []byte, from, _ netip.AddrPort) simnet.Verdict {
				if h, err := wire.ParseHandshake(b[min(len(b), wire.HeaderLen):]); err == nil && from == addrA && h.Request == wire.RequestConclusion {
					conclusion = append([]byte(nil), b...)
				}
				return simnet.Pass
			})
			a, b := l.dial(e, nil, listener)
			time.Sleep(time.Second)
			require.NotNil(l, conclusion)
			copy := func() {
				l.net.Inject(conclusion, addrA, addrB)
				time.Sleep(time.Second)
			}
			copy()
			require.Equal(l, 1, listener.Endpoint().Stats().Connections)
			if abort {
				b.Abort()
			} else {
				require.NoError(l, a.Close())
			}
			time.Sleep(100 * time.Millisecond)
			copy()
			b.Close()
			a.Close()
			for range 30 {
				copy()
				require.Zero(l, listener.Endpoint().Stats().Connections)
			}
			listener.SetDeadline(time.Now().Add(time.Second))
			_, err := listener.Accept()
			requireTimeout(l, err)
		})
	}
}

// An ended connection answers a peer that still speaks with Shutdown, at most ten
// times a second, and nobody else.
func TestTombstones(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		listener := l.listen(addrB, nil)
		r := l.raw(addrA, addrB)
		answer, ok := r.handshake(r.request(77))
		require.True(l, ok)
		c, err := listener.AcceptUDT()
		require.NoError(l, err)
		require.NoError(l, c.Close())
		for r.receive() != nil { // its Shutdown, three times
		}
		require.Zero(l, listener.Endpoint().Stats().Connections)

		speak := controlPacket(wire.TypeKeepAlive, 0, answer.SocketID, make([]byte, 4))
		answers := func() (n int) {
			for {
				b := r.receive()
				if b == nil {
					return n
				}
				require.Equal(l, wire.TypeShutdown, wire.ParseControl(b).Type)
				require.EqualValues(l, 77, wire.Dest(b))
				n++
			}
		}
		r.send(speak)
		require.Equal(l, 1, answers())
		for range 100 {
			r.send(speak)
			time.Sleep(10 * time.Millisecond)
		}
		n := answers()
		require.GreaterOrEqual(l, n, 9)
		require.LessOrEqual(l, n, 11)
		r.send(controlPacket(wire.TypeShutdown, 0, answer.SocketID, make([]byte, 8)))
		require.Zero(l, answers(), "a Shutdown is not answered")
		stranger := l.raw(addrC, addrB)
		stranger.send(speak)
		require.Nil(l, stranger.receive())
		time.Sleep(time.Minute)
		r.send(speak)
		require.Zero(l, answers(), "forgotten after a minute")
	})
}
