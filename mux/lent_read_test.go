package mux_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux"
)

// lendReader exchanges so often on one stream that its Reads read the carrier
// themselves, and returns both ends of it and of another stream.
func lendReader(t *testing.T, client, server *mux.Session) (a, b, otherA, otherB net.Conn) {
	t.Helper()
	open := func() (net.Conn, net.Conn) {
		c, err := client.Open()
		require.NoError(t, err)
		s, err := server.Accept()
		require.NoError(t, err)
		return c, s
	}
	otherA, otherB = open()
	a, b = open()
	go echo(b)
	one := make([]byte, 1)
	for range 20 {
		_, err := a.Write(one)
		require.NoError(t, err)
		_, err = io.ReadFull(a, one)
		require.NoError(t, err)
	}
	return a, b, otherA, otherB
}

// A Read that reads the carrier for all obeys its deadline, Close, CloseRead, and the
// end of the session like any other, and leaves nobody without a reader.
func TestReadThatReadsTheCarrier(t *testing.T) {
	for _, c := range virtual {
		for name, end := range map[string]func(st *mux.Stream, s *mux.Session) error{
			"deadline":     func(st *mux.Stream, _ *mux.Session) error { return st.SetReadDeadline(time.Now()) },
			"Close":        func(st *mux.Stream, _ *mux.Session) error { return st.Close() },
			"CloseRead":    func(st *mux.Stream, _ *mux.Session) error { return st.CloseRead() },
			"Reset":        func(st *mux.Stream, _ *mux.Session) error { return st.Reset(1) },
			"session ends": func(_ *mux.Stream, s *mux.Session) error { return s.Close() },
		} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := sessions(t, c.make, nil)
					a, _, otherA, otherB := lendReader(t, client, server)
					read := make(chan error, 1)
					go func() {
						_, err := a.Read(make([]byte, 10))
						read <- err
					}()
					time.Sleep(time.Second)
					require.Empty(t, read)
					start := time.Now()
					ended := make(chan error, 1)
					go func() { ended <- end(a.(*mux.Stream), client) }()
					err := <-read
					require.Zero(t, time.Since(start))
					require.NoError(t, <-ended)
					if name == "deadline" {
						require.ErrorIs(t, err, os.ErrDeadlineExceeded)
					} else {
						require.Error(t, err)
						require.False(t, errors.Is(err, os.ErrDeadlineExceeded))
					}
					if name == "session ends" {
						return
					}
					// The other stream is read, by its own Read or for it.
					_, err = otherB.Write([]byte("x"))
					require.NoError(t, err)
					_, err = io.ReadFull(otherA, make([]byte, 1))
					require.NoError(t, err)
					_, err = client.Ping(t.Context())
					require.NoError(t, err)
				})
			})
		}
	}
}

// While a Read reads the carrier, what arrives for other streams reaches them.
func TestReadThatReadsTheCarrierServesOthers(t *testing.T) {
	for _, c := range virtual {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := sessions(t, c.make, nil)
				a, b, otherA, otherB := lendReader(t, client, server)
				go a.Read(make([]byte, 10)) // nothing will come
				time.Sleep(time.Second)
				for range 10 {
					go func() { otherB.Write([]byte("x")) }()
					_, err := io.ReadFull(otherA, make([]byte, 1))
					require.NoError(t, err)
					_, err = client.Ping(t.Context())
					require.NoError(t, err)
				}
				b.Close()
			})
		})
	}
}
