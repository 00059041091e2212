package pipes

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/udtgo/udtgo/nettest"
	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/nettest/testkit"
	"github.com/udtgo/udtgo/udt"
)

// A Maker makes a connection and returns both ends: what is written to c1 is
// read from c2, and the other way round. stop closes both and all that is under
// them, without delivering what is on the way; it may be called at any time, and
// more than once. It is the type that golang.org/x/net/nettest.TestConn takes.
type Maker = func() (c1, c2 net.Conn, stop func(), err error)

// patience is for how long a handshake in real time may last.
const patience = 30 * time.Second

// Patient returns config with more time for handshakes and for peers that do not
// answer, unless it says how much they have: tests make many connections at once, and
// the race detector makes them slow.
func Patient(config *udt.Config) *udt.Config {
	if config == nil {
		config = new(udt.Config)
	}
	config = config.Clone()
	config.HandshakeTimeout = cmp.Or(config.HandshakeTimeout, patience)
	config.PeerTimeout = cmp.Or(config.PeerTimeout, testkit.PeerPatience)
	config.Limits.HalfOpenTimeout = cmp.Or(config.Limits.HalfOpenTimeout, testkit.PeerPatience)
	return config
}

// Stream makes UDT connections over loopback, with a socket for each end. c1
// is the end that dialed. A nil config means the zero Config. Where config does not
// say otherwise handshakes have half a minute, and peers a minute to answer.
func Stream(config *udt.Config) Maker {
	config = Patient(config)
	return func() (c1, c2 net.Conn, stop func(), err error) {
		l, err := udt.Listen("udt", "127.0.0.1:0", config)
		if err != nil {
			return nil, nil, nil, err
		}
		return acceptedPipe(l, func(ctx context.Context) (*udt.Conn, error) {
			return (&udt.Dialer{Config: config}).DialUDT(ctx, "udt", netip.AddrPort{}, addrPort(l.Addr()))
		}, func() {})
	}
}

// Swap makes what m makes with the ends exchanged.
func Swap(m Maker) Maker {
	return func() (c1, c2 net.Conn, stop func(), err error) {
		c2, c1, stop, err = m()
		return c1, c2, stop, err
	}
}

// Rendezvous makes UDT connections over loopback between two ends that both
// dial. config is as for Stream.
func Rendezvous(config *udt.Config) Maker {
	config = Patient(config)
	return func() (c1, c2 net.Conn, stop func(), err error) {
		a, err := loopbackEndpoint()
		if err != nil {
			return nil, nil, nil, err
		}
		b, err := loopbackEndpoint()
		if err != nil {
			a.Close()
			return nil, nil, nil, err
		}
		return rendezvousPipe(a, b, config, func() {})
	}
}

func loopbackEndpoint() (*udt.Endpoint, error) {
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	return udt.NewEndpoint(pc, nil)
}

func rendezvousPipe(a, b *udt.Endpoint, config *udt.Config, end func()) (c1, c2 net.Conn, stop func(), err error) {
	meet := func(from, to *udt.Endpoint) func() (*udt.Conn, error) {
		return func() (*udt.Conn, error) {
			d := udt.Dialer{Rendezvous: true, Endpoint: from, Config: config}
			return d.DialUDT(context.Background(), "udt", netip.AddrPort{}, addrPort(to.LocalAddr()))
		}
	}
	return joinPipe(meet(a, b), meet(b, a), func() {
		a.Close()
		b.Close()
		end()
	})
}

// Relay makes UDT connections through a Relay whose links are up, from c1 to
// c2, and down. config is as for Stream.
func Relay(config *udt.Config, up, down simnet.Link, seed uint64) Maker {
	config = Patient(config)
	return func() (c1, c2 net.Conn, stop func(), err error) {
		l, err := udt.Listen("udt", "127.0.0.1:0", config)
		if err != nil {
			return nil, nil, nil, err
		}
		r, err := nettest.NewRelay(nettest.RelayConfig{Target: l.Addr().String(), Up: up, Down: down, Seed: seed})
		if err != nil {
			l.Close()
			return nil, nil, nil, err
		}
		return acceptedPipe(l, func(ctx context.Context) (*udt.Conn, error) {
			return (&udt.Dialer{Config: config}).DialUDT(ctx, "udt", netip.AddrPort{}, addrPort(r.Addr()))
		}, func() { r.Close() })
	}
}

// Simnet makes UDT connections over a simnet.Network, which works in a bubble
// of testing/synctest as well as in real time. c1 is the end that dialed. A nil
// config means the zero Config. Timeouts stay as they are: in virtual time no machine
// is too slow for them.
func Simnet(config *udt.Config, network simnet.Config) Maker {
	return func() (c1, c2 net.Conn, stop func(), err error) {
		a, b, end, err := simnetEndpoints(network)
		if err != nil {
			return nil, nil, nil, err
		}
		l, err := b.Listen(config)
		if err != nil {
			end()
			return nil, nil, nil, err
		}
		return acceptedPipe(l, func(ctx context.Context) (*udt.Conn, error) {
			return a.DialContext(ctx, "udt", l.Addr().String(), config)
		}, end)
	}
}

// SimnetRendezvous is like Simnet with two ends that both dial.
func SimnetRendezvous(config *udt.Config, network simnet.Config) Maker {
	return func() (c1, c2 net.Conn, stop func(), err error) {
		a, b, end, err := simnetEndpoints(network)
		if err != nil {
			return nil, nil, nil, err
		}
		return rendezvousPipe(a, b, config, end)
	}
}

// simnetEndpoints makes a network of two hosts with an endpoint on each.
func simnetEndpoints(network simnet.Config) (a, b *udt.Endpoint, end func(), err error) {
	n := simnet.New(network)
	var made [2]*udt.Endpoint
	end = func() {
		for _, e := range made {
			if e != nil {
				e.Close()
			}
		}
		n.Close()
	}
	for i, host := range []string{"10.0.0.1:0", "10.0.0.2:9000"} {
		pc, err := n.Listen(netip.MustParseAddrPort(host))
		if err != nil {
			end()
			return nil, nil, nil, err
		}
		if made[i], err = udt.NewEndpoint(pc, nil); err != nil {
			pc.Close()
			end()
			return nil, nil, nil, err
		}
	}
	return made[0], made[1], end, nil
}

// acceptedPipe dials l, which stop closes together with the connections; end
// closes what is under them.
func acceptedPipe(l *udt.Listener, dial func(context.Context) (*udt.Conn, error), end func()) (c1, c2 net.Conn, stop func(), err error) {
	return joinPipe(func() (*udt.Conn, error) {
		c, err := dial(context.Background())
		if err != nil {
			l.Close() // nobody comes: Accept must return
		}
		return c, err
	}, l.AcceptUDT, func() {
		l.Close()
		l.Endpoint().Close()
		end()
	})
}

// joinPipe makes both ends at the same time. A dial may succeed although the listener
// has given that peer up: then end makes Accept return.
func joinPipe(first, second func() (*udt.Conn, error), end func()) (c1, c2 net.Conn, stop func(), err error) {
	type result struct {
		c   *udt.Conn
		err error
	}
	other := make(chan result, 1)
	go func() {
		c, err := second()
		other <- result{c, err}
	}()
	a, err := first()
	late := time.AfterFunc(patience, end)
	b := <-other
	late.Stop()
	if err = errors.Join(err, b.err); err != nil {
		for _, c := range []*udt.Conn{a, b.c} {
			if c != nil {
				c.Abort()
			}
		}
		end()
		return nil, nil, nil, err
	}
	return a, b.c, sync.OnceFunc(func() {
		for _, c := range []*udt.Conn{a, b.c} {
			c.Abort()
			c.Endpoint().Close()
		}
		end()
	}), nil
}

func addrPort(a net.Addr) netip.AddrPort { return a.(*net.UDPAddr).AddrPort() }
