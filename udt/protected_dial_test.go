package udt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// openings is how many datagrams both sides of a dial with a pre-shared key send
// before either has data, at most.
const openings = 12

// drop drops the datagrams whose numbers, from 0 on, want says.
func (l *lab) drop(want func(n int) bool) {
	n := -1
	l.net.SetFilter(func([]byte, netip.AddrPort, netip.AddrPort) simnet.Verdict {
		if n++; want(n) {
			return simnet.Drop
		}
		return simnet.Pass
	})
}

// Whichever datagram of the exchange is lost, the connection opens soon and works.
func TestProtectedDialSurvivesTheLossOfAnyDatagram(t *testing.T) {
	for lost := range openings {
		inLab(t, wan, func(l *lab) {
			l.drop(func(n int) bool { return n == lost })
			start := time.Now()
			a, b := l.pair(psk(udt.ModeStream), psk(udt.ModeStream))
			l.requireTook(start, 40*time.Millisecond, 400*time.Millisecond, fmt.Sprint("without datagram ", lost))
			l.requireTransfer(a, b, noise(100_000), 10_000, 5*time.Second)
		})
	}
}

// Whichever datagram of the exchange a dial waits for when its context ends, it
// returns at once and leaves nothing, here or there.
func TestProtectedDialCanBeCancelledAtAnyTime(t *testing.T) {
	for passed := range openings {
		inLab(t, wan, func(l *lab) {
			config := psk(udt.ModeStream)
			config.Backlog = 1
			listener, e := l.listen(addrB, config), l.endpoint(addrA)
			l.drop(func(n int) bool { return n >= passed })
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Second, cancel)
			start := time.Now()
			c, err := e.DialContext(ctx, "udt", addrB.String(), config)
			if err == nil {
				c.Abort() // all that it needs was there
			} else {
				require.ErrorIs(l, err, context.Canceled)
				l.requireTook(start, time.Second, time.Second, "the dial")
			}
			l.net.SetFilter(nil)
			time.Sleep(time.Minute)
			require.Zero(l, e.Stats().HandshakesPending)
			require.Zero(l, e.Stats().Connections)
			require.Zero(l, listener.Endpoint().Stats().HandshakesPending)
			// A connection whose peer went away is accepted, and ends.
			for listener.Endpoint().Stats().Connections > 0 {
				left, err := listener.AcceptUDT()
				require.NoError(l, err)
				_, err = left.Read(make([]byte, 1))
				require.Error(l, err)
				left.Close()
			}
			a, b := l.dial(e, config, listener) // there is room for it
			l.requireTransfer(a, b, noise(1000), 1000, time.Minute)
		})
	}
}

// A dial with a socket of its own reads that itself. It still repeats its request when
// nothing answers, and ends with its context.
func TestProtectedDialThatReadsItsSocket(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := udt.DialContext(ctx, "udt", silent.LocalAddr().String(), psk(udt.ModeStream))
		result <- err
	}()
	for range 2 {
		_, _, err := silent.ReadFrom(make([]byte, 2048))
		require.NoError(t, err)
	}
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	config := psk(udt.ModeStream)
	config.HandshakeTimeout = 300 * time.Millisecond
	_, err = udt.Dial("udt", silent.LocalAddr().String(), config)
	require.ErrorIs(t, err, syscall.ETIMEDOUT)
}

// A deadline is a timeout, and so is Config.HandshakeTimeout.
func TestProtectedDialTimeout(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		l.socket(addrB) // nobody reads
		e := l.endpoint(addrA)
		for name, d := range map[string]*udt.Dialer{
			"Dialer.Timeout":          {Timeout: 2 * time.Second, Config: psk(udt.ModeStream)},
			"Config.HandshakeTimeout": {Config: psk(udt.ModeStream)},
		} {
			d.Endpoint = e
			if d.Timeout == 0 {
				d.Config.HandshakeTimeout = 2 * time.Second
			}
			start := time.Now()
			_, err := d.DialUDT(context.Background(), "udt", netip.AddrPort{}, addrB)
			require.ErrorIs(l, err, syscall.ETIMEDOUT, name)
			requireTimeout(l, err)
			require.Equal(l, d.Timeout != 0, errors.Is(err, os.ErrDeadlineExceeded))
			l.requireTook(start, 2*time.Second, 2*time.Second, name)
		}
		unlimited := psk(udt.ModeStream)
		unlimited.HandshakeTimeout = -1
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		start := time.Now()
		_, err := e.DialContext(ctx, "udt", addrB.String(), unlimited)
		require.ErrorIs(l, err, context.DeadlineExceeded)
		l.requireTook(start, time.Hour, time.Hour, "a dial that only its context limits")
		l.requireNothingPending(e)
	})
}

// Whenever the endpoint of either side is closed during an exchange, everybody
// learns it and nothing is left.
func TestProtectedEndpointClosedDuringTheExchange(t *testing.T) {
	ends := map[string]func(e *udt.Endpoint) error{
		"Close": (*udt.Endpoint).Close,
		"Shutdown": func(e *udt.Endpoint) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := e.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return nil // it has aborted a connection
		},
	}
	for name, end := range ends {
		for side, at := range []netip.AddrPort{addrA, addrB} {
			for after := time.Duration(0); after <= 70*time.Millisecond; after += 5 * time.Millisecond {
				t.Run(fmt.Sprintf("%s of %v after %v", name, at, after), func(t *testing.T) {
					inLab(t, wan, func(l *lab) {
						listener, e := l.listen(addrB, psk(udt.ModeStream)), l.endpoint(addrA)
						endpoints := []*udt.Endpoint{e, listener.Endpoint()}
						ended := make(chan error, 1)
						time.AfterFunc(after, func() { ended <- end(endpoints[side]) })
						accepted := make(chan error, 1)
						go func() {
							c, err := listener.AcceptUDT()
							for err == nil {
								_, err = c.Read(make([]byte, 1))
							}
							if c != nil {
								c.Close()
							}
							accepted <- err
						}()
						c, err := e.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
						if err == nil {
							_, err = c.Read(make([]byte, 1))
							require.Error(l, err)
							c.Close()
						} else if side == 0 {
							require.ErrorIs(l, err, net.ErrClosed)
						}
						if name == "Shutdown" {
							time.Sleep(2 * time.Minute)
						}
						require.NoError(l, <-ended)
						listener.Close()
						require.Error(l, <-accepted)
						time.Sleep(2 * time.Minute)
						l.requireNothingPending(endpoints...)
					})
				})
			}
		}
	}
}

// A listener that is closed during an exchange lets nobody in any more, and its
// endpoint's other connections go on.
func TestProtectedListenerClosedDuringTheExchange(t *testing.T) {
	for after := time.Duration(0); after <= 70*time.Millisecond; after += 5 * time.Millisecond {
		inLab(t, wan, func(l *lab) {
			listener, e := l.listen(addrB, psk(udt.ModeStream)), l.endpoint(addrA)
			a, b := l.dial(e, psk(udt.ModeStream), listener)
			time.AfterFunc(after, func() { listener.Close() })
			c, err := e.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
			if err == nil {
				c.SetReadDeadline(time.Now().Add(time.Minute))
				_, err = c.Read(make([]byte, 1))
				require.NotErrorIs(l, err, os.ErrDeadlineExceeded, "closed after %v", after)
				c.Close()
			}
			require.Error(l, err)
			l.requireTransfer(a, b, noise(10_000), 1000, time.Minute)
			time.Sleep(2 * time.Minute)
			l.requireNothingPending(e, listener.Endpoint())
		})
	}
}

// The backlog counts connections that wait for Accept. A client for which there is no
// place is refused, or reset if the last place was taken during its handshake.
func TestProtectedBacklog(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		config := psk(udt.ModeStream)
		config.Backlog = 2
		listener, e := l.listen(addrB, config), l.endpoint(addrA)
		results := make(chan error, 5)
		for range 5 {
			go func() {
				c, err := e.DialContext(context.Background(), "udt", addrB.String(), config)
				if err == nil {
					c.SetReadDeadline(time.Now().Add(time.Second))
					_, err = c.Read(make([]byte, 1))
				}
				results <- err
			}()
		}
		reset := 0
		for range 5 {
			if err := <-results; !errors.Is(err, os.ErrDeadlineExceeded) {
				require.ErrorIs(l, err, syscall.ECONNRESET)
				reset++
			}
		}
		require.Equal(l, 3, reset)
		_, err := e.DialContext(context.Background(), "udt", addrB.String(), config)
		require.ErrorIs(l, err, udt.ErrRefused)
		require.NotErrorIs(l, err, udt.ErrAuth)
		require.EqualValues(l, 1, listener.Endpoint().Stats().HandshakesRefused, "not for each datagram of the client")
		for range 2 {
			_, err := listener.AcceptUDT()
			require.NoError(l, err)
		}
		l.dial(e, config, listener)
	})
}

// AcceptPeer is asked before any TLS work is done, and its refusal is an ordinary one.
func TestProtectedAcceptPeer(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		config := psk(udt.ModeStream)
		var asked atomic.Int32
		config.AcceptPeer = func(p udt.PeerInfo) error {
			if asked.Add(1) == 1 && p.RemoteAddr == addrA {
				return errors.New("no")
			}
			return nil
		}
		listener, e := l.listen(addrB, config), l.endpoint(addrA)
		_, err := e.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
		require.ErrorIs(l, err, udt.ErrRefused)
		require.Zero(l, listener.Endpoint().Stats().HandshakesFailed)
		require.EqualValues(l, 1, listener.Endpoint().Stats().HandshakesRefused, "not for each datagram of the client")
		l.dial(e, psk(udt.ModeStream), listener)
		require.EqualValues(l, 2, asked.Load())
	})
}

// A peer of the other mode is refused, with an error that says so.
func TestProtectedWrongMode(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		listener, e := l.listen(addrB, psk(udt.ModeMessage)), l.endpoint(addrA)
		_, err := e.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
		require.ErrorIs(l, err, udt.ErrRefused)
		require.ErrorIs(l, err, udt.ErrMode)
		require.EqualValues(l, 1, listener.Endpoint().Stats().HandshakesRefused)
		l.requireNothingPending(e, listener.Endpoint())
	})
	inLab(t, wan, func(l *lab) {
		_, errs := l.meet(psk(udt.ModeStream), psk(udt.ModeMessage))
		for _, err := range errs {
			require.ErrorIs(l, err, udt.ErrMode)
		}
	})
}

// Any number of dials from one socket do not disturb each other.
func TestProtectedManyDialsAtOnce(t *testing.T) {
	link := simnet.Link{Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.02}
	inLab(t, link, func(l *lab) {
		const n = 100
		listener, e := l.listen(addrB, psk(udt.ModeStream)), l.endpoint(addrA)
		go func() {
			for {
				c, err := listener.AcceptUDT()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					io.Copy(c, onlyReader{c})
				}()
			}
		}()
		errs := make(chan error, n)
		for i := range n {
			go func() {
				c, err := e.DialContext(context.Background(), "udt", addrB.String(), psk(udt.ModeStream))
				if err == nil {
					want := bytes.Repeat([]byte{byte(i)}, 3000)
					got := make([]byte, len(want))
					_, err = c.Write(want)
					if _, err2 := io.ReadFull(c, got); err == nil {
						err = err2
					}
					if err == nil && !bytes.Equal(want, got) {
						err = errors.New("it is another's")
					}
					c.Close()
				}
				errs <- err
			}()
		}
		for range n {
			require.NoError(l, <-errs)
		}
		time.Sleep(time.Minute)
		l.requireNothingPending(e, listener.Endpoint())
	})
}

// One packet socket exchanges protected messages with several others.
func TestProtectedPacketConns(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		_, readable := l.watch(addrA)
		addrs := []netip.AddrPort{addrA, addrB, addrC}
		var conns []*udt.PacketConn
		for _, a := range addrs {
			conns = append(conns, l.packets(a, psk(udt.ModeMessage)))
		}
		buf := make([]byte, 2000)
		for i, from := range conns {
			for j, to := range conns {
				if i == j {
					continue
				}
				_, err := from.WriteTo(secret, udpAddr(addrs[j]))
				require.NoError(l, err)
				n, source, err := to.ReadFrom(buf)
				require.NoError(l, err)
				require.Equal(l, addrs[i], addrOf(source))
				require.Equal(l, secret, buf[:n])
			}
		}
		require.Zero(l, *readable)

		wrong := psk(udt.ModeMessage)
		wrong.Security.PSKs[0].Key = bytes.Repeat([]byte{8}, 32)
		stranger := l.packets(netip.MustParseAddrPort("10.0.0.9:9"), wrong)
		_, err := stranger.WriteTo(secret, udpAddr(addrA))
		require.ErrorIs(l, err, udt.ErrAuth)
	})
}

// IPv6 costs as little.
func TestProtectedIPv6(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		listener := l.listen(netip.MustParseAddrPort("[fd00::2]:5000"), psk(udt.ModeStream))
		a, b := l.dial(l.endpoint(netip.MustParseAddrPort("[fd00::1]:4000")), psk(udt.ModeStream), listener)
		largest := 0
		l.net.SetFilter(func(b []byte, _, _ netip.AddrPort) simnet.Verdict {
			largest = max(largest, len(b))
			return simnet.Pass
		})
		l.requireTransfer(a, b, noise(100_000), 10_000, time.Minute)
		require.LessOrEqual(l, largest, 1500-40-8)
		require.Greater(l, largest, 1400)
	})
}
