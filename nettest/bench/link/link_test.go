//go:build linux

package link

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func newLink(t *testing.T, c Config) *Link {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("no TUN devices here: ", err)
	}
	l, err := New(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// sockets returns a UDP socket on each side.
func sockets(t *testing.T, l *Link) (a, b *net.UDPConn) {
	open := func(s Side) (c *net.UDPConn) {
		require.NoError(t, l.Do(s, func() (err error) {
			c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.Addr(s), 0)))
			return err
		}))
		t.Cleanup(func() { c.Close() })
		require.NoError(t, c.SetReadBuffer(4<<20))
		require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
		return c
	}
	return open(A), open(B)
}

func addrOf(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// await waits until the link has carried n packets.
func await(t *testing.T, l *Link, n int64) Stats {
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		s, _ := l.Stats()
		if s.Delivered+s.Lost+s.Dropped >= n {
			return s
		}
		require.True(t, time.Now().Before(end), "the link has not carried %d packets: %+v", n, s)
	}
}

// The shortest of many round trips is that of the link, and none is shorter.
func TestRoundTripTime(t *testing.T) {
	const delay = 20 * time.Millisecond
	l := newLink(t, Config{Forward: Path{Delay: delay / 4}, Reverse: Path{Delay: delay * 3 / 4}})
	a, b := sockets(t, l)
	buf := make([]byte, 100)
	shortest := time.Hour
	// On a busy machine more of them are needed for one without a pause.
	for i, end := 0, time.Now().Add(30*time.Second); i < 20 || shortest >= delay*3/2 && time.Now().Before(end); i++ {
		begin := time.Now()
		_, err := a.WriteToUDPAddrPort(buf, addrOf(b))
		require.NoError(t, err)
		_, from, err := b.ReadFromUDPAddrPort(buf)
		require.NoError(t, err)
		_, err = b.WriteToUDPAddrPort(buf, from)
		require.NoError(t, err)
		_, err = a.Read(buf)
		require.NoError(t, err)
		shortest = min(shortest, time.Since(begin))
	}
	require.GreaterOrEqual(t, shortest, delay)
	require.Less(t, shortest, delay*3/2)
}

// A sender that is too fast fills the queue. What comes out has the link's rate:
// the queue never runs empty, so the emulator's delays do not matter.
func TestRateAndQueue(t *testing.T) {
	const packets, queue, rate = 4000, 500, 50e6
	l := newLink(t, Config{Forward: Path{Rate: rate, Queue: queue}})
	a, b := sockets(t, l)
	buf := make([]byte, MTU-28)
	for range packets {
		_, err := a.WriteToUDPAddrPort(buf, addrOf(b))
		require.NoError(t, err)
	}
	s := await(t, l, packets)
	require.EqualValues(t, packets, s.Offered)
	require.EqualValues(t, packets, s.Delivered+s.Dropped)
	require.GreaterOrEqual(t, s.Delivered, int64(queue))
	require.LessOrEqual(t, s.MaxQueue, queue)
	const each = MTU * 8 / float64(rate)
	require.LessOrEqual(t, s.MaxWait.Seconds(), queue*each+1e-6)
	// Nothing leaves faster than the link's rate.
	require.GreaterOrEqual(t, s.Span.Seconds(), float64(s.Delivered)*each)
	for range s.Delivered {
		n, err := b.Read(buf)
		require.NoError(t, err)
		require.Equal(t, len(buf), n)
	}
}

// All that is not lost arrives, and what is lost is as probable as asked for.
func TestLoss(t *testing.T) {
	const packets = 2000
	l := newLink(t, Config{Forward: Path{Loss: 0.1, Seed: 1}})
	a, b := sockets(t, l)
	buf := make([]byte, 100)
	for range packets {
		_, err := a.WriteToUDPAddrPort(buf, addrOf(b))
		require.NoError(t, err)
	}
	s := await(t, l, packets)
	require.EqualValues(t, packets, s.Lost+s.Delivered)
	require.InDelta(t, 0.1*packets, s.Lost, 70) // five standard deviations
	for range s.Delivered {
		_, err := b.Read(buf)
		require.NoError(t, err)
	}
	l.Reset()
	s, _ = l.Stats()
	require.Zero(t, s.Offered)
}

// What a sender hands over in one piece is cut into packets before the link.
func TestSegmentationOffload(t *testing.T) {
	const segments, size = 40, 1400
	l := newLink(t, Config{})
	a, b := sockets(t, l)
	raw, err := a.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, size)
	}))
	require.NoError(t, err)
	_, err = a.WriteToUDPAddrPort(make([]byte, segments*size), addrOf(b))
	require.NoError(t, err)
	s := await(t, l, segments)
	require.EqualValues(t, segments, s.Delivered)
	buf := make([]byte, 65536)
	for range segments {
		n, err := b.Read(buf)
		require.NoError(t, err)
		require.Equal(t, size, n)
	}
}

// Commands run in the namespaces, and see the settings.
func TestCommand(t *testing.T) {
	l := newLink(t, Config{})
	argv := append(l.Command(B), "ip", "-o", "-4", "addr", "show", "dev", "tun0")
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), l.Addr(B).String())
	require.NoError(t, l.Do(A, func() error {
		value, err := os.ReadFile("/proc/sys/net/ipv4/tcp_wmem")
		require.True(t, strings.HasSuffix(strings.TrimSpace(string(value)), "134217728"), "%s", value)
		return err
	}))
}

// Close leaves nothing, and the next link removes what a killed process left.
func TestNothingIsLeft(t *testing.T) {
	l := newLink(t, Config{})
	mine := l.spaces[A].name
	require.True(t, exists(t, mine))
	require.NoError(t, l.Close())
	require.False(t, exists(t, mine))

	done := exec.Command("true")
	require.NoError(t, done.Run())
	orphan := fmt.Sprintf("%s%d-1-a", prefix, done.Process.Pid)
	require.NoError(t, ip("netns", "add", orphan))
	newLink(t, Config{})
	require.False(t, exists(t, orphan))
}

func exists(t *testing.T, name string) bool {
	entries, err := os.ReadDir(directory)
	require.NoError(t, err)
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == name })
}
