package nettest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/hashicorp/yamux"
	"github.com/udtgo/udtgo/nettest/internal/require"
)

// muxRows run a stream multiplexer that was written for TCP.
var muxRows = []dropInRow{
	{"row13_yamux_session", rowYamux},
	{"row13_yamux_notices_that_the_peer_is_gone", rowYamuxPeerGone},
}

// yamuxPair returns both ends of a session, which end with the test.
func (f *fixture) yamuxPair(t testing.TB) (client, server *yamux.Session) {
	t.Helper()
	config := yamux.DefaultConfig()
	config.LogOutput = io.Discard
	c, s := f.pair(t)
	client, err := yamux.Client(c, config)
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	server, err = yamux.Server(s, config)
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	return client, server
}

// rowYamux echoes on many streams at once and pings in between.
func rowYamux(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.yamuxPair(t)
	const streams, size = 16, 200_000
	serving := start(func() error {
		var wg sync.WaitGroup
		defer wg.Wait()
		for range streams {
			s, err := server.Accept()
			if err != nil {
				return err
			}
			wg.Go(func() {
				_, _ = io.Copy(s, s)
				_ = s.Close()
			})
		}
		return nil
	})
	var calls []*call[error]
	for i := range streams {
		calls = append(calls, start(func() error {
			s, err := client.Open()
			if err != nil {
				return err
			}
			defer s.Close()
			return echoThrough(s, i, size)
		}))
	}
	ping := start(func() error {
		_, err := client.Ping()
		return err
	})
	require.NoError(t, ping.wait(t, "ping among streams"))
	for _, c := range calls {
		require.NoError(t, c.wait(t, "stream"))
	}
	require.NoError(t, serving.wait(t, "server"))
}

// echoThrough writes size bytes and reads them back at the same time.
func echoThrough(c net.Conn, off, size int) error {
	writing := start(func() error {
		_, err := c.Write(pattern(off, size))
		return err
	})
	got := make([]byte, size)
	_, err := io.ReadFull(c, got)
	if err != nil {
		return err
	}
	return errors.Join(checkPattern(got, off), <-writing.result)
}

func rowYamuxPeerGone(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.yamuxPair(t)
	opened, err := client.Open()
	require.NoError(t, err)
	accepted := start(func() connResult {
		c, err := server.Accept()
		return connResult{c, err}
	}).wait(t, "Accept of a stream")
	require.NoError(t, accepted.err)
	requireEcho(t, opened, accepted.conn)

	reading := startRead(opened, make([]byte, 1))
	reading.waitBlocked(t, "Read of a stream")
	require.NoError(t, start(server.Close).wait(t, "Close of the session"))
	require.Error(t, reading.wait(t, "Read of a stream when the peer's session ended").err)
	waitFor(t, client.CloseChan(), "end of the session after the peer's")
}
