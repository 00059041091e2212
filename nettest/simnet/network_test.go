package simnet

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rough is a link with all impairments.
var rough = Link{
	Rate: 1e7, Delay: 5 * time.Millisecond, Jitter: 3 * time.Millisecond, Loss: 0.05,
	Burst: Burst{Enter: 0.01, Leave: 0.3}, Reorder: 0.05, ReorderDelay: 4 * time.Millisecond,
	Duplicate: 0.05, Corrupt: 0.05, MTU: 1500, Queue: 40,
}

// trace sends on a rough link, optionally with traffic the other way, and
// returns what arrived and when.
func trace(t *testing.T, seed uint64, back bool) (all []arrival) {
	run(t, Config{Seed: seed, Default: rough}, func(t *testing.T, b *bed) {
		for i := range 500 {
			b.send(i, 100+i)
			if back {
				_, err := b.b.WriteToUDPAddrPort([]byte("back"), b.a.LocalAddrPort())
				require.NoError(t, err)
			}
			if i%50 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		all = b.drain()
		b.settled()
	})
	return all
}

func TestSameSeedSameFate(t *testing.T) {
	first := trace(t, 1, false)
	require.Equal(t, first, trace(t, 1, false))
	require.NotEqual(t, first, trace(t, 2, false))
}

func TestDirectionsDoNotDisturbEachOther(t *testing.T) {
	require.Equal(t, trace(t, 1, false), trace(t, 1, true))
}

func TestDropsAreCountedWhereTheyHappen(t *testing.T) {
	run(t, Config{}, func(t *testing.T, b *bed) {
		_, err := b.a.WriteToUDPAddrPort([]byte("x"), netip.AddrPortFrom(hostB, 9))
		require.NoError(t, err, "nobody tells a UDP sender")
		require.NoError(t, b.b.Close())
		b.send(0, 10)
		require.Equal(t, uint64(2), b.settled().NoPort)
	})
}

func TestClosedWhileOnTheWayIsNoPort(t *testing.T) {
	run(t, Config{Default: Link{Delay: time.Second}}, func(t *testing.T, b *bed) {
		b.send(0, 10)
		require.NoError(t, b.b.Close())
		time.Sleep(2 * time.Second)
		require.Equal(t, uint64(1), b.settled().NoPort)
	})
}

func TestReceiveBufferIsBounded(t *testing.T) {
	run(t, Config{RecvBuffer: 3 * 1000}, func(t *testing.T, b *bed) {
		require.Equal(t, []int{0, 1, 2}, numbers(b.burst(5, 1000-Overhead)))
		require.Equal(t, uint64(2), b.settled().Overflow)
		b.b.SetRecvBuffer(1000)
		require.Equal(t, []int{0}, numbers(b.burst(2, 1000-Overhead)))
	})
}

func TestFilterDropsChosenDatagrams(t *testing.T) {
	run(t, Config{}, func(t *testing.T, b *bed) {
		seen := 0
		b.net.SetFilter(func(p []byte, from, to netip.AddrPort) Verdict {
			seen++
			require.Equal(t, b.a.LocalAddrPort(), from)
			require.Equal(t, b.b.LocalAddrPort(), to)
			if p[1] == 1 {
				return Drop
			}
			return Pass
		})
		require.Equal(t, []int{0, 2}, numbers(b.burst(3, 10)))
		require.Equal(t, 3, seen)
		require.Equal(t, uint64(1), b.settled().Filtered)
		b.net.SetFilter(nil)
		require.Len(t, b.burst(3, 10), 3)
	})
}

func TestInjectForgesTheSource(t *testing.T) {
	run(t, Config{Default: Link{Delay: time.Second}}, func(t *testing.T, b *bed) {
		forged := netip.MustParseAddrPort("10.9.9.9:7")
		start := time.Now()
		b.net.Inject([]byte("forged"), forged, b.b.LocalAddrPort())
		buf := make([]byte, 10)
		n, from, err := b.b.ReadFromUDPAddrPort(buf)
		require.NoError(t, err)
		require.Equal(t, "forged", string(buf[:n]))
		require.Equal(t, forged, from)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestListenRules(t *testing.T) {
	run(t, Config{}, func(t *testing.T, b *bed) {
		_, err := b.net.Listen(b.a.LocalAddrPort())
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		require.IsType(t, new(net.OpError), err)

		for _, bad := range []netip.Addr{{}, netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
			_, err = b.net.Listen(netip.AddrPortFrom(bad, 1))
			require.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
		}

		other := listen(t, b.net, hostA)
		require.NotEqual(t, b.a.LocalAddrPort(), other.LocalAddrPort(), "many ports at one host")

		require.NoError(t, b.a.Close())
		again, err := b.net.Listen(b.a.LocalAddrPort())
		require.NoError(t, err, "a closed port is free")
		require.Equal(t, b.a.LocalAddr(), again.LocalAddr())
	})
}

func TestPortsRunOut(t *testing.T) {
	run(t, Config{}, func(t *testing.T, b *bed) {
		var err error
		for range 1 << 16 {
			if _, err = b.net.Listen(netip.AddrPortFrom(hostA, 0)); err != nil {
				break
			}
		}
		require.ErrorIs(t, err, syscall.EADDRINUSE)
	})
}

func TestIPv6AndMappedAddresses(t *testing.T) {
	run(t, Config{}, func(t *testing.T, b *bed) {
		six, err := b.net.Listen(netip.MustParseAddrPort("[fd00::1]:5"))
		require.NoError(t, err)
		peer, err := b.net.Listen(netip.MustParseAddrPort("[fd00::2]:6"))
		require.NoError(t, err)
		_, err = six.WriteTo([]byte("six"), peer.LocalAddr())
		require.NoError(t, err)
		buf := make([]byte, 10)
		n, from, err := peer.ReadFrom(buf)
		require.NoError(t, err)
		require.Equal(t, "six", string(buf[:n]))
		require.Equal(t, six.LocalAddr(), from)

		_, err = six.WriteTo([]byte("x"), b.a.LocalAddr())
		require.Error(t, err, "the families do not mix")

		mapped := netip.AddrPortFrom(netip.AddrFrom16(hostB.As16()), b.b.LocalAddrPort().Port())
		_, err = b.a.WriteToUDPAddrPort([]byte{0, 7}, mapped)
		require.NoError(t, err)
		require.Equal(t, []int{7}, numbers(b.drain()))
	})
}

func TestLogKeepsTheLast(t *testing.T) {
	filter := func(p []byte, _, _ netip.AddrPort) Verdict { return Verdict(p[0]) }
	run(t, Config{Log: 3, Filter: filter, Default: Link{Delay: time.Second}}, func(t *testing.T, b *bed) {
		time.Sleep(time.Millisecond)
		b.send(1, 10)
		b.send(2, 100)
		b.send(256, 10)
		require.NoError(t, b.b.Close())
		time.Sleep(2 * time.Second)

		log := b.net.Log() // the first was overwritten
		require.Len(t, log, 3)
		require.Equal(t, []Verdict{Drop, DropPort, DropPort}, []Verdict{log[0].Verdict, log[1].Verdict, log[2].Verdict})
		require.Equal(t, time.Millisecond, log[0].Time)
		require.Equal(t, 1001*time.Millisecond, log[1].Time)
		require.Equal(t, b.a.LocalAddrPort(), log[0].From)
		require.Equal(t, b.b.LocalAddrPort(), log[0].To)
		require.Len(t, log[2].Head(), 32)
		require.Equal(t, 100, log[2].Size)

		var out strings.Builder
		require.NoError(t, b.net.WriteLog(&out))
		require.Equal(t, 3, strings.Count(out.String(), "\n"))
		require.Contains(t, out.String(), "1ms 10.0.0.1:49152 > 10.0.0.2:49153 10 bytes, filtered: 01000000000000000000\n")
		require.Error(t, b.net.WriteLog(failing{}))
	})
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestCloseEndsEverything(t *testing.T) {
	run(t, Config{Default: Link{Delay: time.Second}}, func(t *testing.T, b *bed) {
		failed := make(chan error)
		go func() {
			_, _, err := b.b.ReadFrom(make([]byte, 1))
			failed <- err
		}()
		b.send(0, 10)
		require.NoError(t, b.net.Close())
		require.ErrorIs(t, <-failed, net.ErrClosed)
		require.NoError(t, b.net.Close())
		_, err := b.net.Listen(netip.AddrPortFrom(hostA, 0))
		require.ErrorIs(t, err, net.ErrClosed)
		b.net.Inject([]byte("late"), b.a.LocalAddrPort(), b.b.LocalAddrPort())
		time.Sleep(time.Minute)
		require.Zero(t, b.net.Stats().Delivered)
	})
}

func TestWorksInRealTime(t *testing.T) {
	n := New(Config{Default: Link{Delay: time.Millisecond, Rate: 1e9}})
	defer n.Close()
	a, b := listen(t, n, hostA), listen(t, n, hostB)
	const count = 200
	go func() {
		for i := range count {
			a.WriteToUDPAddrPort(bytes.Repeat([]byte{byte(i)}, 100), b.LocalAddrPort())
		}
	}()
	buf := make([]byte, 200)
	for i := range count {
		size, _, err := b.ReadFromUDPAddrPort(buf)
		require.NoError(t, err)
		require.Equal(t, 100, size)
		require.Equal(t, byte(i), buf[0])
	}
}

func TestSendingAndReceivingDoNotAllocate(t *testing.T) {
	n := New(Config{})
	defer n.Close()
	a, b := listen(t, n, hostA), listen(t, n, hostB)
	buf := make([]byte, 1000)
	require.Less(t, testing.AllocsPerRun(1000, func() {
		a.WriteToUDPAddrPort(buf, b.LocalAddrPort())
		b.ReadFromUDPAddrPort(buf)
	}), 1.0) // the pool may be emptied
}
