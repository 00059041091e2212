package nettest

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/udtgo/udtgo/nettest/internal/require"
	"github.com/udtgo/udtgo/nettest/testkit"
)

// TestListener tests that a net.Listener, and the dial that belongs to it, keep the promises that servers rely on, in
// one subtest per promise. Each subtest gets a new listener from ml. Nothing else may run at the same time, because
// goroutines are counted.
func TestListener(t *testing.T, ml MakeListener) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, f *fixture)
	}{
		{"ManyAtOnce", checkManyAtOnce},
		{"CloseUnblocksAccept", checkCloseUnblocksAccept},
		{"CloseTwice", checkListenerCloseTwice},
		{"CloseLeavesConns", checkCloseLeavesConns},
		{"AddrAfterClose", checkAddrAfterClose},
		{"DialAfterClose", checkDialAfterClose},
		{"CancelledDial", checkCancelledDial},
		{"Addresses", checkAddresses},
		{"ServerSpeaksFirst", checkServerSpeaksFirst},
		{"AcceptDeadline", checkAcceptDeadline},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, newFixture(t, ml)) })
	}
}

// requireEcho checks that a connection carries bytes both ways.
func requireEcho(t testing.TB, client, server net.Conn) {
	t.Helper()
	for _, dir := range []struct {
		from, to net.Conn
		text     string
	}{{client, server, "ping"}, {server, client, "pong"}} {
		w := startWrite(dir.from, []byte(dir.text))
		buf := make([]byte, len(dir.text))
		require.NoError(t, readFull(t, dir.to, buf))
		require.Equal(t, dir.text, string(buf))
		require.NoError(t, w.wait(t, "Write").err)
	}
}

// checkManyAtOnce dials from many goroutines and accepts in several. Each connection carries its own number there and
// back, so two that were mixed up are noticed.
func checkManyAtOnce(t *testing.T, f *fixture) {
	const conns, acceptors = 32, 4
	var serving, dialing []*call[error]
	for range acceptors {
		serving = append(serving, start(func() error {
			for range conns / acceptors {
				c, err := f.Accept()
				if err != nil {
					return err
				}
				if err := echoOneByte(c); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	for i := range byte(conns) {
		dialing = append(dialing, start(func() error {
			c, err := f.dial(context.Background())
			if err != nil {
				return err
			}
			defer c.Close()
			return exchangeByte(c, i)
		}))
	}
	for _, d := range dialing {
		require.NoError(t, d.wait(t, "client"))
	}
	for _, s := range serving {
		require.NoError(t, s.wait(t, "server"))
	}
}

// echoOneByte answers a byte, waits for the peer's Close and closes.
func echoOneByte(c net.Conn) error {
	defer c.Close()
	b := make([]byte, 1)
	if _, err := c.Read(b); err != nil {
		return err
	}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, _ = c.Read(b)
	return nil
}

// exchangeByte sends b and wants it back.
func exchangeByte(c net.Conn, b byte) error {
	if _, err := c.Write([]byte{b}); err != nil {
		return err
	}
	got := make([]byte, 1)
	if _, err := c.Read(got); err != nil {
		return err
	}
	if got[0] != b {
		return errors.New("the answer belongs to another connection")
	}
	return nil
}

func checkCloseUnblocksAccept(t *testing.T, f *fixture) {
	waiting := f.startAccept()
	waiting.waitBlocked(t, "Accept")
	require.NoError(t, f.Close())

	for _, r := range []connResult{
		waiting.wait(t, "Accept after Close"),
		f.startAccept().wait(t, "a new Accept after Close"),
	} {
		require.Nil(t, r.conn)
		requireClosed(t, r.err)
		requireNotTemporary(t, r.err)
	}
}

func checkListenerCloseTwice(t *testing.T, f *fixture) {
	var calls []*call[error]
	for range 20 {
		calls = append(calls, start(f.Close))
	}
	for _, c := range calls {
		if err := c.wait(t, "one of many Close calls"); err != nil {
			require.ErrorIs(t, err, net.ErrClosed, "Close after Close")
		}
	}
}

func checkCloseLeavesConns(t *testing.T, f *fixture) {
	client, server := f.pair(t)
	requireEcho(t, client, server)
	require.NoError(t, start(f.Close).wait(t, "Listener.Close with a live connection"))
	requireEcho(t, client, server)
	requireEcho(t, server, client)
}

func checkAddrAfterClose(t *testing.T, f *fixture) {
	before := f.Addr().String()
	_, _, err := net.SplitHostPort(before)
	require.NoError(t, err, "Addr is host:port")
	require.NoError(t, f.Close())
	require.NotNil(t, f.Addr(), "Addr after Close")
	require.Equal(t, before, f.Addr().String(), "Addr after Close")
}

func checkDialAfterClose(t *testing.T, f *fixture) {
	requireAccepts(t, f)
	require.NoError(t, f.Close())
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	d := f.startDial(ctx).wait(t, "dial of a closed listener")
	require.Error(t, d.err)
	require.Nil(t, d.conn, "no connection together with an error")
}

// requireAccepts checks that the listener accepts a connection that works, then closes both ends.
func requireAccepts(t testing.TB, f *fixture) {
	t.Helper()
	client, server := f.pair(t)
	requireEcho(t, client, server)
	drop(client)
	drop(server)
}

// checkCancelledDial cancels dials before, while and after they run. Each returns promptly, with the context's error or
// with a connection that was ready before; nothing stays behind, and the listener still accepts.
func checkCancelledDial(t *testing.T, f *fixture) {
	before := testkit.LiveGoroutines()

	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	d := f.startDial(cancelled).wait(t, "dial with a cancelled context")
	require.ErrorIs(t, d.err, context.Canceled)
	require.Nil(t, d.conn, "no connection together with an error")

	expired, cancel := context.WithDeadline(context.Background(), longAgo)
	defer cancel()
	d = f.startDial(expired).wait(t, "dial with an expired context")
	var ne net.Error
	require.ErrorAs(t, d.err, &ne)
	require.True(t, ne.Timeout(), "Timeout() of %v", d.err)

	for range 16 {
		ctx, cancel := context.WithCancel(context.Background())
		dialing := f.startDial(ctx)
		cancel()
		if d := dialing.wait(t, "dial that is cancelled"); d.err != nil {
			require.ErrorIs(t, d.err, context.Canceled)
			require.Nil(t, d.conn, "no connection together with an error")
		} else {
			drop(d.conn)
		}
	}
	testkit.RequireNoLeak(t, before)

	// The listener may hand out connections whose dialer gave up; the live one is served all the same.
	f.serve(t, func(c net.Conn) { _ = echoOneByte(c) })
	client := f.mustDial(t)
	exchange := start(func() error { return exchangeByte(client, 'x') })
	require.NoError(t, exchange.wait(t, "exchange after cancelled dials"))
}

func checkAddresses(t *testing.T, f *fixture) {
	client, server := f.pair(t)
	for _, c := range []net.Conn{client, server} {
		require.NotNil(t, c.LocalAddr())
		require.NotNil(t, c.RemoteAddr())
		for _, a := range []net.Addr{c.LocalAddr(), c.RemoteAddr()} {
			host, port, err := net.SplitHostPort(a.String())
			require.NoError(t, err, "address is host:port")
			require.NotEqual(t, "0", port)
			ip := net.ParseIP(host)
			require.NotNil(t, ip, "host of %s is an IP address", a)
			require.False(t, ip.IsUnspecified(), "%s is a concrete address", a)
			require.Equal(t, f.Addr().Network(), a.Network())
		}
	}
	require.Equal(t, client.RemoteAddr().String(), server.LocalAddr().String())
	require.Equal(t, client.LocalAddr().String(), server.RemoteAddr().String())
	_, port, err := net.SplitHostPort(server.LocalAddr().String())
	require.NoError(t, err)
	_, want, err := net.SplitHostPort(f.Addr().String())
	require.NoError(t, err)
	require.Equal(t, want, port, "an accepted connection has the listener's port")

	local, remote := client.LocalAddr().String(), client.RemoteAddr().String()
	require.NoError(t, start(client.Close).wait(t, "Close"))
	require.NotNil(t, client.LocalAddr(), "LocalAddr after Close")
	require.NotNil(t, client.RemoteAddr(), "RemoteAddr after Close")
	require.Equal(t, local, client.LocalAddr().String(), "LocalAddr after Close")
	require.Equal(t, remote, client.RemoteAddr().String(), "RemoteAddr after Close")
}

// checkServerSpeaksFirst is what SSH, SMTP and database servers need: Accept returns before the client sent data.
func checkServerSpeaksFirst(t *testing.T, f *fixture) {
	serving := start(func() error {
		c, err := f.Accept()
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err = c.Write([]byte("220 ready")); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 16))
		return err
	})
	client := f.mustDial(t)
	greeting := make([]byte, len("220 ready"))
	require.NoError(t, readFull(t, client, greeting))
	require.Equal(t, "220 ready", string(greeting))
	require.NoError(t, startWrite(client, []byte("QUIT")).wait(t, "Write").err)
	require.NoError(t, serving.wait(t, "server"))
}

func checkAcceptDeadline(t *testing.T, f *fixture) {
	l, ok := f.Listener.(interface{ SetDeadline(time.Time) error })
	if !ok {
		t.Skipf("%T has no SetDeadline", f.Listener)
	}
	waiting := f.startAccept()
	waiting.waitBlocked(t, "Accept")
	require.NoError(t, l.SetDeadline(longAgo))
	requireTimeout(t, waiting.wait(t, "Accept after its deadline was set into the past").err)
	requireTimeout(t, f.startAccept().wait(t, "Accept with a past deadline").err)

	require.NoError(t, l.SetDeadline(time.Now().Add(50*time.Millisecond)))
	requireTimeout(t, f.startAccept().wait(t, "Accept with a deadline").err)

	require.NoError(t, l.SetDeadline(noDeadline))
	requireAccepts(t, f)
}
