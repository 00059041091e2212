package mux_test

import (
	"io"
	"net"
	"testing"

	"github.com/hashicorp/yamux"
	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux"
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
func TestYamuxPeers(t *testing.T) {
	for _, ours := range []string{"client", "server"} {
		t.Run(ours, func(t *testing.T) {
			c1, c2, stop, err := pipes.Stream(nil)()
			require.NoError(t, err)
			defer stop()
			config := yamux.DefaultConfig()
			config.LogOutput = io.Discard
			var session *mux.YamuxSession
			var peer *yamux.Session
			if ours == "client" {
				session, err = mux.YamuxClient(c1, nil)
				require.NoError(t, err)
				peer, err = yamux.Server(c2, config)
			} else {
				session, err = mux.YamuxServer(c1, nil)
				require.NoError(t, err)
				peer, err = yamux.Client(c2, config)
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
	type maker func(net.Conn, *mux.Config) (mux.Muxer, error)
	for name, pair := range map[string][2]maker{
		"mux": {
			func(c net.Conn, config *mux.Config) (mux.Muxer, error) { return mux.Client(c, config) },
			func(c net.Conn, config *mux.Config) (mux.Muxer, error) { return mux.Server(c, config) },
		},
		"yamux": {
			func(c net.Conn, config *mux.Config) (mux.Muxer, error) { return mux.YamuxClient(c, config) },
			func(c net.Conn, config *mux.Config) (mux.Muxer, error) { return mux.YamuxServer(c, config) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			c1, c2, stop, err := pipes.Stream(nil)()
			require.NoError(t, err)
			defer stop()
			client, err := pair[0](c1, nil)
			require.NoError(t, err)
			server, err := pair[1](c2, nil)
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
