package yamux_test

import (
	"io"
	"net"
	"testing"

	hashicorp "github.com/hashicorp/yamux"
	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/mux/yamux"
	"github.com/udtgo/udtgo/nettest/pipes"
)

// exchange sends a question and its echo over a stream that opens and accept makes.
func exchange(t *testing.T, open, accept func() (net.Conn, error)) {
	t.Helper()
	a, err := open()
	require.NoError(t, err)
	defer a.Close()
	_, err = io.WriteString(a, "question")
	require.NoError(t, err)
	b, err := accept()
	require.NoError(t, err)
	defer b.Close()
	buf := make([]byte, 8)
	_, err = io.ReadFull(b, buf)
	require.NoError(t, err)
	_, err = b.Write(buf)
	require.NoError(t, err)
	_, err = io.ReadFull(a, buf)
	require.NoError(t, err)
	require.Equal(t, "question", string(buf))
}

// Sessions speak yamux with hashicorp/yamux in both roles.
func TestPeers(t *testing.T) {
	for _, ours := range []string{"client", "server"} {
		t.Run(ours, func(t *testing.T) {
			c1, c2, stop, err := pipes.Stream(nil)()
			require.NoError(t, err)
			defer stop()
			config := hashicorp.DefaultConfig()
			config.LogOutput = io.Discard
			var session *yamux.Session
			var peer *hashicorp.Session
			if ours == "client" {
				session, err = yamux.Client(c1, nil)
				require.NoError(t, err)
				peer, err = hashicorp.Server(c2, config)
			} else {
				session, err = yamux.Server(c1, nil)
				require.NoError(t, err)
				peer, err = hashicorp.Client(c2, config)
			}
			require.NoError(t, err)
			defer peer.Close()
			exchange(t, session.Open, peer.Accept)
			exchange(t, peer.Open, session.Accept)
			_, err = session.Ping(t.Context())
			require.NoError(t, err)

			st, err := session.OpenStream(t.Context())
			require.NoError(t, err)
			require.NoError(t, st.CloseWrite())
			other, err := peer.AcceptStream()
			require.NoError(t, err)
			_, err = other.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
			_, err = other.Write([]byte("x"))
			require.NoError(t, err)
			_, err = io.ReadFull(st, make([]byte, 1))
			require.NoError(t, err, "CloseWrite leaves reading open")

			require.NoError(t, session.Close())
			<-session.Done()
			_, err = session.Accept()
			require.ErrorIs(t, err, net.ErrClosed)
		})
	}
}

// A program that uses a Muxer runs over either protocol.
func TestMuxers(t *testing.T) {
	type maker func(net.Conn) (mux.Muxer, error)
	for name, pair := range map[string][2]maker{
		"mux": {
			func(c net.Conn) (mux.Muxer, error) { return mux.Client(c, nil) },
			func(c net.Conn) (mux.Muxer, error) { return mux.Server(c, nil) },
		},
		"yamux": {
			func(c net.Conn) (mux.Muxer, error) { return yamux.Client(c, nil) },
			func(c net.Conn) (mux.Muxer, error) { return yamux.Server(c, nil) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			c1, c2, stop, err := pipes.Stream(nil)()
			require.NoError(t, err)
			defer stop()
			client, err := pair[0](c1)
			require.NoError(t, err)
			server, err := pair[1](c2)
			require.NoError(t, err)
			exchange(t, client.Open, server.Accept)
			exchange(t, server.Open, client.Accept)
			_, err = client.Ping(t.Context())
			require.NoError(t, err)
			require.NoError(t, client.Close())
			require.NoError(t, server.Close())
		})
	}
}

// A nil Config leaves nothing to be printed; an invalid one is the caller's error and
// leaves the connection alone.
func TestConfig(t *testing.T) {
	c1, c2 := net.Pipe()
	defer c1.Close()
	defer c2.Close()
	for _, f := range []func(net.Conn, *hashicorp.Config) (*yamux.Session, error){yamux.Client, yamux.Server} {
		config := hashicorp.DefaultConfig()
		config.AcceptBacklog = 0
		session, err := f(c1, config)
		require.Error(t, err)
		require.Nil(t, session)
	}
	go c2.Write([]byte("x"))
	_, err := io.ReadFull(c1, make([]byte, 1))
	require.NoError(t, err)
}

// Accept of a session that has ended is not to be called again: its error does not
// call itself temporary.
func TestServingEndsWithTheSession(t *testing.T) {
	c1, c2 := net.Pipe()
	session, err := yamux.Server(broken{c1}, nil)
	require.NoError(t, err)
	go io.Copy(io.Discard, c2)
	_, err = session.Accept()
	require.ErrorIs(t, err, errBroken)
	var e interface{ Temporary() bool } // as servers look for it
	require.ErrorAs(t, err, &e)
	require.False(t, e.Temporary())
	require.NoError(t, session.Close())
	c2.Close()
}

// broken is a connection whose Read fails with an error that calls itself temporary.
type broken struct{ net.Conn }

func (broken) Read([]byte) (int, error) { return 0, errBroken }

var errBroken error = temporaryError{}

type temporaryError struct{}

func (temporaryError) Error() string   { return "broken" }
func (temporaryError) Timeout() bool   { return true }
func (temporaryError) Temporary() bool { return true }
