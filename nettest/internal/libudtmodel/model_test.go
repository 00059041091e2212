package libudtmodel

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
)

// bed is a peer, made by hand, of a Listener on a network without delay. The
// rules that the tests check are in udt/internal/proto/REFERENCE.md.
type bed struct {
	*testing.T
	pc    *simnet.Conn
	model *Listener
	to    netip.AddrPort
	id    uint32 // of the model's connection

	delivered atomic.Int64
}

const (
	peerID  = 0x0a7699dc
	isn     = 0x7ffffffe // numbers wrap after two packets
	payload = 1456
)

func inBubble(t *testing.T, f func(b *bed)) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{})
		t.Cleanup(func() { n.Close() })
		listen := func(a string) *simnet.Conn {
			pc, err := n.Listen(netip.MustParseAddrPort(a))
			require.NoError(t, err)
			return pc
		}
		server := listen("10.0.0.2:5000")
		b := &bed{T: t, pc: listen("10.0.0.1:4000"), to: server.LocalAddrPort()}
		b.model = Listen(server, Config{Delivered: func(n int) { b.delivered.Add(int64(n)) }})
		t.Cleanup(func() { b.model.Close() })
		f(b)
	})
}

// packet makes a packet of words.
func packet(words ...uint32) []byte {
	var b []byte
	for _, w := range words {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return b
}

func (b *bed) send(p []byte) {
	b.Helper()
	_, err := b.pc.WriteToUDPAddrPort(p, b.to)
	require.NoError(b, err)
}

// receive returns the next packet as words, or nil if none comes for so long.
func (b *bed) receive(within time.Duration) []uint32 {
	b.Helper()
	require.NoError(b, b.pc.SetReadDeadline(time.Now().Add(within)))
	buf := make([]byte, 1500)
	n, _, err := b.pc.ReadFromUDPAddrPort(buf)
	if err != nil {
		return nil
	}
	var words []uint32
	for i := range n / 4 {
		words = append(words, word(buf, i))
	}
	return words
}

// request is a client's handshake, changed by edits of word, value pairs.
func request(kind, cookie uint32, edits ...uint32) []byte {
	p := packet(1<<31, 0x75674301, 7, 0, 4, 1, isn, 1500, 8192, kind, peerID, cookie, 0x0100007f, 0, 0, 0)
	for i := 0; i < len(edits); i += 2 {
		putWord(p, int(edits[i]), edits[i+1])
	}
	return p
}

// connect makes a connection.
func (b *bed) connect() {
	b.Helper()
	b.send(request(requestInduction, 0))
	cookie := b.receive(time.Second)[hsCookie]
	b.send(request(requestConclusion, cookie))
	b.id = b.receive(time.Second)[hsID]
}

// data sends the packet that is i behind the first.
func (b *bed) data(i, size int) {
	b.Helper()
	p := append(packet((isn+uint32(i))&0x7fffffff, 0xc0000001, 0, b.id), make([]byte, size)...)
	b.send(p)
	synctest.Wait()
}

// number is that of the packet that is i behind the first, as in ACKs and NAKs.
func number(i int) uint32 { return (isn + uint32(i)) & 0x7fffffff }

const (
	ackHead = 1<<31 | typeAck<<16
	nakHead = 1<<31 | typeNak<<16
)

// A request is sent back with the cookie, a conclusion with the
// right cookie is answered with the connection's parameters, and again with
// the raw flow window.
func TestHandshake(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.send(request(requestInduction, 0, hsVersion, 5))
		got := b.receive(time.Second)
		cookie := got[hsCookie]
		require.Equal(t, []uint32{1 << 31, 0x75674301, 7, peerID, 5, 1, isn, 1500, 8192, 1, peerID, cookie, 0x0100007f, 0, 0, 0}, got)

		b.send(request(requestConclusion, cookie+1))
		b.send(append(request(requestConclusion, cookie), 0, 0, 0, 0))
		require.Nil(t, b.receive(time.Second), "a wrong cookie and a wrong length are ignored")

		b.send(request(requestConclusion, cookie, hsVersion, 5))
		require.EqualValues(t, requestRefused, b.receive(time.Second)[hsRequest])

		b.send(request(requestConclusion, cookie))
		first := b.receive(time.Second)
		id := first[hsID]
		require.Equal(t, []uint32{1 << 31, 0, 0, peerID, 4, 1, isn, 1500, 8192, requestConclusion, id, cookie, 0x0100007f, 0, 0, 0}, first)
		b.send(request(requestConclusion, cookie))
		again := b.receive(time.Second)
		require.Equal(t, id, again[hsID])
		require.EqualValues(t, 25600, again[hsWindow])
	})
}

// A handshake to a connection is answered, if it asks for it.
func TestConnectionAnswersHandshakes(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.connect()
		b.send(request(requestInduction, 0, 3, b.id))
		got := b.receive(time.Millisecond)
		require.Equal(t, []uint32{1 << 31, 0, 0, peerID, 0, 0, isn, 1500, 25600, requestConclusion, b.id, 0, 0, 0, 0, 0}, got)
		b.send(request(requestConclusion, 0, 3, b.id))
		require.Nil(t, b.receive(time.Millisecond))
	})
}

// An ACK for full packets waits for the timers, which run
// after 100 ms if nothing arrives; one for an odd size goes out at once.
func TestAcknowledgesOddSizesAtOnce(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.connect()
		b.data(0, payload)
		start := time.Now()
		got := b.receive(time.Second)
		require.Equal(t, 100*time.Millisecond, time.Since(start))
		require.Equal(t, []uint32{ackHead, 1, 0, peerID, number(1), 100_000, 50_000, 8191, 1, 1000}, got)
		require.EqualValues(t, payload, b.delivered.Load())

		b.data(1, payload-1)
		start = time.Now()
		got = b.receive(time.Second)
		require.Zero(t, time.Since(start))
		require.Equal(t, number(2), got[4])
		require.EqualValues(t, 2*payload-1, b.delivered.Load())
	})
}

// An ACK is repeated under a new number until it is confirmed,
// then never.
func TestAckRepeatsUntilConfirmed(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.connect()
		b.data(0, 1)
		require.EqualValues(t, 1, b.receive(time.Second)[1])
		got := b.receive(time.Second)
		require.EqualValues(t, 2, got[1])
		require.Equal(t, number(1), got[4])
		b.send(packet(1<<31|typeAck2<<16, 2, 0, b.id, 0))
		for range 10 {
			require.Equal(t, uint32(1<<31|typeKeepAlive<<16), b.receive(20 * time.Second)[0], "only keep-alives")
		}
	})
}

// There is a light ACK for each 64 packets within 10 ms, which
// releases nothing to the application.
func TestLightAcks(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.connect()
		b.data(0, 1) // moves the next full ACK 10 ms away
		b.receive(time.Second)
		for i := 1; i <= 64; i++ {
			b.data(i, payload)
		}
		require.Equal(t, []uint32{ackHead, 0, 0, peerID, number(65)}, b.receive(time.Millisecond))
		require.EqualValues(t, 1, b.delivered.Load())
	})
}

// A gap is reported when the packet behind it arrives, and
// never again; nothing behind it is acknowledged or delivered.
func TestLossIsReportedOnce(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.connect()
		b.data(0, payload)
		b.data(4, payload)
		require.Equal(t, []uint32{nakHead, 0, 0, peerID, number(1) | 1<<31, number(3)}, b.receive(time.Millisecond))
		b.data(6, payload)
		require.Equal(t, []uint32{nakHead, 0, 0, peerID, number(5)}, b.receive(time.Millisecond))
		got := b.receive(time.Second)
		require.Equal(t, number(1), got[4])
		b.send(packet(1<<31|typeAck2<<16, got[1], 0, b.id, 0))
		for range 20 {
			time.Sleep(50 * time.Millisecond)
			b.data(6, payload) // a copy
		}
		require.Nil(t, b.receive(time.Millisecond), "silent behind the hole")
		for i := 1; i < 6; i++ {
			b.data(i, payload)
		}
		got = b.receive(time.Second)
		for got[4] != number(7) {
			got = b.receive(time.Second)
		}
		require.EqualValues(t, 7*payload, b.delivered.Load())
	})
}

// What does not fit in the buffer is thrown away.
func TestBufferIsBounded(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.connect()
		b.data(8191, payload)
		require.Nil(t, b.receive(time.Millisecond), "beyond the window: not even a loss report")
		b.data(8190, payload)
		require.Equal(t, []uint32{nakHead, 0, 0, peerID, number(0) | 1<<31, number(8189)}, b.receive(time.Millisecond))
	})
}

// A silent peer gets keep-alives, and is given up after the 17th
// silent interval.
func TestSilentPeerIsGivenUp(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.connect()
		count := 0
		for b.receive(20*time.Second) != nil {
			count++
		}
		require.Equal(t, 16, count)
		b.send(request(requestInduction, 0, 3, b.id))
		require.Nil(t, b.receive(time.Second))
	})
}

// Shutdown ends a connection at once.
func TestShutdown(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.connect()
		b.send(packet(1<<31|typeShutdown<<16, 0, 0, b.id, 0))
		b.data(0, 1)
		require.Nil(t, b.receive(time.Second))
	})
}
