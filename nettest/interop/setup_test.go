package interop_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/interop"
	"github.com/udtgo/udtgo/nettest/testkit"
	"github.com/udtgo/udtgo/udt"
)

func TestRendezvous(t *testing.T) {
	for _, transfer := range transfers {
		t.Run(transfer.name, func(t *testing.T) { transfer.run(t, scene{role: rendezvous}, 5_000_000) })
	}
	t.Run("messages", func(t *testing.T) {
		conn, ref := scene{
			role: rendezvous, config: udt.Config{Mode: udt.ModeMessage},
			command: "echo", args: opts("-count %d", len(messageSizes)),
		}.start(t)
		writeMessages(t, conn, messageSizes, udt.MessageOptions{})
		got, err := readMessages(conn)
		require.Equal(t, io.EOF, err)
		require.Equal(t, messageSums(messageSizes), got)
		ref.Done()
	})
	t.Run("from a local address", func(t *testing.T) {
		local := net.UDPAddrFromAddrPort(testkit.UnusedPort(t))
		ref := interop.Build(t, *required).Start(t, opts("send -role rendezvous -port %d -bytes 100000", portOf(local))...)
		conn := meet(t, &udt.Dialer{LocalAddr: local}, loopback, ref.Port())
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
		sum, err := interop.SumOf(conn)
		require.NoError(t, err)
		require.Equal(t, interop.PatternSum(1, 100_000), sum)
	})
}

// Two hundred connections exist at the same time, then each echoes a pattern
// of its own, so a packet that reached the wrong one is seen.
const (
	crowd     = 200
	crowdSize = 20_000
)

func TestManyConnectionsAccepted(t *testing.T) {
	for _, tt := range []struct{ name, args string }{
		{"from a port each", "-share 0"},
		{"from one port", "-share 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := listen(t, loopback, &udt.Config{Backlog: crowd})
			ref := interop.Build(t, *required).Start(t, append(
				opts("manyconnect -port %d -count %d -bytes %d", portOf(l.Addr()), crowd, crowdSize), opts("%s", tt.args)...)...)
			var echoes sync.WaitGroup
			defer echoes.Wait()
			defer l.Close()
			echoes.Go(func() {
				for { // more than the crowd if the driver dials again
					conn, err := l.AcceptUDT()
					if err != nil {
						return // and without its connections, the driver is not done
					}
					conn.SetDeadline(time.Now().Add(55 * time.Second))
					echoes.Go(func() {
						defer conn.Close()
						io.Copy(conn, conn) // the driver knows whether all came back
					})
				}
			})
			done := ref.Wait("DONE")
			require.EqualValues(t, crowd, done.Int(0))
			require.Zero(t, done.Int(1))
		})
	}
}

func TestManyConnectionsDialed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		shared bool
	}{
		{"from a port each", false},
		{"from one port", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ref := interop.Build(t, *required).Start(t, opts("manyaccept -count %d", crowd)...)
			addr := netip.MustParseAddrPort(ref.Addr())
			dialer := udt.Dialer{Config: preferring(nil)}
			if tt.shared {
				pc, err := net.ListenPacket("udp4", loopback+":0")
				require.NoError(t, err)
				dialer.Endpoint, err = udt.NewEndpoint(pc, nil)
				require.NoError(t, err)
				defer dialer.Endpoint.Close()
			}
			results := make(chan error, crowd)
			var dialed sync.WaitGroup
			dialed.Add(crowd)
			for i := range crowd {
				go func() { results <- echo(t, &dialer, addr, uint64(i), &dialed) }()
			}
			for range crowd {
				require.NoError(t, <-results)
			}
			done := ref.Wait("DONE")
			require.EqualValues(t, crowd, done.Int(0))
			require.Zero(t, done.Int(1))
		})
	}
}

// echo dials, waits until everyone has, and sends a pattern that must come
// back.
func echo(t *testing.T, d *udt.Dialer, addr netip.AddrPort, seed uint64, dialed *sync.WaitGroup) error {
	conn, err := d.DialUDT(t.Context(), "udt4", netip.AddrPort{}, addr)
	dialed.Done()
	if err != nil {
		return err
	}
	defer conn.Close()
	dialed.Wait()
	if err := conn.SetDeadline(time.Now().Add(55 * time.Second)); err != nil {
		return err
	}
	if _, err := io.CopyN(conn, interop.Pattern(seed), crowdSize); err != nil {
		return err
	}
	sum, err := interop.SumOf(io.LimitReader(conn, crowdSize))
	if err == nil && sum != interop.PatternSum(seed, crowdSize) {
		err = errors.New("the echo differs: " + sum.String())
	}
	return err
}

// The reference reports a refusal as error 1002.
func TestWeRefuse(t *testing.T) {
	const rejected = 1002
	driver := interop.Build(t, *required)

	t.Run("by AcceptPeer", func(t *testing.T) {
		asked := make(chan udt.PeerInfo, 16)
		l := listen(t, loopback, &udt.Config{AcceptPeer: func(p udt.PeerInfo) error {
			select {
			case asked <- p:
			default: // the reference repeats its request
			}
			return errors.New("not this one")
		}})
		ref := driver.Start(t, opts("connect -port %d -mss 1400", portOf(l.Addr()))...)
		require.EqualValues(t, rejected, ref.Expect("ERROR").Int(0))
		peer := <-asked
		require.Equal(t, loopback, peer.RemoteAddr.Addr().Unmap().String())
		require.Equal(t, udt.ModeStream, peer.Mode)
		require.Equal(t, 1400, peer.MSS)
		require.Equal(t, 8192, peer.FlowWindow, "the reference's receive buffer")
	})
	t.Run("another mode", func(t *testing.T) {
		l := listen(t, loopback, nil)
		ref := driver.Start(t, opts("connect -port %d -type msg", portOf(l.Addr()))...)
		require.EqualValues(t, rejected, ref.Expect("ERROR").Int(0))
	})
	t.Run("backlog full", func(t *testing.T) {
		l := listen(t, loopback, &udt.Config{Backlog: 1})
		first := driver.Start(t, opts("recv -port %d", portOf(l.Addr()))...)
		first.Expect("CONNECTED")
		second := driver.Start(t, opts("connect -port %d", portOf(l.Addr()))...)
		require.EqualValues(t, rejected, second.Expect("ERROR").Int(0))

		conn, err := l.AcceptUDT()
		require.NoError(t, err)
		defer conn.Close()
		third := driver.Start(t, opts("connect -port %d", portOf(l.Addr()))...)
		third.Expect("CONNECTED") // there is room again
	})
}

func TestWeAreRefused(t *testing.T) {
	driver := interop.Build(t, *required)
	requireRefused := func(t *testing.T, err error) {
		t.Helper()
		require.ErrorIs(t, err, udt.ErrRefused)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	}
	for _, tt := range []struct {
		name, args string
		mode       udt.Mode
	}{
		{"a message connection by a stream listener", "park -type stream", udt.ModeMessage},
		{"a stream connection by a message listener", "park -type msg", udt.ModeStream},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ref := driver.Start(t, opts("%s", tt.args)...)
			_, err := udt.Dial("udt", ref.Addr(), preferring(&udt.Config{Mode: tt.mode}))
			requireRefused(t, err)
		})
	}
	t.Run("backlog full", func(t *testing.T) {
		addr := driver.Start(t, opts("park -backlog 1")...).Addr()
		first := dial(t, addr, nil)
		defer first.Abort()
		_, err := udt.Dial("udt", addr, preferring(nil))
		requireRefused(t, err)
	})
}
