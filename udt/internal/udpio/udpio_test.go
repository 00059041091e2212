package udpio

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// listen opens a socket on addr that is closed with the test.
func listen(t testing.TB, network, addr string, o Options) Socket {
	t.Helper()
	s, err := Listen(context.Background(), network, netip.MustParseAddrPort(addr), o)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// connect opens a socket connected to raddr that is closed with the test.
func connect(t testing.TB, raddr netip.AddrPort, o Options) Socket {
	t.Helper()
	s, err := Connect(context.Background(), "udp", netip.AddrPort{}, raddr, o)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// wrap makes a Socket of a UDP socket at addr, as the function presents it.
func wrap(t testing.TB, addr string, as func(*net.UDPConn) net.PacketConn) Socket {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
	require.NoError(t, err)
	s, err := Wrap(as(conn), Options{})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// An onlyPacketConn hides all methods of a *net.UDPConn but those of net.PacketConn.
type onlyPacketConn struct{ net.PacketConn }

// A foreignConn has the methods of *net.UDPConn but is another type.
type foreignConn struct{ *net.UDPConn }

// to returns a Peer at addr with no pinned source.
func to(addr netip.AddrPort) *Peer { return NewPeer(addr, netip.Addr{}) }

// split cuts runs into datagrams in the plainest way.
func split(runs []Run) [][]byte {
	var all [][]byte
	for _, r := range runs {
		size := r.Segment
		if size == 0 {
			size = len(r.B)
		}
		for b := r.B; len(b) > 0; {
			n := min(size, len(b))
			all, b = append(all, b[:n]), b[n:]
		}
	}
	return all
}

// receive reads until count datagrams have come, which must all be from one peer.
func receive(t testing.TB, s Socket, count int) (all [][]byte, last Received) {
	t.Helper()
	for len(all) < count {
		b := make([]byte, 64<<10)
		got, err := s.Recv(b)
		require.NoError(t, err)
		require.Positive(t, got.N)
		require.LessOrEqual(t, got.Segment, got.N)
		all = append(all, split([]Run{{B: b[:got.N], Segment: got.Segment}})...)
		last = got
	}
	return all, last
}

// pattern returns n bytes in which every position is recognizable.
func pattern(n int) []byte {
	b := make([]byte, 0, n+4)
	for len(b) < n {
		b = binary.BigEndian.AppendUint32(b, uint32(len(b))*2654435761)
	}
	return b[:n]
}

// shapes are lists of runs that group in all the ways there are.
func shapes() map[string][]Run {
	b := pattern(70000)
	return map[string][]Run{
		"one":                     {{B: b[:100]}},
		"one byte":                {{B: b[:1]}},
		"segment of one datagram": {{B: b[:100], Segment: 100}},
		"segment over length":     {{B: b[:100], Segment: 1472}},
		"the largest":             {{B: b[:maxDatagram]}},
		"full run":                {{B: b[:44*1472], Segment: 1472}},
		"short last":              {{B: b[:43*1472+7], Segment: 1472}},
		"over 64 segments":        {{B: b[:150*100+3], Segment: 100}},
		"exactly 64 segments":     {{B: b[:64*100], Segment: 100}},
		"over 65507 bytes":        {{B: b[:7*10000], Segment: 10000}},
		"contiguous runs":         {{B: b[:1000], Segment: 100}, {B: b[1000:1900], Segment: 100}},
		"scattered runs":          {{B: b[:100]}, {B: b[300:400]}, {B: b[200:300]}, {B: b[600:650]}, {B: b[700:800]}},
		"growing":                 {{B: b[:10]}, {B: b[10:30]}, {B: b[30:70]}, {B: b[70:150]}},
		"mixed": {
			{B: b[:16]}, {B: b[16 : 16+3*1472+100], Segment: 1472}, {B: nil, Segment: 5}, {B: b[5000:5020]},
			{B: b[6000 : 6000+2*1472], Segment: 1472}, {B: b[9000 : 9000+1472]}, {B: b[11000:11064], Segment: 16},
		},
	}
}

// maxDatagram is less than 65507 where a system has a lower limit by default.
const maxDatagram = 8000

func TestDatagramsArriveWholeAndInOrder(t *testing.T) {
	const v4, v6 = "127.0.0.1:0", "[::1]:0"
	udpConn := func(c *net.UDPConn) net.PacketConn { return c }
	pairs := map[string]func(t *testing.T) (from, to Socket){
		"IPv4": func(t *testing.T) (Socket, Socket) {
			return listen(t, "udp", v4, Options{}), listen(t, "udp", v4, Options{})
		},
		"IPv6": func(t *testing.T) (Socket, Socket) {
			return listen(t, "udp", v6, Options{}), listen(t, "udp", v6, Options{})
		},
		"offload only at the sender": func(t *testing.T) (Socket, Socket) {
			return listen(t, "udp", v4, Options{}), listen(t, "udp", v4, Options{DisableOffload: true})
		},
		"no offload": func(t *testing.T) (Socket, Socket) {
			o := Options{DisableOffload: true}
			return listen(t, "udp", v4, o), listen(t, "udp", v4, o)
		},
		"connected": func(t *testing.T) (Socket, Socket) {
			s := listen(t, "udp", v4, Options{})
			return connect(t, s.LocalAddr(), Options{}), s
		},
		"wrapped UDPConn": func(t *testing.T) (Socket, Socket) {
			return wrap(t, v4, udpConn), wrap(t, v4, udpConn)
		},
		"wrapped PacketConn": func(t *testing.T) (Socket, Socket) {
			as := func(c *net.UDPConn) net.PacketConn { return onlyPacketConn{c} }
			return wrap(t, v4, as), wrap(t, v4, as)
		},
		"wrapped with AddrPort methods": func(t *testing.T) (Socket, Socket) {
			as := func(c *net.UDPConn) net.PacketConn { return foreignConn{c} }
			return wrap(t, v4, as), wrap(t, v4, as)
		},
	}
	for name, open := range pairs {
		t.Run(name, func(t *testing.T) {
			src, dst := open(t)
			peer := to(dst.LocalAddr())
			for shape, runs := range shapes() {
				want := split(runs)
				n, err := src.Send(peer, runs, true)
				require.NoError(t, err, shape)
				require.Equal(t, len(want), n, shape)
				got, last := receive(t, dst, n)
				require.Equal(t, want, got, shape)
				require.Equal(t, src.LocalAddr(), last.From, shape)
				require.Equal(t, dst.LocalAddr().Addr(), last.Local, shape)
			}
			require.Zero(t, src.Info().TransientErrors)
			require.Zero(t, src.Info().SegmentationFallbacks)
		})
	}
}

// "A Run with an empty B holds no datagram."
func TestEmptyRunsAreNothing(t *testing.T) {
	s := listen(t, "udp", "127.0.0.1:0", Options{})
	for _, runs := range [][]Run{nil, {}, {{}}, {{B: []byte{}, Segment: 7}, {}}} {
		n, err := s.Send(to(s.LocalAddr()), runs, false)
		require.NoError(t, err)
		require.Zero(t, n)
	}
}

// "Datagrams of 0 bytes are skipped."
func TestEmptyDatagramsAreSkipped(t *testing.T) {
	s := listen(t, "udp", "127.0.0.1:0", Options{})
	conn, err := net.Dial("udp", s.LocalAddr().String())
	require.NoError(t, err)
	defer conn.Close()
	for _, d := range []string{"", "", "x"} {
		_, err := conn.Write([]byte(d))
		require.NoError(t, err)
	}
	got, _ := receive(t, s, 1)
	require.Equal(t, [][]byte{[]byte("x")}, got)
}

// A socket for both families shows and takes plain IPv4 addresses.
func TestDualStack(t *testing.T) {
	s := listen(t, "udp", "[::]:0", Options{})
	if !s.LocalAddr().Addr().Is6() {
		t.Skip("no IPv6")
	}
	require.Equal(t, netip.IPv6Unspecified(), s.LocalAddr().Addr())
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		client := listen(t, "udp", addr, Options{})
		at := netip.AddrPortFrom(client.LocalAddr().Addr(), s.LocalAddr().Port())
		_, err := client.Send(to(at), []Run{{B: pattern(3000), Segment: 1000}}, true)
		require.NoError(t, err)
		_, got := receive(t, s, 3)
		require.Equal(t, client.LocalAddr(), got.From)
		require.Equal(t, at.Addr(), got.Local)

		n, err := s.Send(NewPeer(got.From, got.Local), []Run{{B: pattern(3500), Segment: 1000}}, true)
		require.NoError(t, err)
		require.Equal(t, 4, n)
		_, got = receive(t, client, 4)
		require.Equal(t, at, got.From)
	}
	require.Zero(t, s.Info().TransientErrors)
}

// An IPv4-mapped address is the IPv4 address.
func TestMappedAddressesAreUnmapped(t *testing.T) {
	mapped := netip.MustParseAddrPort("[::ffff:127.0.0.1]:9")
	require.Equal(t, netip.MustParseAddrPort("127.0.0.1:9"), to(mapped).Addr())
	s := listen(t, "udp", "[::ffff:127.0.0.1]:0", Options{})
	require.True(t, s.LocalAddr().Addr().Is4())
	c := connect(t, netip.AddrPortFrom(mapped.Addr(), s.LocalAddr().Port()), Options{})
	_, err := c.Send(to(s.LocalAddr()), []Run{{B: []byte("x")}}, true)
	require.NoError(t, err)
	_, got := receive(t, s, 1)
	require.Equal(t, c.LocalAddr(), got.From)
}

func TestSourceIsPinned(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("127.0.0.2 is local only on Linux")
	}
	source := netip.MustParseAddr("127.0.0.2")
	for network, addr := range map[string]string{"udp4": "0.0.0.0:0", "udp": "[::]:0"} {
		for _, o := range []Options{{}, {DisableOffload: true}} {
			s := listen(t, network, addr, o)
			dst := listen(t, "udp4", "127.0.0.1:0", Options{})
			_, err := s.Send(NewPeer(dst.LocalAddr(), source), []Run{{B: pattern(3500), Segment: 1000}}, true)
			require.NoError(t, err)
			_, got := receive(t, dst, 4)
			require.Equal(t, netip.AddrPortFrom(source, s.LocalAddr().Port()), got.From)

			_, err = dst.Send(to(got.From), []Run{{B: pattern(3500), Segment: 1000}}, true)
			require.NoError(t, err)
			_, got = receive(t, s, 4)
			require.Equal(t, source, got.Local)
		}
	}
}

// A Peer may change from one kind of socket to another.
func TestPeerWorksWithSeveralSockets(t *testing.T) {
	dst := listen(t, "udp4", "127.0.0.1:0", Options{})
	peer := NewPeer(dst.LocalAddr(), netip.MustParseAddr("127.0.0.1"))
	for range 2 {
		for _, s := range []Socket{
			listen(t, "udp4", "0.0.0.0:0", Options{}),
			listen(t, "udp", "[::]:0", Options{}),
			connect(t, dst.LocalAddr(), Options{}),
			wrap(t, "127.0.0.1:0", func(c *net.UDPConn) net.PacketConn { return onlyPacketConn{c} }),
		} {
			n, err := s.Send(peer, []Run{{B: pattern(2500), Segment: 1000}}, true)
			require.NoError(t, err)
			require.Equal(t, 3, n)
			_, got := receive(t, dst, 3)
			require.Equal(t, s.LocalAddr().Port(), got.From.Port())
		}
	}
}

// What a socket cannot reach is lost, as on a path.
func TestUnreachableFamilyCountsAsSent(t *testing.T) {
	s := listen(t, "udp4", "127.0.0.1:0", Options{})
	n, err := s.Send(to(netip.MustParseAddrPort("[::1]:9")), []Run{{B: pattern(2500), Segment: 1000}}, true)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.NotZero(t, s.Info().TransientErrors)
}

func TestCloseUnblocksRecv(t *testing.T) {
	for name, s := range map[string]Socket{
		"unconnected": listen(t, "udp", "127.0.0.1:0", Options{}),
		"connected":   connect(t, netip.MustParseAddrPort("127.0.0.1:9"), Options{}),
		"PacketConn":  wrap(t, "127.0.0.1:0", func(c *net.UDPConn) net.PacketConn { return onlyPacketConn{c} }),
	} {
		done := make(chan error)
		go func() {
			_, err := s.Recv(make([]byte, 64<<10))
			done <- err
		}()
		require.NoError(t, s.Close(), name)
		require.ErrorIs(t, <-done, net.ErrClosed, name)
		for _, wait := range []bool{false, true} {
			n, err := s.Send(to(netip.MustParseAddrPort("127.0.0.1:9")), []Run{{B: []byte("x")}}, wait)
			require.ErrorIs(t, err, net.ErrClosed, name)
			require.Zero(t, n, name)
		}
		require.ErrorIs(t, s.Close(), net.ErrClosed, name)
	}
}

// "Wrap ... pc's deadlines are cleared."
func TestWrapClearsDeadlines(t *testing.T) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Unix(1, 0)))
	s, err := Wrap(conn, Options{})
	require.NoError(t, err)
	defer s.Close()
	n, err := s.Send(to(s.LocalAddr()), []Run{{B: []byte("x")}}, true)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	receive(t, s, 1)
	require.Zero(t, s.Info().TransientErrors)
}

func TestOptions(t *testing.T) {
	t.Run("buffers", func(t *testing.T) {
		s := listen(t, "udp", "127.0.0.1:0", Options{RecvBuffer: 100 << 10, SendBuffer: 90 << 10})
		require.GreaterOrEqual(t, s.Info().RecvBuffer, 100<<10)
		require.GreaterOrEqual(t, s.Info().SendBuffer, 90<<10)
	})
	t.Run("offload", func(t *testing.T) {
		info := listen(t, "udp", "127.0.0.1:0", Options{DisableOffload: true}).Info()
		require.False(t, info.GSO)
		require.False(t, info.GRO)
	})
	t.Run("network", func(t *testing.T) {
		_, err := Listen(context.Background(), "tcp", netip.AddrPort{}, Options{})
		require.ErrorContains(t, err, "unknown network tcp")
		_, err = Connect(context.Background(), "tcp", netip.AddrPort{}, netip.AddrPort{}, Options{})
		require.ErrorContains(t, err, "unknown network tcp")
	})
	t.Run("wildcard", func(t *testing.T) {
		s, err := Listen(context.Background(), "udp4", netip.AddrPort{}, Options{})
		require.NoError(t, err)
		defer s.Close()
		require.Equal(t, netip.IPv4Unspecified(), s.LocalAddr().Addr())
		require.NotZero(t, s.LocalAddr().Port())
	})
}
