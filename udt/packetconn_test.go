package udt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

var addrC = netip.MustParseAddrPort("10.0.0.3:6000")

// receiveText reads one message.
func receiveText(t require.TestingT, p *udt.PacketConn) (string, netip.AddrPort) {
	b := make([]byte, 2048)
	n, from, err := p.ReadFrom(b)
	require.NoError(t, err)
	return string(b[:n]), addrOf(from)
}

func sendText(t require.TestingT, p *udt.PacketConn, text string, to netip.AddrPort) {
	n, err := p.WriteTo([]byte(text), udpAddr(to))
	require.NoError(t, err)
	require.Equal(t, len(text), n)
}

// The first message to an address opens a connection, and the answer uses the
// same one.
func TestPacketConnDialsWithTheFirstMessage(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.packets(addrA, nil), l.packets(addrB, nil)
		require.Zero(l, a.Endpoint().Stats().Connections)
		start := time.Now()
		sendText(l, a, "question", addrB)
		l.requireTook(start, 40*time.Millisecond, 41*time.Millisecond, "the handshake")
		text, from := receiveText(l, b)
		require.Equal(l, "question", text)
		require.Equal(l, addrA, from)
		sendText(l, b, "answer", from)
		text, from = receiveText(l, a)
		require.Equal(l, "answer", text)
		require.Equal(l, addrB, from)
		require.Equal(l, 1, a.Endpoint().Stats().Connections)
		require.Equal(l, 1, b.Endpoint().Stats().Connections)
	})
}

// When both sides dial at once both connections are read, every message comes
// once, and those of one peer come in order.
func TestPacketConnsThatDialEachOtherAtOnceLoseNothing(t *testing.T) {
	inLab(t, simnet.Link{Delay: 10 * time.Millisecond, Loss: 0.05}, func(l *lab) {
		const messages = 50
		sides := [2]*udt.PacketConn{l.packets(addrA, nil), l.packets(addrB, nil)}
		var wg sync.WaitGroup
		var got [2][]string
		var fails [2]error
		for i, to := range []netip.AddrPort{addrB, addrA} {
			wg.Go(func() {
				for k := range messages {
					if _, err := fmt.Fprint(writerTo{sides[i], to}, k); err != nil {
						fails[i] = err
					}
					time.Sleep(3 * time.Millisecond)
				}
			})
			wg.Go(func() {
				b := make([]byte, 100)
				for range messages {
					n, _, err := sides[i].ReadFrom(b)
					if err != nil {
						fails[i] = err
						return
					}
					got[i] = append(got[i], string(b[:n]))
				}
			})
		}
		wg.Wait()
		for i := range sides {
			require.NoError(l, fails[i])
			for k, text := range got[i] {
				require.Equal(l, fmt.Sprint(k), text, "side %d", i)
			}
		}
		time.Sleep(time.Second) // a dial may still be under way
		require.Equal(l, 2, sides[0].Endpoint().Stats().Connections, "both dialed")
	})
}

type writerTo struct {
	p  *udt.PacketConn
	to netip.AddrPort
}

func (w writerTo) Write(b []byte) (int, error) { return w.p.WriteTo(b, udpAddr(w.to)) }

// A write deadline ends a WriteTo that waits for a handshake, but not the
// handshake: the next one waits for the same.
func TestPacketConnWriteDeadlineDuringHandshake(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a := l.packets(addrA, nil)
		l.socket(addrB) // somebody who never answers
		start := time.Now()
		require.NoError(l, a.SetWriteDeadline(start.Add(500*time.Millisecond)))
		_, err := a.WriteTo([]byte("x"), udpAddr(addrB))
		require.ErrorIs(l, err, os.ErrDeadlineExceeded)
		requireTimeout(l, err)
		l.requireTook(start, 500*time.Millisecond, 500*time.Millisecond, "WriteTo")
		_, err = a.WriteTo([]byte("x"), udpAddr(addrB))
		require.ErrorIs(l, err, os.ErrDeadlineExceeded, "the deadline has passed")

		require.NoError(l, a.SetWriteDeadline(time.Time{}))
		start = time.Now()
		_, err = a.WriteTo([]byte("x"), udpAddr(addrB))
		require.ErrorIs(l, err, udt.ErrPeerTimeout)
		l.requireTook(start, 2500*time.Millisecond, 2500*time.Millisecond, "the rest of the dial")
		require.Zero(l, a.Endpoint().Stats().Connections)
	})
}

// The connection whose handshake outlived the WriteTo that began it is the one that
// both sides use: what either sends afterwards arrives.
func TestPacketConnWorksAfterADeadlineDuringHandshake(t *testing.T) {
	for wait := range 45 {
		inLab(t, wan, func(l *lab) {
			a, b := l.packets(addrA, nil), l.packets(addrB, nil)
			require.NoError(l, a.SetWriteDeadline(time.Now().Add(time.Duration(wait)*time.Millisecond)))
			_, _ = a.WriteTo([]byte("x"), udpAddr(addrB))
			sendText(l, b, "hello", addrA)
			text, _ := receiveText(l, a)
			require.Equal(l, "hello", text)
			require.NoError(l, a.SetWriteDeadline(time.Time{}))
			sendText(l, a, "hello", addrB)
			for text = ""; text != "hello"; {
				text, _ = receiveText(l, b)
			}
		})
	}
}

// A write deadline ends a WriteTo that waits for room; what was accepted arrives.
func TestPacketConnWriteDeadlineWhileTheBufferIsFull(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		small := &udt.Config{SendBuffer: 64 << 10, RecvBuffer: 64 << 10}
		a, b := l.packets(addrA, small), l.packets(addrB, small)
		require.NoError(l, a.SetWriteDeadline(time.Now().Add(5*time.Second)))
		start, sent := time.Now(), 0
		message := make([]byte, 8<<10)
		for {
			_, err := a.WriteTo(message, udpAddr(addrB))
			if err != nil {
				require.ErrorIs(l, err, os.ErrDeadlineExceeded)
				break
			}
			sent++
		}
		l.requireTook(start, 5*time.Second, 5*time.Second, "filling")
		require.Greater(l, sent, 8)
		require.NoError(l, a.SetWriteDeadline(time.Time{}))
		done := make(chan error, 1)
		go func() {
			_, err := a.WriteTo([]byte("last"), udpAddr(addrB))
			done <- err
		}()
		buf := make([]byte, 64<<10)
		for range sent {
			n, _, err := b.ReadFrom(buf)
			require.NoError(l, err)
			require.Equal(l, len(message), n)
		}
		require.NoError(l, <-done)
		text, _ := receiveText(l, b)
		require.Equal(l, "last", text)
	})
}

// A write deadline set before the first message holds for the connection that
// this opens, in both directions of opening.
func TestPacketConnWriteDeadlineHoldsForConnectionsToCome(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		small := &udt.Config{SendBuffer: 64 << 10, RecvBuffer: 64 << 10}
		a, b := l.packets(addrA, small), l.packets(addrB, small)
		start := time.Now()
		require.NoError(l, b.SetWriteDeadline(start.Add(2*time.Second)))
		sendText(l, a, "hello", addrB)
		receiveText(l, b)
		var err error
		for err == nil {
			_, err = b.WriteTo(make([]byte, 8<<10), udpAddr(addrA))
		}
		require.ErrorIs(l, err, os.ErrDeadlineExceeded)
		l.requireTook(start, 2*time.Second, 2*time.Second, "filling")
	})
}

// A failed dial is the error of WriteTo, of everybody who waited for it, and of
// further calls within a second, which do not dial.
func TestPacketConnReportsAFailedDialForASecond(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a := l.packets(addrA, nil)
		start := time.Now()
		var wg sync.WaitGroup
		var errs [3]error
		for i := range errs {
			wg.Go(func() { _, errs[i] = a.WriteTo([]byte("x"), udpAddr(addrB)) })
		}
		wg.Wait()
		l.requireTook(start, 3*time.Second, 3*time.Second, "the dial")
		for _, err := range errs {
			require.ErrorIs(l, err, udt.ErrPeerTimeout)
			requireTimeout(l, err)
			var op *net.OpError
			require.ErrorAs(l, err, &op)
			require.Equal(l, addrB.String(), op.Addr.String())
		}
		time.Sleep(900 * time.Millisecond)
		sent := l.net.Stats().Sent
		start = time.Now()
		_, err := a.WriteTo([]byte("x"), udpAddr(addrB))
		require.ErrorIs(l, err, udt.ErrPeerTimeout)
		l.requireTook(start, 0, 0, "the held error")
		require.Equal(l, sent, l.net.Stats().Sent, "no new dial")

		time.Sleep(200 * time.Millisecond)
		b := l.packets(addrB, nil)
		sendText(l, a, "now", addrB)
		text, _ := receiveText(l, b)
		require.Equal(l, "now", text)
	})
}

// A peer in stream mode refuses, and the error says so.
func TestPacketConnIsRefusedByAStreamListener(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a := l.packets(addrA, nil)
		l.listen(addrB, nil)
		_, err := a.WriteTo([]byte("x"), udpAddr(addrB))
		require.ErrorIs(l, err, udt.ErrRefused)
		require.ErrorIs(l, err, udt.ErrMode)
	})
}

// Messages that were lost with a connection are reported once, by the next
// WriteTo to that address; after that messages go on a new connection.
func TestPacketConnReportsLostMessagesOnce(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.packets(addrA, nil), l.packets(addrB, nil)
		c := l.packets(addrC, nil)
		sendText(l, a, "one", addrB)
		receiveText(l, b)
		sendText(l, a, "one", addrC)
		receiveText(l, c)
		l.net.SetLink(addrA.Addr(), addrB.Addr(), simnet.Link{Down: true})
		sendText(l, a, "lost", addrB)
		time.Sleep(11 * time.Second) // Config.PeerTimeout
		l.net.SetLink(addrA.Addr(), addrB.Addr(), wan)

		sendText(l, a, "another peer", addrC)
		n, err := a.WriteTo([]byte("not sent"), udpAddr(addrB))
		require.ErrorIs(l, err, udt.ErrPeerTimeout)
		require.Zero(l, n)
		sendText(l, a, "sent", addrB)
		text, _ := receiveText(l, b)
		require.Equal(l, "sent", text)
	})
}

// A connection that ends with nothing on its way is no loss.
func TestPacketConnPeerThatClosesInOrderIsNoLoss(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.packets(addrA, nil), l.packets(addrB, nil)
		sendText(l, a, "one", addrB)
		receiveText(l, b)
		time.Sleep(time.Second)
		require.NoError(l, b.Close())
		time.Sleep(time.Second)
		require.Zero(l, a.Endpoint().Stats().Connections)
		b2, err := b.Endpoint().ListenPacket(nil)
		require.NoError(l, err)
		sendText(l, a, "two", addrB)
		text, _ := receiveText(l, b2)
		require.Equal(l, "two", text)
	})
}

// Messages are read after their connection was closed by the peer, and then
// nothing of it is left.
func TestPacketConnReadsWhatAClosedPeerHadSent(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.packets(addrA, nil), l.packets(addrB, nil)
		for i := range 3 {
			sendText(l, a, fmt.Sprint(i), addrB)
		}
		require.NoError(l, a.Close())
		time.Sleep(2 * time.Second)
		for i := range 3 {
			text, from := receiveText(l, b)
			require.Equal(l, fmt.Sprint(i), text)
			require.Equal(l, addrA, from)
		}
		time.Sleep(time.Second)
		require.Zero(l, a.Endpoint().Stats().Connections)
		require.Zero(l, b.Endpoint().Stats().Connections)
		require.Zero(l, b.Endpoint().Stats().MemoryHeld)
	})
}

// Peers are served in turn, however many messages one of them has waiting.
func TestPacketConnServesPeersInTurn(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		b := l.packets(addrB, nil)
		peers := []*udt.PacketConn{l.packets(addrA, nil), l.packets(addrC, nil)}
		for i := range 20 {
			sendText(l, peers[0], fmt.Sprint(i), addrB)
		}
		time.Sleep(time.Second)
		for i := range 5 {
			sendText(l, peers[1], fmt.Sprint(i), addrB)
		}
		time.Sleep(time.Second)
		counts := map[netip.AddrPort]int{}
		for range 10 {
			text, from := receiveText(l, b)
			require.Equal(l, fmt.Sprint(counts[from]), text)
			counts[from]++
		}
		require.Equal(l, map[netip.AddrPort]int{addrA: 5, addrC: 5}, counts)
	})
}

// A connection without messages for a minute is closed on both sides; the next
// message opens another.
func TestPacketConnClosesIdleConnections(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.packets(addrA, nil), l.packets(addrB, nil)
		sendText(l, a, "one", addrB)
		receiveText(l, b)
		for range 3 {
			time.Sleep(45 * time.Second)
			require.Equal(l, 1, a.Endpoint().Stats().Connections, "used within the minute")
			sendText(l, b, "more", addrA)
			receiveText(l, a)
		}
		time.Sleep(59 * time.Second)
		require.Equal(l, 1, a.Endpoint().Stats().Connections)
		time.Sleep(20 * time.Second)
		require.Zero(l, a.Endpoint().Stats().Connections)
		require.Zero(l, b.Endpoint().Stats().Connections)
		sendText(l, b, "again", addrA)
		text, _ := receiveText(l, a)
		require.Equal(l, "again", text)
	})
}

// A message that waits to be read keeps its connection.
func TestPacketConnKeepsIdleConnectionsWithUnreadMessages(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.packets(addrA, nil), l.packets(addrB, nil)
		sendText(l, a, "patient", addrB)
		time.Sleep(10 * time.Minute)
		text, _ := receiveText(l, b)
		require.Equal(l, "patient", text)
	})
}

// A peer that was started again opens a new connection, which takes the place of
// the old one whose probes it does not answer.
func TestPacketConnFollowsARestartedPeer(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a := l.packets(addrA, nil)
		socket := l.socket(addrB)
		e, err := udt.NewEndpoint(socket, nil)
		require.NoError(l, err)
		b, err := e.ListenPacket(nil)
		require.NoError(l, err)
		sendText(l, a, "one", addrB)
		receiveText(l, b)
		time.Sleep(time.Second)
		l.net.SetDefault(simnet.Link{Down: true}) // it dies without a word
		e.Close()
		time.Sleep(time.Second)
		l.net.SetDefault(wan)

		b = l.packets(addrB, nil)
		sendText(l, a, "to the dead", addrB)
		time.Sleep(time.Second)
		sendText(l, b, "I am back", addrA)
		text, _ := receiveText(l, a)
		require.Equal(l, "I am back", text)
		start := time.Now()
		sendText(l, a, "welcome", addrB)
		text, _ = receiveText(l, b)
		require.Equal(l, "welcome", text)
		l.requireTook(start, 10*time.Millisecond, 15*time.Millisecond, "on the new connection")

		// What was lost with the old one is still reported.
		time.Sleep(11 * time.Second)
		_, err = a.WriteTo([]byte("x"), udpAddr(addrB))
		require.ErrorIs(l, err, udt.ErrPeerTimeout)
		sendText(l, a, "goes on", addrB)
	})
}

// A message larger than the buffer is cut, with io.ErrShortBuffer; the next read
// returns the next message.
func TestPacketConnShortBuffer(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.packets(addrA, nil), l.packets(addrB, nil)
		sendText(l, a, "0123456789", addrB)
		sendText(l, a, "next", addrB)
		buf := make([]byte, 4)
		n, from, err := b.ReadFrom(buf)
		require.ErrorIs(l, err, io.ErrShortBuffer)
		require.Equal(l, "0123", string(buf[:n]))
		require.Equal(l, addrA, addrOf(from))
		text, _ := receiveText(l, b)
		require.Equal(l, "next", text)
	})
}

// Messages may be as large as the buffers.
func TestPacketConnLargeMessages(t *testing.T) {
	inLab(t, simnet.Link{Delay: time.Millisecond, Loss: 0.02}, func(l *lab) {
		a, b := l.packets(addrA, nil), l.packets(addrB, nil)
		buf := make([]byte, 4<<20)
		for _, size := range []int{1, 1456, 1457, 64 * 1456, 65*1456 + 1, 300_000, 3 << 20} {
			message := make([]byte, size)
			fillContent(message, size)
			_, err := a.WriteTo(message, udpAddr(addrB))
			require.NoError(l, err)
			n, _, err := b.ReadFrom(buf)
			require.NoError(l, err)
			require.True(l, bytes.Equal(message, buf[:n]), "%d bytes", size)
		}
		_, err := a.WriteTo(make([]byte, 64<<20), udpAddr(addrB))
		require.ErrorIs(l, err, udt.ErrMessageTooLong)
		sendText(l, a, "goes on", addrB)
		text, _ := receiveText(l, b)
		require.Equal(l, "goes on", text)
	})
}

// Close delivers what WriteTo has accepted, also over a bad path.
func TestPacketConnCloseDelivers(t *testing.T) {
	inLab(t, simnet.Link{Delay: 30 * time.Millisecond, Loss: 0.2}, func(l *lab) {
		a, b := l.packets(addrA, nil), l.packets(addrB, nil)
		const messages = 100
		for i := range messages {
			sendText(l, a, fmt.Sprint(i), addrB)
		}
		require.NoError(l, a.Close())
		require.ErrorIs(l, a.Close(), net.ErrClosed)
		_, err := a.WriteTo([]byte("x"), udpAddr(addrB))
		require.ErrorIs(l, err, net.ErrClosed)
		_, _, err = a.ReadFrom(nil)
		require.ErrorIs(l, err, net.ErrClosed)
		require.ErrorIs(l, a.SetDeadline(time.Time{}), net.ErrClosed)
		for i := range messages {
			text, _ := receiveText(l, b)
			require.Equal(l, fmt.Sprint(i), text)
		}
		time.Sleep(time.Minute)
		require.Zero(l, a.Endpoint().Stats().Connections)
	})
}

// Close ends calls that wait for a message, for a handshake and for room.
func TestPacketConnCloseEndsBlockedCalls(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		small := &udt.Config{SendBuffer: 64 << 10, RecvBuffer: 64 << 10}
		a := l.packets(addrA, small)
		l.packets(addrB, small) // does not read
		l.socket(addrC)         // does not answer
		errs := make(chan error, 3)
		go func() {
			_, _, err := a.ReadFrom(make([]byte, 1))
			errs <- err
		}()
		go func() {
			_, err := a.WriteTo([]byte("x"), udpAddr(addrC))
			errs <- err
		}()
		go func() {
			var err error
			for err == nil {
				_, err = a.WriteTo(make([]byte, 8<<10), udpAddr(addrB))
			}
			errs <- err
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Empty(l, errs)
		closed := time.Now()
		go a.Close()
		for range 3 {
			require.ErrorIs(l, <-errs, net.ErrClosed)
		}
		l.requireTook(closed, 0, 0, "waking")
	})
}

// A read deadline ends ReadFrom, and lifting it makes it work again.
func TestPacketConnReadDeadline(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.packets(addrA, nil), l.packets(addrB, nil)
		start := time.Now()
		require.NoError(l, b.SetReadDeadline(start.Add(time.Second)))
		_, _, err := b.ReadFrom(make([]byte, 1))
		require.ErrorIs(l, err, os.ErrDeadlineExceeded)
		l.requireTook(start, time.Second, time.Second, "ReadFrom")
		sendText(l, a, "there", addrB)
		time.Sleep(time.Second)
		_, _, err = b.ReadFrom(make([]byte, 1))
		require.ErrorIs(l, err, os.ErrDeadlineExceeded, "even with a message to read")
		require.NoError(l, b.SetReadDeadline(time.Time{}))
		text, _ := receiveText(l, b)
		require.Equal(l, "there", text)
	})
}

// Wrong addresses are errors of a known type; an empty message sends nothing but
// still connects.
func TestPacketConnAddresses(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a := l.packets(addrA, nil)
		var nilAddr *net.UDPAddr
		for _, to := range []net.Addr{
			nil, nilAddr, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 1},
			&net.UDPAddr{Port: 1}, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2)},
		} {
			_, err := a.WriteTo([]byte("x"), to)
			var ae *net.AddrError
			require.ErrorAs(l, err, &ae, "%v", to)
		}
		b := l.packets(addrB, nil)
		n, err := a.WriteTo(nil, udpAddr(addrB))
		require.NoError(l, err)
		require.Zero(l, n)
		sendText(l, a, "text", netip.AddrPortFrom(netip.AddrFrom16(addrB.Addr().As16()), addrB.Port()))
		text, _ := receiveText(l, b)
		require.Equal(l, "text", text)
		require.Equal(l, 1, a.Endpoint().Stats().Connections, "an IPv4 address in IPv6 form is the same peer")
	})
}

// Many writers and readers on both sides: every message comes once, those of one
// writer in order as one reader sees them.
func TestPacketConnConcurrentUse(t *testing.T) {
	inLab(t, simnet.Link{Delay: time.Millisecond, Loss: 0.01, Rate: 100e6}, func(l *lab) {
		const writers, readers, messages = 6, 3, 40
		p := map[netip.AddrPort]*udt.PacketConn{}
		for _, a := range []netip.AddrPort{addrA, addrB, addrC} {
			p[a] = l.packets(a, nil)
		}
		var (
			mu     sync.Mutex
			seen   = map[string]int{}
			fails  []error
			total  = len(p) * writers * messages
			all    = make(chan struct{})
			wg     sync.WaitGroup
			failed = func(err error) {
				mu.Lock()
				defer mu.Unlock()
				fails = append(fails, err)
			}
		)
		for from, pc := range p {
			var others []netip.AddrPort
			for to := range p {
				if to != from {
					others = append(others, to)
				}
			}
			for w := range writers {
				wg.Go(func() {
					for i := range messages {
						to := others[(w+i)%len(others)]
						b := make([]byte, 12+i*50)
						binary.BigEndian.PutUint32(b, uint32(from.Port()))
						binary.BigEndian.PutUint32(b[4:], uint32(w))
						binary.BigEndian.PutUint32(b[8:], uint32(i))
						if _, err := pc.WriteTo(b, udpAddr(to)); err != nil {
							failed(err)
						}
					}
				})
			}
			for range readers {
				wg.Go(func() {
					b := make([]byte, 4096)
					for {
						n, addr, err := pc.ReadFrom(b)
						if err != nil {
							return
						}
						mu.Lock()
						if binary.BigEndian.Uint32(b) != uint32(addrOf(addr).Port()) {
							fails = append(fails, fmt.Errorf("message of %d from %v", binary.BigEndian.Uint32(b), addr))
						}
						seen[string(b[:12])]++
						if n != 12+int(binary.BigEndian.Uint32(b[8:]))*50 {
							fails = append(fails, fmt.Errorf("message of %d bytes", n))
						}
						if total--; total == 0 {
							close(all)
						}
						mu.Unlock()
					}
				})
			}
		}
		<-all
		for _, pc := range p {
			pc.Close()
		}
		wg.Wait()
		require.Empty(l, fails)
		for k, n := range seen {
			require.Equal(l, 1, n, "%x", k)
		}
		for _, pc := range p {
			require.NoError(l, pc.Endpoint().Shutdown(context.Background()))
			require.Zero(l, pc.Endpoint().Stats().MemoryHeld)
		}
	})
}
