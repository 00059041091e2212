package tlsadapter_test

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/tlsadapter"
	"github.com/udtgo/udtgo/udt"
)

func TestListenNeedsACertificate(t *testing.T) {
	for _, config := range []*tls.Config{nil, {}} {
		_, err := tlsadapter.Listen("udt", "127.0.0.1:0", config, nil)
		require.ErrorContains(t, err, "Certificates")
		require.IsType(t, &net.OpError{}, err)
	}
}

// On real sockets, with Dial and Listen.
func TestListenAndDial(t *testing.T) {
	client, server := configs()
	l, err := tlsadapter.Listen("udt", "127.0.0.1:0", server, nil)
	require.NoError(t, err)
	defer l.Close()
	echoed := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			echoed <- err
			return
		}
		buf := make([]byte, 5)
		if _, err = c.Read(buf); err == nil {
			_, err = c.Write(buf)
		}
		c.Close()
		echoed <- err
	}()
	c, err := tlsadapter.Dial("udt", l.Addr().String(), client)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("hello"))
	require.NoError(t, err)
	got := make([]byte, 5)
	_, err = c.Read(got)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
	require.NoError(t, <-echoed)
}

func TestRefusedDial(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	addr := pc.LocalAddr().String()
	require.NoError(t, pc.Close())
	c, err := tlsadapter.Dial("udt", addr, nil)
	require.Nil(t, c)
	requireDialError(t, err)
	require.ErrorIs(t, err, udt.ErrRefused)
}

// unwrapping is a wrapper that says what it wraps, as *tls.Conn does.
type unwrapping struct{ net.Conn }

func (c unwrapping) NetConn() net.Conn { return c.Conn }

// hiding is a wrapper that does not.
type hiding struct{ net.Conn }

func TestNetConnFindsTheConnectionUnderWrappers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		go w.listener.AcceptUDT()
		conn, err := w.dialer().Dial("udt", w.addr())
		require.NoError(t, err)
		want := conn.(*udt.Conn)
		config := &tls.Config{}
		for _, under := range []net.Conn{
			want, unwrapping{want}, unwrapping{unwrapping{want}}, tls.Client(want, config), unwrapping{tls.Client(want, config)},
		} {
			require.Same(t, want, tlsadapter.NetConn(tls.Client(under, config)))
		}
		for _, under := range []net.Conn{hiding{want}, unwrapping{nil}, &net.TCPConn{}} {
			require.Nil(t, tlsadapter.NetConn(tls.Client(under, config)))
		}
		require.Nil(t, tlsadapter.NetConn(nil))
		want.Abort()
	})
}
