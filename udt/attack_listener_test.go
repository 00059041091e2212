package udt_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// accepting accepts and keeps connections until the test ends.
func (l *lab) accepting(listener *udt.Listener) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := listener.AcceptUDT(); err != nil {
				return
			}
		}
	}()
	l.Cleanup(func() {
		listener.Close()
		<-done
	})
}

func (l *lab) heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// referenceCookie is the reference's: anyone can compute it who knows when the
// listener was started (internal/proto/REFERENCE.md#listener).
func referenceCookie(from netip.AddrPort, minute int) uint32 {
	sum := md5.Sum(fmt.Appendf(nil, "%s:%d:%d", from.Addr(), from.Port(), minute))
	return binary.LittleEndian.Uint32(sum[:])
}

// A10: cookies that were computed or guessed from addresses that nobody owns make
// no connection and leave nothing.
func TestA10ForgedCookies(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		e := l.listen(addrB, nil).Endpoint()
		r := rand.New(rand.NewPCG(1, 1))
		n := packets(1_000_000)
		l.flood(n, 200, time.Millisecond, func(i int) {
			from := netip.AddrPortFrom(addrC.Addr(), uint16(1+r.IntN(60_000)))
			h := hello(r.Uint32()>>1 | 1)
			h.Request, h.Number, h.Cookie = wire.RequestConclusion, r.Uint32()>>1, r.Uint32()
			if i%2 == 0 {
				h.Cookie = referenceCookie(from, i%3)
			}
			l.net.Inject(handshakePacket(&h), from, addrB)
		})
		s := e.Stats()
		require.Zero(l, s.Connections)
		require.Zero(l, s.HandshakesRefused)
		require.EqualValues(l, n, s.FalseCookies)
		require.Zero(l, l.net.LinkStats(addrB.Addr(), addrC.Addr()).Sent)
		row(t, "A10", fmt.Sprintf("%d forged conclusions, computed and guessed cookies", n), "%d accepted, 0 replies, nothing kept", s.Connections)
	})
}

// A11: whoever has not shown that he receives at his address gets no more bytes
// sent there than he sent himself, and no more answers than the rate.
func TestA11Reflection(t *testing.T) {
	const rate = 500
	inLab(t, fastLink, func(l *lab) {
		listener := l.listen(addrB, &udt.Config{Limits: udt.Limits{RequestsPerSecond: rate}})
		n := packets(100_000) * 5
		r := rand.New(rand.NewPCG(1, 1))
		start := time.Now()
		l.flood(n, 10, time.Millisecond, func(i int) {
			h := hello(uint32(i + 1))
			from := netip.AddrPortFrom(addrC.Addr(), uint16(1+i%60_000))
			l.net.Inject(handshakePacket(&h), from, addrB)
		})
		seconds := time.Since(start).Seconds() + 1
		out := l.net.LinkStats(addrB.Addr(), addrC.Addr())
		require.LessOrEqual(l, float64(out.Sent), rate*(seconds+1))
		require.EqualValues(l, n, out.Sent+listener.Endpoint().Stats().HandshakesLimited)
		for _, make := range sortedAttacks() {
			for range 100 {
				l.net.Inject(make(r, r.Uint32N(3)), netip.AddrPortFrom(addrC.Addr(), 7), addrB)
			}
		}
		time.Sleep(time.Second)
		in := l.net.LinkStats(addrC.Addr(), addrB.Addr())
		out = l.net.LinkStats(addrB.Addr(), addrC.Addr())
		require.LessOrEqual(l, out.SentBytes, in.SentBytes)
		row(t, "A11", fmt.Sprintf("%d requests and %d other packets from spoofed sources", n, 900), "%d replies at a limit of %d/s, %.2f bytes out per byte in", out.Sent, rate, float64(out.SentBytes)/float64(in.SentBytes))
	})
}

// A12: a cookie is good for one address, port, ID and number, and for two minutes
// at most; honest clients connect whenever the secret changes.
func TestA12CookieReplay(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		listener := l.listen(addrB, nil)
		e := listener.Endpoint()
		l.accepting(listener)
		r := l.raw(addrA, addrB)
		replayed := 0
		for i := range 50 {
			h := r.request(uint32(100 + i))
			for _, p := range []struct {
				from   netip.AddrPort
				change func(h *wire.Handshake)
			}{
				{netip.AddrPortFrom(addrA.Addr(), addrA.Port()+1), nil},
				{addrC, nil},
				{addrA, func(h *wire.Handshake) { h.Number ^= 1 << (i % 31) }},
				{addrA, func(h *wire.Handshake) { h.SocketID ^= 1 << (i % 31) }},
			} {
				h := h
				if p.change != nil {
					p.change(&h)
				}
				l.net.Inject(handshakePacket(&h), p.from, addrB)
				replayed++
			}
			if i == 49 {
				time.Sleep(121 * time.Second)
				l.net.Inject(handshakePacket(&h), addrA, addrB)
				replayed++
			}
		}
		time.Sleep(time.Second)
		require.Zero(l, e.Stats().Connections)
		require.EqualValues(l, replayed, e.Stats().FalseCookies)
		client := l.endpoint(netip.AddrPortFrom(addrA.Addr(), 4999))
		n := packets(10_000)
		for range n {
			c, err := client.DialContext(context.Background(), "udt", addrB.String(), nil)
			require.NoError(l, err)
			c.Abort()
			time.Sleep(190 * time.Second / time.Duration(n))
		}
		row(t, "A12", fmt.Sprintf("%d replays of cookies: port, address, number, ID, age", replayed), "0 accepted; %d of %d honest dials over three changes of the secret connect", n, n)
	})
}

// A13: clients that conclude validly, as fast as they can, and are never heard
// again, take bounded memory, and others still connect.
func TestA13HandshakeFlood(t *testing.T) {
	for _, accept := range []bool{true, false} {
		inLab(t, simnet.Link{Delay: time.Millisecond}, func(l *lab) {
			listener := l.listen(addrB, nil)
			e := listener.Endpoint()
			if accept {
				l.accepting(listener)
			}
			bot := l.socket(addrC)
			quit := make(chan struct{})
			go func() {
				defer close(quit)
				b := make([]byte, 2048)
				for {
					k, _, err := bot.ReadFromUDPAddrPort(b)
					if err != nil {
						return
					}
					h, err := wire.ParseHandshake(b[min(wire.HeaderLen, k):k])
					if err != nil || h.Request != wire.RequestInduction {
						continue
					}
					h.Request = wire.RequestConclusion
					bot.WriteToUDPAddrPort(handshakePacket(&h), addrB)
				}
			}()
			before := l.heap()
			n := packets(1_000_000)
			client := l.endpoint(addrA)
			var honest, connected atomic.Int64
			quitHonest := l.every(100*time.Millisecond, func() {
				if honest.Add(1) > 40 {
					return
				}
				go func() {
					ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
					defer cancel()
					if c, err := client.DialContext(ctx, "udt", addrB.String(), &udt.Config{HandshakeTimeout: 10 * time.Second}); err == nil {
						connected.Add(1)
						c.Write([]byte("hello"))
					}
				}()
			})
			most := 0
			l.flood(n, 100, 50*time.Millisecond, func(i int) {
				h := hello(uint32(i + 1))
				bot.WriteToUDPAddrPort(handshakePacket(&h), addrB)
				most = max(most, e.Stats().Connections)
			})
			grown := int64(l.heap()) - int64(before)
			time.Sleep(5 * time.Second)
			quitHonest()
			tried := min(honest.Load(), 40)
			s := e.Stats()
			require.Less(l, grown, int64(64<<20))
			require.LessOrEqual(l, most, 1024+int(tried))
			if accept {
				require.GreaterOrEqual(l, float64(connected.Load()), 0.95*float64(tried))
			}
			require.NotZero(l, s.HandshakesLimited)
			time.Sleep(15 * time.Second)
			require.LessOrEqual(l, e.Stats().Connections, int(connected.Load()), "half-open connections end")
			require.Zero(l, e.Stats().HalfOpen)
			if accept {
				row(t, "A13", fmt.Sprintf("%d clients of one address that conclude and are never heard", n), "at most %d connections, none left after 10 s, heap %+d KiB, %d of %d honest clients connect", most, grown>>10, connected.Load(), tried)
			}
			bot.Close()
			<-quit
		})
	}
}

// A33: reports that nothing is reachable at a live peer's address, which anybody
// can forge, end nothing and change no packet size; few are looked at.
func TestA33ForgedICMP(t *testing.T) {
	both(t, fastLink, func(l *lab, config udt.Config) {
		a, b := l.pair(&config, &config)
		l.requireAlive(a, b)
		size, n := a.PacketPayload(), packets(100_000)
		sent := l.net.LinkStats(addrA.Addr(), addrB.Addr()).Sent
		start := time.Now()
		l.flood(n, 10, 10*time.Millisecond, func(int) { udt.ReportRefusal(a.Endpoint(), addrB) })
		answers := l.net.LinkStats(addrA.Addr(), addrB.Addr()).Sent - sent
		seconds := time.Since(start).Seconds()
		require.LessOrEqual(l, float64(answers), 10*seconds+20)
		require.Equal(l, size, a.PacketPayload())
		l.requireAlive(a, b)
		if !config.DisableExtensions {
			row(t, "A33", fmt.Sprintf("%d forged reports of an unreachable port in %.0f s", n, seconds), "connection lives, payload stays %d bytes, %d packets sent", size, answers)
		}
	})
}

// A43: clients that never conclude take nothing; a peer that never reads keeps its
// connection unless Limits.StallTimeout says otherwise; one that reads slowly keeps
// it anyhow.
func TestA43Slowloris(t *testing.T) {
	stalled := time.Duration(0)
	inLab(t, fastLink, func(l *lab) {
		config := &udt.Config{Limits: udt.Limits{StallTimeout: 60 * time.Second}, SendBuffer: 1 << 20}
		small := &udt.Config{RecvBuffer: 16 << 10}
		listener, client := l.listen(addrB, config), l.endpoint(addrA)
		n := packets(1_000_000)
		l.flood(n, 100, time.Millisecond, func(i int) {
			h := hello(uint32(i + 1))
			l.net.Inject(handshakePacket(&h), netip.AddrPortFrom(addrC.Addr(), uint16(i)), addrB)
		})
		require.Zero(l, listener.Endpoint().Stats().Connections)
		never, toNever := l.dial(client, small, listener)
		slow, toSlow := l.dial(client, small, listener)
		start := time.Now()
		write := func(c *udt.Conn) chan error {
			done := make(chan error, 1)
			go func() {
				_, err := c.Write(make([]byte, 4<<20))
				done <- err
			}()
			return done
		}
		first, second := write(toNever), write(toSlow)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range 90 {
				slow.Read(make([]byte, 2000))
				time.Sleep(time.Second)
			}
		}()
		require.ErrorIs(l, <-first, udt.ErrPeerTimeout)
		stalled = time.Since(start)
		l.requireTook(start, 60*time.Second, 62*time.Second, "the stalled connection")
		<-ended
		require.Empty(l, second)
		slow.Abort()
		require.Error(l, <-second)
		never.Abort()
		row(t, "A43", fmt.Sprintf("%d requests never concluded; a peer that never reads; one that reads 2 kB/s", n), "nothing kept; ended after %v (StallTimeout 60 s); lives", stalled.Round(time.Second))
	})
	inLab(t, fastLink, func(l *lab) {
		a, b := l.pair(&udt.Config{RecvBuffer: 16 << 10}, nil)
		go b.Write(make([]byte, 1<<20))
		time.Sleep(3 * time.Minute)
		n, err := io.ReadFull(a, make([]byte, 1<<20))
		require.NoError(l, err, "by default a paused reader keeps its connection")
		require.Equal(l, 1<<20, n)
	})
}

// A45: impossible fields in a conclusion with a valid cookie are refused; what is
// possible takes the same memory however large the window that it claims.
func TestA45HandshakeFields(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		listener := l.listen(addrB, &udt.Config{Backlog: 1000})
		e := listener.Endpoint()
		r := l.raw(addrA, addrB)
		refused := 0
		refuse := func(change func(h *wire.Handshake)) {
			h := hello(uint32(1000 + refused))
			change(&h)
			answer, ok := r.handshake(r.requestAs(h))
			require.True(l, ok)
			require.Equal(l, wire.RequestRefused, answer.Request)
			refused++
		}
		for mss := range uint32(96) {
			refuse(func(h *wire.Handshake) { h.MSS = mss })
		}
		for _, window := range []uint32{0, 1 << 31, 1<<31 | 1, 1<<32 - 1} {
			refuse(func(h *wire.Handshake) { h.FlowWindow = window })
		}
		for _, version := range []uint32{0, 3, 5, 1<<32 - 1} {
			refuse(func(h *wire.Handshake) { h.Version = version })
		}
		for _, kind := range []wire.SocketType{0, 2, 3, 1<<32 - 1} {
			refuse(func(h *wire.Handshake) { h.Type = kind })
		}
		require.Zero(l, e.Stats().Connections)
		accept := func(id, window uint32) int64 {
			before := l.heap()
			for i := range uint32(20) {
				h := r.request(id + i)
				h.FlowWindow, h.MSS = window, 1<<32-1
				answer, ok := r.handshake(h)
				require.True(l, ok)
				require.Equal(l, wire.RequestConclusion, answer.Request)
				require.LessOrEqual(l, answer.MSS, uint32(1500))
			}
			return int64(l.heap()) - int64(before)
		}
		accept(5000, 1)
		little, much := accept(6000, 1), accept(7000, 1<<31-1)
		require.Less(l, much, max(2*little, 0)+20*16<<10, "bytes for 20 connections")
		row(t, "A45", fmt.Sprintf("%d conclusions: MSS 0-95, window 0 and negative, version, type; window 2^31-1", refused), "%d refused; 20 connections with the largest window take %d KiB, with the smallest %d", refused, much>>10, little>>10)
	})
}

// Connections that the application does not accept, but whose peers live, stay, as
// with TCP; those whose peers do not answer leave the backlog after ten seconds.
func TestBacklogKeepsLivePeersOnly(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		listener := l.listen(addrB, &udt.Config{Backlog: 2})
		r := l.raw(addrC, addrB)
		h := r.request(7)
		_, ok := r.handshake(h)
		require.True(l, ok)
		client := l.endpoint(addrA)
		live, err := client.DialContext(context.Background(), "udt", addrB.String(), nil)
		require.NoError(l, err)
		require.Equal(l, 2, listener.Endpoint().Stats().HalfOpen)
		_, err = client.DialContext(context.Background(), "udt", addrB.String(), nil)
		require.ErrorIs(l, err, udt.ErrRefused)
		time.Sleep(9 * time.Second)
		require.Equal(l, 1, listener.Endpoint().Stats().HalfOpen, "the live peer has answered")
		time.Sleep(2 * time.Second)
		require.Zero(l, listener.Endpoint().Stats().HalfOpen)
		_, err = client.DialContext(context.Background(), "udt", addrB.String(), nil)
		require.NoError(l, err)
		time.Sleep(time.Hour)
		b, err := listener.AcceptUDT()
		require.NoError(l, err)
		l.requireAlive(live, b)
	})
}

// Limits.Conns and Limits.ConnsPerPrefix refuse further connections, and let others
// in when some have ended.
func TestLimitOfConnections(t *testing.T) {
	for name, limits := range map[string]udt.Limits{"port": {Conns: 2}, "prefix": {ConnsPerPrefix: 2}} {
		t.Run(name, func(t *testing.T) {
			inLab(t, fastLink, func(l *lab) {
				listener := l.listen(addrB, &udt.Config{Limits: limits})
				client := l.endpoint(addrA)
				a, b := l.dial(client, nil, listener)
				l.dial(client, nil, listener)
				_, err := client.DialContext(context.Background(), "udt", addrB.String(), nil)
				require.ErrorIs(l, err, udt.ErrRefused)
				_, err = l.endpoint(addrC).DialContext(context.Background(), "udt", addrB.String(), nil)
				require.Equal(l, limits.Conns == 0, err == nil)
				a.Abort()
				time.Sleep(time.Second)
				b.Abort()
				time.Sleep(time.Second)
				_, err = client.DialContext(context.Background(), "udt", addrB.String(), nil)
				require.NoError(l, err)
			})
		})
	}
}

// What waits to be read on all connections of a port is bounded: senders are held
// back, and everything arrives when it is read.
func TestReceiveMemoryIsBounded(t *testing.T) {
	both(t, simnet.Link{Delay: 5 * time.Millisecond, Rate: 100e6, Queue: 500}, func(l *lab, config udt.Config) {
		const most = 2 << 20
		config.Endpoint = &udt.EndpointConfig{ReceiveMemory: most}
		listener, client := l.listen(addrB, &config), l.endpoint(addrA)
		var readers []*udt.Conn
		for range 8 {
			time.Sleep(500 * time.Millisecond)
			a, b := l.dial(client, &config, listener)
			readers = append(readers, b)
			go func() {
				a.Write(noise(3 << 20))
				a.Close()
			}()
		}
		time.Sleep(3 * time.Second)
		held := listener.Endpoint().Stats().ReceiveHeld
		require.Greater(l, held, int64(most/2))
		require.Less(l, held, int64(most*5/4), "windows that were promised stay open")
		var all sync.WaitGroup
		for _, b := range readers {
			all.Go(func() {
				if n, err := drain(b); n != 3<<20 || err != nil {
					l.Errorf("%d bytes, then %v", n, err)
				}
				b.Close()
			})
		}
		all.Wait()
		time.Sleep(time.Second)
		require.Zero(l, listener.Endpoint().Stats().ReceiveHeld)
	})
}

// Security events are logged at level Warn, ten of a kind in a second at most.
func TestSecurityEvents(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		var text bytes.Buffer
		logging := &udt.EndpointConfig{Logger: slog.New(slog.NewTextHandler(&text, nil))}
		e := l.listen(addrB, &udt.Config{Endpoint: logging}).Endpoint()
		l.flood(1000, 1, time.Millisecond, func(i int) {
			h := hello(uint32(i + 1))
			h.Request, h.Cookie = wire.RequestConclusion, 5
			l.net.Inject(handshakePacket(&h), addrC, addrB)
		})
		require.NoError(l, e.Close())
		synctest.Wait()
		n := strings.Count(text.String(), "false cookie")
		require.LessOrEqual(l, n, 21, "in one second")
		require.GreaterOrEqual(l, n, 10)
		require.Contains(l, text.String(), "level=WARN")
		require.Contains(l, text.String(), "peer="+addrC.String())
	})
}

// Clients that live but do not speak first are asked at once where places are short,
// so that none waits for one.
func TestSilentClientsDoNotWaitForPlaces(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		limits := udt.Limits{HalfOpen: 8, RequestsPerPrefix: -1, HandshakesPerPrefix: -1}
		listener := l.listen(addrB, &udt.Config{Backlog: 1000, Limits: limits})
		client := l.endpoint(addrA)
		for range 200 {
			begin := time.Now()
			_, err := client.DialContext(context.Background(), "udt", addrB.String(), nil)
			require.NoError(l, err)
			require.Less(l, time.Since(begin), 100*time.Millisecond, "before a request is repeated")
			require.LessOrEqual(l, listener.Endpoint().Stats().HalfOpen, 8)
		}
		require.Zero(l, listener.Endpoint().Stats().HalfOpenShed)
	})
}
