package udt_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// A cancelled dial returns at once with the context's error, whichever packet of the
// handshake it waited for. It leaves nothing on either side: a listener that has made a
// connection already is told.
func TestCancelledDialReturnsAtOnce(t *testing.T) {
	for _, after := range []time.Duration{0, 5, 15, 25, 35} {
		for _, rendezvous := range []bool{false, true} {
			inLab(t, wan, func(l *lab) {
				e := l.endpoint(addrA)
				var listener *udt.Listener
				if rendezvous {
					l.socket(addrB)
				} else {
					listener = l.listen(addrB, nil)
				}
				ctx, cancel := context.WithCancel(context.Background())
				start := time.Now()
				if after == 0 {
					cancel()
				} else {
					time.AfterFunc(after*time.Millisecond, cancel)
				}
				d := udt.Dialer{Endpoint: e, Rendezvous: rendezvous}
				_, err := d.DialUDT(ctx, "udt", netip.AddrPort{}, addrB)
				require.ErrorIs(l, err, context.Canceled)
				l.requireTook(start, after*time.Millisecond, after*time.Millisecond, "the dial")
				time.Sleep(50 * time.Millisecond)
				require.Zero(l, e.Stats().Connections)
				if listener != nil && after >= 25 {
					c, err := listener.Accept()
					require.NoError(l, err)
					_, err = c.Read(make([]byte, 1))
					require.ErrorIs(l, err, syscall.ECONNRESET)
					require.NoError(l, c.Close())
					require.Zero(l, listener.Endpoint().Stats().Connections)
				}
				sent := l.net.LinkStats(addrA.Addr(), addrB.Addr()).Sent
				time.Sleep(time.Minute)
				require.Equal(l, sent, l.net.LinkStats(addrA.Addr(), addrB.Addr()).Sent, "nothing is sent any more")
			})
		}
	}
}

// A cancelled dial whose conclusion or its answer is lost tells the listener
// nevertheless.
func TestCancelledDialLeavesNothingOnALossyPath(t *testing.T) {
	link := wan
	link.Loss = 0.2
	inLab(t, link, func(l *lab) {
		told, missed := 0, 0
		e, listener := l.endpoint(addrA), l.listen(addrB, nil)
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				c.SetDeadline(time.Now().Add(4 * time.Second))
				if _, err = c.Read(make([]byte, 1)); errors.Is(err, syscall.ECONNRESET) {
					told++
				} else {
					missed++
				}
				c.Close()
			}
		}()
		for range 200 {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
			c, err := e.DialContext(ctx, "udt", addrB.String(), nil)
			cancel()
			require.Error(l, err, "%v", c)
			time.Sleep(4 * time.Second)
		}
		time.Sleep(20 * time.Second)
		require.Zero(l, e.Stats().Connections)
		require.Zero(l, listener.Endpoint().Stats().Connections)
		require.Greater(l, told, 50)
		require.Zero(l, missed)
	})
}

// The end of the context does not affect a connection that is established.
func TestContextBoundsTheDialOnly(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		listener := l.listen(addrB, nil)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		c, err := l.endpoint(addrA).DialContext(ctx, "udt", addrB.String(), nil)
		require.NoError(l, err)
		s, err := listener.AcceptUDT()
		require.NoError(l, err)
		time.Sleep(2 * time.Second)
		cancel()
		write(l, c, 1000)
		require.NoError(l, c.Close())
		n, err := drain(s)
		require.NoError(l, err)
		require.EqualValues(l, 1000, n)
	})
}

// Every limit of a dial is a time-out; those of a context and of the Dialer also
// are the context's error.
func TestDialTimeouts(t *testing.T) {
	withTimeout := func(d time.Duration) func() (context.Context, context.CancelFunc) {
		return func() (context.Context, context.CancelFunc) { return context.WithTimeout(context.Background(), d) }
	}
	for _, test := range []struct {
		name    string
		dialer  func() udt.Dialer
		ctx     func() (context.Context, context.CancelFunc)
		took    time.Duration
		context bool
	}{
		{name: "default", took: 3 * time.Second},
		{name: "rendezvous", dialer: func() udt.Dialer { return udt.Dialer{Rendezvous: true} }, took: 30 * time.Second},
		{name: "HandshakeTimeout", took: 10 * time.Second, dialer: func() udt.Dialer {
			return udt.Dialer{Config: &udt.Config{HandshakeTimeout: 10 * time.Second}}
		}},
		{name: "Timeout", took: time.Second, context: true, dialer: func() udt.Dialer { return udt.Dialer{Timeout: time.Second} }},
		{name: "Deadline", took: 2 * time.Second, context: true, dialer: func() udt.Dialer {
			return udt.Dialer{Deadline: time.Now().Add(2 * time.Second)}
		}},
		{name: "the earlier of both", took: time.Second, context: true, dialer: func() udt.Dialer {
			return udt.Dialer{Deadline: time.Now().Add(2 * time.Second), Timeout: time.Second}
		}},
		{name: "Deadline in the past", took: 0, context: true, dialer: func() udt.Dialer {
			return udt.Dialer{Deadline: time.Now().Add(-time.Second)}
		}},
		{name: "context", took: 700 * time.Millisecond, context: true, ctx: withTimeout(700 * time.Millisecond)},
		{name: "context alone", took: time.Minute, context: true, ctx: withTimeout(time.Minute), dialer: func() udt.Dialer {
			return udt.Dialer{Config: &udt.Config{HandshakeTimeout: -1}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inLab(t, wan, func(l *lab) {
				e := l.endpoint(addrA)
				var d udt.Dialer
				if test.dialer != nil {
					d = test.dialer()
				}
				d.Endpoint = e
				ctx, cancel := context.Background(), func() {}
				if test.ctx != nil {
					ctx, cancel = test.ctx()
				}
				defer cancel()
				start := time.Now()
				_, err := d.DialContext(ctx, "udt", addrB.String())
				requireTimeout(l, err)
				require.ErrorIs(l, err, syscall.ETIMEDOUT)
				if test.context {
					require.ErrorIs(l, err, context.DeadlineExceeded)
					require.ErrorIs(l, err, os.ErrDeadlineExceeded)
				} else {
					require.ErrorIs(l, err, udt.ErrPeerTimeout)
				}
				l.requireTook(start, test.took, test.took, "the dial")
				require.Zero(l, e.Stats().Connections)
				var op *net.OpError
				require.ErrorAs(l, err, &op)
				require.Equal(l, "dial", op.Op)
				require.Equal(l, "udp", op.Net)
				require.Equal(l, addrB.String(), op.Addr.String())
			})
		})
	}
}

// The handshake survives a path that loses a third of the packets.
func TestDialUnderLoss(t *testing.T) {
	for range 10 {
		inLab(t, simnet.Link{Delay: 20 * time.Millisecond, Loss: 0.33}, func(l *lab) {
			patient := &udt.Config{HandshakeTimeout: 30 * time.Second}
			a, b := l.pair(patient, patient)
			write(l, a, 10_000)
			go a.Close()
			n, err := drain(b)
			require.NoError(l, err)
			require.EqualValues(l, 10_000, n)
		})
	}
}

// The first data of a server reach the client although nothing came from it yet.
func TestServerMaySpeakFirst(t *testing.T) {
	for _, config := range []*udt.Config{nil, legacy} {
		inLab(t, wan, func(l *lab) {
			a, b := l.pair(config, config)
			start := time.Now()
			write(l, b, 5000)
			go b.Close()
			n, err := drain(a)
			require.NoError(l, err)
			require.EqualValues(l, 5000, n)
			l.requireTook(start, 10*time.Millisecond, 500*time.Millisecond, "the greeting")
		})
	}
}

// A wrong argument is an error of a type that programs can test for, before
// anything is sent.
func TestWrongArgumentsOfADial(t *testing.T) {
	isConfig := func(t *testing.T, err error) { require.ErrorIs(t, err, udt.ErrConfig) }
	isAddr := func(t *testing.T, err error) {
		var ae *net.AddrError
		require.ErrorAs(t, err, &ae)
	}
	isNetwork := func(t *testing.T, err error) {
		var un net.UnknownNetworkError
		require.ErrorAs(t, err, &un)
	}
	const good = "127.0.0.1:9"
	for _, test := range []struct {
		name    string
		network string
		address string
		dialer  udt.Dialer
		check   func(*testing.T, error)
		text    string
	}{
		{name: "MSS too small", dialer: udt.Dialer{Config: &udt.Config{MSS: 99}}, check: isConfig, text: "MSS is 99"},
		{name: "MSS too large", dialer: udt.Dialer{Config: &udt.Config{MSS: 65536}}, check: isConfig, text: "MSS"},
		{name: "MSS negative", dialer: udt.Dialer{Config: &udt.Config{MSS: -1}}, check: isConfig, text: "MSS"},
		{name: "FlowWindow", dialer: udt.Dialer{Config: &udt.Config{FlowWindow: 31}}, check: isConfig, text: "FlowWindow"},
		{name: "SendBuffer", dialer: udt.Dialer{Config: &udt.Config{SendBuffer: 1}}, check: isConfig, text: "SendBuffer"},
		{name: "RecvBuffer", dialer: udt.Dialer{Config: &udt.Config{RecvBuffer: 1<<30 + 1}}, check: isConfig, text: "RecvBuffer"},
		{name: "UDPRecvBuffer", dialer: udt.Dialer{Config: &udt.Config{Endpoint: &udt.EndpointConfig{UDPRecvBuffer: -1}}}, check: isConfig, text: "UDPRecvBuffer"},
		{name: "Backlog", dialer: udt.Dialer{Config: &udt.Config{Backlog: -1}}, check: isConfig, text: "Backlog"},
		{name: "Mode", dialer: udt.Dialer{Config: &udt.Config{Mode: 2}}, check: isConfig, text: "Mode"},
		{name: "MaxBandwidth", dialer: udt.Dialer{Config: &udt.Config{MaxBandwidth: -1}}, check: isConfig, text: "MaxBandwidth"},
		{name: "unknown network", network: "tcp", check: isNetwork, text: "tcp"},
		{name: "no network", network: "-", check: isNetwork},
		{name: "rendezvous without a port", dialer: udt.Dialer{Rendezvous: true}, check: isConfig, text: "rendezvous"},
		{name: "rendezvous on port 0", check: isConfig, text: "rendezvous", dialer: udt.Dialer{
			Rendezvous: true, LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)},
		}},
		{name: "address without port", address: "127.0.0.1", check: isAddr, text: "port"},
		{name: "port 0", address: "127.0.0.1:0", check: isAddr, text: "port"},
		{name: "no such port", address: "127.0.0.1:nosuchservice", text: "nosuchservice", check: func(t *testing.T, err error) {
			var de *net.DNSError
			require.ErrorAs(t, err, &de)
		}},
		{name: "address of the other family", network: "udt6", address: good, check: isAddr},
		{name: "local address of the other family", check: isAddr, dialer: udt.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv6loopback}}},
		{name: "local address of another kind", check: isAddr, dialer: udt.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			network, address := test.network, test.address
			switch network {
			case "":
				network = "udt"
			case "-":
				network = ""
			}
			if address == "" {
				address = good
			}
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			c, err := test.dialer.DialContext(ctx, network, address)
			require.Nil(t, c)
			test.check(t, err)
			require.ErrorContains(t, err, test.text)
			var op *net.OpError
			require.ErrorAs(t, err, &op)
			require.Equal(t, "dial", op.Op)
			var ne net.Error
			require.False(t, errors.As(err, &ne) && ne.Timeout())
		})
	}
	d := new(udt.Dialer)
	_, err := d.DialUDT(context.Background(), "udt", netip.AddrPort{}, netip.AddrPort{})
	isAddr(t, err)
	_, err = udt.Dial("udt4", good, &udt.Config{MSS: 3})
	isConfig(t, err)
}

// The same holds for listening.
func TestWrongArgumentsOfAListen(t *testing.T) {
	_, err := udt.Listen("udt", "127.0.0.1:0", &udt.Config{MSS: 1})
	require.ErrorIs(t, err, udt.ErrConfig)
	_, err = udt.Listen("udp", "127.0.0.1:0", nil)
	var un net.UnknownNetworkError
	require.ErrorAs(t, err, &un)
	_, err = udt.Listen("udt", "127.0.0.1", nil)
	var ae *net.AddrError
	require.ErrorAs(t, err, &ae)
	_, err = udt.ListenPacket("udt", "127.0.0.1:0", &udt.Config{SendBuffer: -1})
	require.ErrorIs(t, err, udt.ErrConfig)
	_, err = udt.NewEndpoint(nil, nil)
	require.ErrorIs(t, err, udt.ErrConfig)
	_, err = udt.ListenEndpoint("udt", "127.0.0.1:0", &udt.EndpointConfig{ResetKey: make([]byte, 15)})
	require.ErrorIs(t, err, udt.ErrConfig)
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	_, err = udt.NewEndpoint(pc, &udt.EndpointConfig{UDPSendBuffer: 1})
	require.ErrorIs(t, err, udt.ErrConfig)
	require.NoError(t, pc.Close(), "it was not taken over")
	_, err = udt.Listen("udt", "192.0.2.1:0", nil)
	require.Error(t, err, "not an address of this machine")
	for _, err := range []error{err} {
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		require.Equal(t, "listen", op.Op)
	}
}

// A port in use is syscall.EADDRINUSE.
func TestListenOnAPortInUse(t *testing.T) {
	l, err := udt.Listen("udt", "127.0.0.1:0", nil)
	require.NoError(t, err)
	defer l.Close()
	_, err = udt.Listen("udt", l.Addr().String(), nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	_, err = l.Endpoint().Listen(nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}

// A name with addresses of both families is dialed at all of them, whichever has
// the listener; if none has, the dial is refused.
func TestDialTriesAllAddressesOfAName(t *testing.T) {
	ips, err := net.DefaultResolver.LookupNetIP(context.Background(), "ip", "localhost")
	if err != nil || len(ips) < 2 {
		t.Skipf("localhost has the addresses %v, %v", ips, err)
	}
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := udt.Listen("udt", host, nil)
		if err != nil {
			t.Skip(err)
		}
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		c, err := udt.Dial("udt", net.JoinHostPort("localhost", port), pipes.Patient(nil))
		require.NoError(t, err, host)
		require.Equal(t, l.Addr().String(), c.RemoteAddr().String())
		require.NoError(t, c.Close())

		require.NoError(t, l.Close())
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, l.Endpoint().Shutdown(ctx))
		_, err = udt.Dial("udt", net.JoinHostPort("localhost", port), nil)
		require.Error(t, err)
	}
}
