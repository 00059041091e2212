package udt_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// An attack makes datagrams for the connection with socket ID id. Sequence
// numbers in them are far from those in use, which are below farNumber.
type attack func(r *rand.Rand, id uint32) []byte

const farNumber = 1 << 22

func farAway(r *rand.Rand) uint32 { return farNumber + r.Uint32N(1<<31-2*farNumber) }

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// attacks are what somebody can send who knows the addresses and the socket ID but
// not the sequence numbers. A Shutdown is not among them: one to a peer of the
// reference's kind does end a connection. See TestA03ForgedShutdown.
var attacks = map[string]attack{
	"truncated headers": func(r *rand.Rand, id uint32) []byte {
		return controlPacket(wire.Type(r.IntN(10)), 0, id, nil)[:r.IntN(wire.HeaderLen)]
	},
	"random bytes": func(r *rand.Rand, id uint32) []byte {
		b := randomBytes(r, 16+r.IntN(200))
		binary.BigEndian.PutUint32(b, farAway(r))
		binary.BigEndian.PutUint32(b[12:], id)
		return b
	},
	"control packets of all types": func(r *rand.Rand, id uint32) []byte {
		t := wire.Type(r.IntN(16))
		if r.IntN(4) == 0 {
			t = wire.Type(r.IntN(1 << 15))
		}
		if t == wire.TypeShutdown {
			t = wire.TypeUser
		}
		body := randomBytes(r, r.IntN(201))
		if len(body) >= 4 {
			binary.BigEndian.PutUint32(body, farAway(r))
		}
		return controlPacket(t, r.Uint32(), id, body)
	},
	"NAKs of everything": func(r *rand.Rand, id uint32) []byte {
		body := make([]byte, 0, 800)
		for range 1 + r.IntN(100) {
			body = binary.BigEndian.AppendUint32(body, 1<<31|r.Uint32())
			body = binary.BigEndian.AppendUint32(body, r.Uint32()>>1)
		}
		return controlPacket(wire.TypeNak, 0, id, body)
	},
	"ACKs of what was never sent": func(r *rand.Rand, id uint32) []byte {
		body := randomBytes(r, []int{4, 16, 24}[r.IntN(3)])
		binary.BigEndian.PutUint32(body, farAway(r))
		return controlPacket(wire.TypeAck, r.Uint32(), id, body)
	},
	"extended ACKs of what was never sent": func(r *rand.Rand, id uint32) []byte {
		body := randomBytes(r, 48+4*r.IntN(30))
		binary.BigEndian.PutUint32(body, farAway(r))
		copy(body[24:], "UDX1")
		return controlPacket(wire.TypeAck, r.Uint32()&1, id, body)
	},
	"confirmations of ACKs": func(r *rand.Rand, id uint32) []byte {
		return controlPacket(wire.TypeAck2, r.Uint32(), id, make([]byte, 4))
	},
	"drop requests": func(r *rand.Rand, id uint32) []byte {
		body := binary.BigEndian.AppendUint32(nil, r.Uint32()>>1)
		body = binary.BigEndian.AppendUint32(body, r.Uint32()>>1)
		return controlPacket(wire.TypeDropRequest, r.Uint32(), id, body)
	},
	"handshakes": func(r *rand.Rand, id uint32) []byte {
		h := hello(r.Uint32())
		h.Request = []wire.Request{1, 0, -1, -2, 1002, wire.Request(r.Uint32())}[r.IntN(6)]
		h.Number, h.Cookie, h.MSS = r.Uint32(), r.Uint32(), r.Uint32()
		p := handshakePacket(&h)
		binary.BigEndian.PutUint32(p[12:], id)
		return p
	},
	"data": func(r *rand.Rand, id uint32) []byte {
		p := randomBytes(r, wire.HeaderLen+r.IntN(1456))
		(&wire.Data{Number: farAway(r), Boundary: wire.Boundary(r.IntN(4)), Message: r.Uint32(), Time: r.Uint32(), Dest: id}).Put(p)
		return p
	},
}

// hostileLab connects addrA and addrB, with sequence numbers from 1000 on, and
// tells the socket IDs.
func hostileLab(l *lab, config udt.Config) (a, b *udt.Conn, ids [2]uint32) {
	udt.SetInitialNumber(&config, 1000)
	l.net.SetFilter(func(p []byte, from, _ netip.AddrPort) simnet.Verdict {
		if h, err := wire.ParseHandshake(p[min(len(p), wire.HeaderLen):]); err == nil && h.Request == wire.RequestConclusion {
			ids[map[netip.AddrPort]int{addrA: 0, addrB: 1}[from]] = h.SocketID
		}
		return simnet.Pass
	})
	a, b = l.pair(&config, &config)
	time.Sleep(time.Second)
	l.net.SetFilter(nil)
	return a, b, ids
}

// exchange sends n bytes each way and checks them.
func exchange(l *lab, a, b *udt.Conn, n int) {
	l.Helper()
	errs := make(chan error, 4)
	for _, c := range []*udt.Conn{a, b} {
		require.NoError(l, c.SetDeadline(time.Now().Add(time.Minute)))
		go func() {
			m := make([]byte, n)
			fillContent(m, 0)
			_, err := c.Write(m)
			errs <- err
		}()
		go func() {
			m := make([]byte, n)
			_, err := io.ReadFull(c, m)
			if err == nil && !checkContent(m, 0) {
				err = fmt.Errorf("wrong content")
			}
			errs <- err
		}()
	}
	for range 4 {
		require.NoError(l, <-errs, "%+v\n%+v", a.Stats(), b.Stats())
	}
}

// Whatever arrives from the peer's address with the right socket ID but without
// knowledge of the sequence numbers is counted and dropped: the transfer
// completes, in reasonable time.
func TestHostileDatagramsFromThePeersAddress(t *testing.T) {
	for name, make := range attacks {
		for _, config := range []udt.Config{{}, *legacy} {
			t.Run(fmt.Sprintf("%s, legacy %v", name, config.DisableExtensions), func(t *testing.T) {
				inLab(t, simnet.Link{Delay: 5 * time.Millisecond, Rate: 50e6, Queue: 500}, func(l *lab) {
					a, b, ids := hostileLab(l, config)
					r := rand.New(rand.NewPCG(1, 2))
					stop := l.every(time.Millisecond, func() {
						l.net.Inject(make(r, ids[0]), addrB, addrA)
						l.net.Inject(make(r, ids[1]), addrA, addrB)
					})
					start := time.Now()
					exchange(l, a, b, 1<<20)
					l.requireTook(start, 0, 20*time.Second, "the transfer")
					stop()
					for _, c := range []*udt.Conn{a, b} {
						require.Equal(l, 1, c.Endpoint().Stats().Connections)
						require.LessOrEqual(l, c.Endpoint().Stats().MemoryHeld, int64(8<<20))
					}
					require.NoError(l, a.Close())
					n, err := drain(b)
					require.NoError(l, err)
					require.Zero(l, n)
				})
			})
		}
	}
}

// every calls f again and again until stop is called, or the test ends.
func (l *lab) every(period time.Duration, f func()) (stop func()) {
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-quit:
				return
			case <-time.After(period):
				f()
			}
		}
	})
	stop = sync.OnceFunc(func() {
		close(quit)
		wg.Wait()
	})
	l.Cleanup(stop)
	return stop
}

// The same, and Shutdowns and everything else, from any other address does not
// even reach the connection.
func TestHostileDatagramsFromOtherAddresses(t *testing.T) {
	for _, config := range []udt.Config{{}, *legacy} {
		inLab(t, simnet.Link{Delay: 5 * time.Millisecond, Rate: 50e6, Queue: 500}, func(l *lab) {
			a, b, ids := hostileLab(l, config)
			r := rand.New(rand.NewPCG(1, 2))
			stop := l.every(time.Millisecond, func() {
				for _, make := range attacks {
					l.net.Inject(make(r, ids[1]), addrC, addrB)
				}
				l.net.Inject(controlPacket(wire.TypeShutdown, 0, ids[1], make([]byte, 8)), netip.AddrPortFrom(addrA.Addr(), 1), addrB)
				l.net.Inject(controlPacket(wire.TypeShutdown, 0, ids[0], make([]byte, 8)), addrC, addrA)
			})
			exchange(l, a, b, 1<<20)
			stop()
			require.NotZero(l, b.Endpoint().Stats().WrongSource)
			require.NotZero(l, a.Endpoint().Stats().WrongSource)
			require.NotZero(l, b.Endpoint().Stats().Malformed, "truncated ones")
			for _, c := range []*udt.Conn{a, b} {
				s := c.Stats()
				require.Zero(l, s.Malformed)
				require.Zero(l, s.PacketsDropped)
			}
		})
	}
}

// Packets to socket IDs that do not exist, to zero and with the highest bit set,
// and floods of handshakes, leave nothing behind; dials go on.
func TestHostileDatagramsToAListener(t *testing.T) {
	inLab(t, simnet.Link{Delay: time.Millisecond}, func(l *lab) {
		listener := l.listen(addrB, nil)
		e := listener.Endpoint()
		r := rand.New(rand.NewPCG(3, 4))
		sent := 0
		stop := l.every(100*time.Microsecond, func() {
			for _, make := range attacks {
				id := []uint32{0, 1, 1 << 31, 1<<31 | r.Uint32(), r.Uint32()}[r.IntN(5)]
				from := netip.AddrPortFrom(addrC.Addr(), uint16(r.Uint32()))
				l.net.Inject(make(r, id), from, addrB)
				sent++
			}
			h := hello(r.Uint32())
			h.Request = []wire.Request{1, 0, -1, -2, 1002, 3}[r.IntN(6)]
			h.Cookie, h.Number = r.Uint32(), r.Uint32()
			p := handshakePacket(&h)
			l.net.Inject(p[:r.IntN(len(p)+1)], addrC, addrB)
			l.net.Inject(append(p, make([]byte, r.IntN(200))...), addrC, addrB)
			sent += 2
		})
		client := l.endpoint(addrA)
		for range 20 {
			a, b := l.dial(client, nil, listener)
			write(l, a, 1000)
			require.NoError(l, a.Close())
			requireContent(l, b, 1000, io.EOF)
			require.NoError(l, b.Close())
		}
		stop()
		time.Sleep(time.Second)
		synctest.Wait()
		s := e.Stats()
		require.Zero(l, s.Connections)
		require.Greater(l, s.UnknownIDs+s.Malformed, uint64(sent/3), "they are counted")
		require.Zero(l, s.MemoryHeld)
	})
}

// A dial ignores everything that does not come from the listener it asked, and
// answers with wrong cookies.
func TestHostileDatagramsDuringADial(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		listener := l.listen(addrB, nil)
		e := l.endpoint(addrA)
		var id uint32
		r := rand.New(rand.NewPCG(5, 6))
		l.net.SetFilter(func(p []byte, from, _ netip.AddrPort) simnet.Verdict {
			if h, err := wire.ParseHandshake(p[min(len(p), wire.HeaderLen):]); err == nil && from == addrA && id == 0 {
				id = h.SocketID
				time.AfterFunc(time.Millisecond, func() {
					for name, make := range attacks {
						if name == "handshakes" {
							continue // a cookie reply is not authenticated
						}
						l.net.Inject(make(r, id), addrB, addrA)
						l.net.Inject(make(r, id), addrC, addrA)
					}
					for _, request := range []wire.Request{-1, 1002, 0, -2} {
						h.Request, h.Cookie = request, 99
						p := handshakePacket(&h)
						binary.BigEndian.PutUint32(p[12:], id)
						l.net.Inject(p, addrB, addrA)
						l.net.Inject(p, addrC, addrA)
					}
				})
			}
			return simnet.Pass
		})
		a, err := e.DialContext(context.Background(), "udt", addrB.String(), nil)
		require.NoError(l, err)
		b, err := listener.AcceptUDT()
		require.NoError(l, err)
		exchange(l, a, b, 100_000)
	})
}

// In message mode a drop request for numbers that are not in the window, or for
// more than fit it, does nothing.
func TestHostileDropRequests(t *testing.T) {
	for _, config := range []*udt.Config{messages, legacyMessages} {
		inLab(t, simnet.Link{Delay: 5 * time.Millisecond}, func(l *lab) {
			a, b, ids := hostileLab(l, *config)
			request := func(first, last uint32) {
				body := binary.BigEndian.AppendUint32(nil, first)
				l.net.Inject(controlPacket(wire.TypeDropRequest, 1, ids[1], binary.BigEndian.AppendUint32(body, last)), addrA, addrB)
			}
			request(1000, 1<<30)
			request(0, 1<<31-1)
			request(1<<31-1, 0)
			r := rand.New(rand.NewPCG(7, 8))
			for i := range 200 {
				for range 10 {
					request(farAway(r), farAway(r))
				}
				text := fmt.Sprint(i)
				require.NoError(l, a.WriteMessage([]byte(text), udt.MessageOptions{}))
				buf := make([]byte, 10)
				n, err := b.ReadMessage(buf)
				require.NoError(l, err)
				require.Equal(l, text, string(buf[:n]))
			}
			require.Greater(l, b.Stats().Malformed, uint64(1000))
			require.Zero(l, b.Stats().PacketsGivenUp)
		})
	}
}
