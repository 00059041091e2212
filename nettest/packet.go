package nettest

import (
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/udtgo/udtgo/nettest/internal/require"
)

// MakePacketPipe makes two packet connections that can reach each other: what c1 writes to c2.LocalAddr() is read by
// c2, and the other way round. stop closes both and everything under them; it is called once, after the test, when
// they may be closed already.
type MakePacketPipe func() (c1, c2 net.PacketConn, stop func(), err error)

// PacketOptions says what TestPacketConnWith may expect. The zero value fits UDP on loopback.
type PacketOptions struct {
	// MaxSize is the size of the largest message in bytes; 0 is 65507, the most that UDP over IPv4 carries.
	MaxSize int

	// ShortBuffer is the error, as for errors.Is, of a ReadFrom whose buffer is too small for the message. Nil is what
	// UDP sockets do on Unix: the rest is lost without an error. In both cases the buffer holds the start of the
	// message, and the next ReadFrom returns the next message.
	ShortBuffer error

	// Skip names subtests to leave out and why. A name that does not exist fails the test.
	Skip map[string]string
}

func (o PacketOptions) maxSize() int {
	if o.MaxSize == 0 {
		return 65507
	}
	return o.MaxSize
}

// TestPacketConn is TestPacketConnWith with the zero options.
func TestPacketConn(t *testing.T, mp MakePacketPipe) { TestPacketConnWith(t, mp, PacketOptions{}) }

// TestPacketConnWith tests that a net.PacketConn keeps the promises of that interface, in one subtest per promise.
// The transport may be a reliable one, whose WriteTo may block until the peer reads, or UDP where it loses nothing, as
// on loopback. Each subtest gets a new pair from mp.
func TestPacketConnWith(t *testing.T, mp MakePacketPipe, opts PacketOptions) {
	checks := []packetCheck{
		{"BasicExchange", checkPacketExchange},
		{"MessageBoundaries", checkPacketBoundaries},
		{"Sizes", checkPacketSizes},
		{"ShortBuffer", checkPacketShortBuffer},
		{"PastReadDeadline", checkPacketPastReadDeadline},
		{"PastWriteDeadline", checkPacketPastWriteDeadline},
		{"PresentReadDeadline", checkPacketPresentReadDeadline},
		{"FutureDeadlines", checkPacketFutureDeadlines},
		{"CloseUnblocksReadFrom", checkPacketCloseUnblocksRead},
		{"CloseEndsWriteTo", checkPacketCloseEndsWrite},
		{"CloseTwice", checkPacketCloseTwice},
		{"RacyReaders", checkPacketRacyReaders},
		{"RacyWriters", checkPacketRacyWriters},
		{"ConcurrentMethods", checkPacketConcurrentMethods},
		{"LocalAddr", checkPacketLocalAddr},
	}
	names := make([]string, 0, len(checks))
	for _, c := range checks {
		names = append(names, c.name)
	}
	for name := range opts.Skip {
		require.True(t, slices.Contains(names, name), "PacketOptions.Skip names no subtest")
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if why := opts.Skip[c.name]; why != "" {
				t.Skip(why)
			}
			c1, c2, stop, err := mp()
			require.NoError(t, err, "MakePacketPipe")
			t.Cleanup(sync.OnceFunc(stop))
			c.run(t, c1, c2, opts)
		})
	}
}

type packetCheck struct {
	name string
	run  func(t *testing.T, c1, c2 net.PacketConn, opts PacketOptions)
}

// receive reads one message and fails the test if none comes.
func receive(t testing.TB, c net.PacketConn, buf []byte) ioResult {
	t.Helper()
	return start(func() ioResult {
		n, addr, err := c.ReadFrom(buf)
		return ioResult{n, addr, err}
	}).wait(t, "ReadFrom")
}

// send writes one message and fails the test if it is not taken.
func send(t testing.TB, c net.PacketConn, p []byte, to net.Addr) {
	t.Helper()
	r := start(func() ioResult {
		n, err := c.WriteTo(p, to)
		return ioResult{n: n, err: err}
	}).wait(t, "WriteTo")
	require.NoError(t, r.err, "WriteTo")
	require.Equal(t, len(p), r.n, "WriteTo takes a message whole")
}

// requireExchange sends a message each way and checks content and sender.
func requireExchange(t testing.TB, c1, c2 net.PacketConn) {
	t.Helper()
	buf := make([]byte, 2048)
	for _, dir := range []struct {
		from, to net.PacketConn
		text     string
	}{{c1, c2, "ping"}, {c2, c1, "pong"}} {
		send(t, dir.from, []byte(dir.text), dir.to.LocalAddr())
		r := receive(t, dir.to, buf)
		require.NoError(t, r.err, "ReadFrom")
		require.Equal(t, dir.text, string(buf[:r.n]))
		require.NotNil(t, r.addr, "sender's address")
		require.Equal(t, dir.from.LocalAddr().String(), r.addr.String(), "sender's address")
	}
}

func checkPacketExchange(t *testing.T, c1, c2 net.PacketConn, _ PacketOptions) {
	requireExchange(t, c1, c2)

	// An answer goes to the address that ReadFrom returned.
	send(t, c1, []byte("question"), c2.LocalAddr())
	buf := make([]byte, 64)
	q := receive(t, c2, buf)
	require.NoError(t, q.err)
	send(t, c2, []byte("answer"), q.addr)
	a := receive(t, c1, buf)
	require.NoError(t, a.err)
	require.Equal(t, "answer", string(buf[:a.n]))
}

func checkPacketBoundaries(t *testing.T, c1, c2 net.PacketConn, _ PacketOptions) {
	// Several messages wait in the receiver; each comes out alone and in order.
	sizes := []int{1, 700, 2, 1400, 3, 100}
	for i, n := range sizes {
		send(t, c1, pattern(i, n), c2.LocalAddr())
	}
	buf := make([]byte, 64<<10)
	for i, n := range sizes {
		r := receive(t, c2, buf)
		require.NoError(t, r.err)
		require.Equal(t, n, r.n, "size of message %d", i)
		require.NoError(t, checkPattern(buf[:r.n], i), "message %d", i)
	}
}

func checkPacketSizes(t *testing.T, c1, c2 net.PacketConn, opts PacketOptions) {
	buf := make([]byte, opts.maxSize()+1)
	var sizes []int
	for _, n := range []int{1, 2, 3, 4, 15, 16, 17, 1023, 1024, 1456, 1472, 1473, 1500, 4096, 9000, 16384, 32768, 65000} {
		if n < opts.maxSize() {
			sizes = append(sizes, n)
		}
	}
	for _, n := range append(sizes, opts.maxSize()) {
		send(t, c1, pattern(n, n), c2.LocalAddr())
		r := receive(t, c2, buf)
		require.NoError(t, r.err, "message of %d bytes", n)
		require.Equal(t, n, r.n)
		require.NoError(t, checkPattern(buf[:n], n), "message of %d bytes", n)
	}
}

func checkPacketShortBuffer(t *testing.T, c1, c2 net.PacketConn, opts PacketOptions) {
	send(t, c1, pattern(0, 100), c2.LocalAddr())
	send(t, c1, []byte("next"), c2.LocalAddr())

	buf := make([]byte, 40)
	r := receive(t, c2, buf)
	if opts.ShortBuffer == nil {
		require.NoError(t, r.err)
	} else {
		require.ErrorIs(t, r.err, opts.ShortBuffer)
	}
	require.Equal(t, len(buf), r.n)
	require.NoError(t, checkPattern(buf, 0))
	require.Equal(t, c1.LocalAddr().String(), r.addr.String(), "sender's address")

	r = receive(t, c2, buf)
	require.NoError(t, r.err)
	require.Equal(t, "next", string(buf[:r.n]), "the rest of a message is not the next message")
}

func checkPacketLocalAddr(t *testing.T, c1, c2 net.PacketConn, _ PacketOptions) {
	before := c1.LocalAddr().String()
	_, _, err := net.SplitHostPort(before)
	require.NoError(t, err, "LocalAddr is host:port")
	require.NotEqual(t, before, c2.LocalAddr().String())

	requireExchange(t, c1, c2)
	require.Equal(t, before, c1.LocalAddr().String(), "LocalAddr after use")
	require.NoError(t, c1.Close())
	require.NotNil(t, c1.LocalAddr(), "LocalAddr after Close")
	require.Equal(t, before, c1.LocalAddr().String(), "LocalAddr after Close")
}
