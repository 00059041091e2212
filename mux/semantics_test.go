package mux_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux"
)

// pairOf opens a stream from client to server.
func pairOf(t testing.TB, client, server *mux.Session) (opened, accepted *mux.Stream) {
	t.Helper()
	opened, err := client.OpenStream(t.Context())
	require.NoError(t, err)
	accepted, err = server.AcceptStream(t.Context())
	require.NoError(t, err)
	require.Equal(t, opened.ID(), accepted.ID())
	return opened, accepted
}

// writeFails writes until that fails, as it must soon.
func writeFails(t testing.TB, st *mux.Stream) error {
	t.Helper()
	require.NoError(t, st.SetWriteDeadline(time.Now().Add(20*time.Second)))
	for {
		if _, err := st.Write(make([]byte, 100)); err != nil {
			return err
		}
	}
}

func requireReset(t testing.TB, err error, code uint64, remote bool) {
	t.Helper()
	var e *mux.StreamError
	require.ErrorAs(t, err, &e)
	require.Equal(t, mux.StreamError{Code: code, Remote: remote}, *e)
}

// Half-close and reset mean the same over every carrier. near is the side that acts,
// far the other one.
var semantics = []struct {
	name string
	run  func(t *testing.T, near, far *mux.Stream)
}{
	{"CloseWrite: the peer reads all, then EOF, and may still write", func(t *testing.T, near, far *mux.Stream) {
		_, err := io.WriteString(near, "question")
		require.NoError(t, err)
		require.NoError(t, near.CloseWrite())
		got, err := io.ReadAll(far)
		require.NoError(t, err)
		require.Equal(t, "question", string(got))
		_, err = io.WriteString(far, "answer")
		require.NoError(t, err)
		require.NoError(t, far.Close())
		got, err = io.ReadAll(near)
		require.NoError(t, err)
		require.Equal(t, "answer", string(got))
		_, err = near.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
	}},
	{"CloseWrite twice is an error", func(t *testing.T, near, far *mux.Stream) {
		require.NoError(t, near.CloseWrite())
		require.ErrorIs(t, near.CloseWrite(), net.ErrClosed)
	}},
	{"CloseRead: the peer's writes fail, its reads go on", func(t *testing.T, near, far *mux.Stream) {
		require.NoError(t, near.CloseRead())
		_, err := near.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		err = writeFails(t, far)
		requireReset(t, err, 0, true)
		require.ErrorIs(t, err, syscall.EPIPE)
		_, err = io.WriteString(near, "still here")
		require.NoError(t, err)
		require.NoError(t, near.CloseWrite())
		got, err := io.ReadAll(far)
		require.NoError(t, err)
		require.Equal(t, "still here", string(got))
	}},
	{"Close: what was written arrives, the peer's writes fail", func(t *testing.T, near, far *mux.Stream) {
		_, err := io.WriteString(near, "last words")
		require.NoError(t, err)
		require.NoError(t, near.Close())
		got, err := io.ReadAll(far)
		require.NoError(t, err)
		require.Equal(t, "last words", string(got))
		requireReset(t, writeFails(t, far), 0, true)
		require.ErrorIs(t, near.Close(), net.ErrClosed)
		_, err = near.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = near.Write(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, near.SetDeadline(time.Time{}), net.ErrClosed)
	}},
	{"Reset: both directions fail with the code", func(t *testing.T, near, far *mux.Stream) {
		require.NoError(t, near.Reset(42))
		_, err := io.ReadAll(far)
		requireReset(t, err, 42, true)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		requireReset(t, writeFails(t, far), 42, true)
		_, err = near.Write([]byte("x"))
		requireReset(t, err, 42, false)
		_, err = near.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
	}},
	{"a Read that waits ends with the peer's Reset", func(t *testing.T, near, far *mux.Stream) {
		result := make(chan error, 1)
		go func() {
			_, err := far.Read(make([]byte, 1))
			result <- err
		}()
		require.NoError(t, near.Reset(7))
		requireReset(t, <-result, 7, true)
	}},
	{"a Write that waits ends with the peer's Close", func(t *testing.T, near, far *mux.Stream) {
		result := make(chan error, 1)
		go func() {
			_, err := far.Write(make([]byte, 64<<20))
			result <- err
		}()
		_, err := io.ReadFull(near, make([]byte, 1000))
		require.NoError(t, err)
		require.NoError(t, near.Close())
		requireReset(t, <-result, 0, true)
	}},
	{"calls that wait end with our own Close", func(t *testing.T, near, far *mux.Stream) {
		results := make(chan error, 2)
		go func() {
			_, err := near.Read(make([]byte, 1))
			results <- err
		}()
		go func() {
			_, err := near.Write(make([]byte, 64<<20))
			results <- err
		}()
		_, err := io.ReadFull(far, make([]byte, 1000))
		require.NoError(t, err)
		require.NoError(t, near.Close())
		require.ErrorIs(t, <-results, net.ErrClosed)
		require.ErrorIs(t, <-results, net.ErrClosed)
	}},
	{"CloseWrite ends a Write that waits; what that counted arrives", func(t *testing.T, near, far *mux.Stream) {
		type result struct {
			n   int
			err error
		}
		done := make(chan result, 1)
		go func() {
			n, err := near.Write(make([]byte, 64<<20))
			done <- result{n, err}
		}()
		_, err := io.ReadFull(far, make([]byte, 1000))
		require.NoError(t, err)
		require.NoError(t, near.CloseWrite())
		r := <-done
		require.ErrorIs(t, r.err, net.ErrClosed)
		got, err := io.Copy(io.Discard, far)
		require.NoError(t, err)
		require.EqualValues(t, r.n, got+1000)
	}},
	{"deadlines leave the stream usable", func(t *testing.T, near, far *mux.Stream) {
		require.NoError(t, near.SetDeadline(time.Unix(1, 0)))
		_, err := near.Read(make([]byte, 1))
		var ne net.Error
		require.ErrorAs(t, err, &ne)
		require.True(t, ne.Timeout())
		_, err = near.Write(make([]byte, 1))
		require.ErrorAs(t, err, &ne)
		require.True(t, ne.Timeout())
		require.NoError(t, near.SetDeadline(time.Time{}))
		_, err = io.WriteString(near, "x")
		require.NoError(t, err)
		_, err = io.ReadFull(far, make([]byte, 1))
		require.NoError(t, err)
	}},
	{"the session's Close is no end of the stream", func(t *testing.T, near, far *mux.Stream) {
		_, err := io.WriteString(near, "half a sentence")
		require.NoError(t, err)
		require.NoError(t, near.Session().CloseWithError(9, "shutting down"))
		got, err := io.ReadAll(far)
		var e *mux.SessionError
		require.ErrorAs(t, err, &e)
		require.Equal(t, mux.SessionError{Code: 9, Reason: "shutting down", Remote: true}, *e)
		require.Equal(t, "half a sentence", string(got), "what arrived before is not lost")
		_, err = far.Write([]byte("x"))
		require.ErrorAs(t, err, &e)
		<-far.Session().Done()
		require.ErrorAs(t, far.Session().Err(), &e)
	}},
	{"a stream that was closed before the session's Close is whole", func(t *testing.T, near, far *mux.Stream) {
		want := strings.Repeat("sentence ", 20_000)
		_, err := io.WriteString(near, want)
		require.NoError(t, err)
		require.NoError(t, near.Close())
		require.NoError(t, near.Session().Close())
		got, err := io.ReadAll(far)
		require.NoError(t, err)
		require.Equal(t, len(want), len(got))
	}},
}

func TestSemantics(t *testing.T) {
	for _, c := range carriers {
		for _, row := range semantics {
			t.Run(c.name+"/"+row.name, func(t *testing.T) {
				t.Parallel() // those over lossy paths mostly wait
				client, server := sessions(t, c.make, nil)
				opened, accepted := pairOf(t, client, server)
				row.run(t, opened, accepted)
			})
			t.Run(c.name+"/accepted/"+row.name, func(t *testing.T) {
				t.Parallel()
				client, server := sessions(t, c.make, nil)
				opened, accepted := pairOf(t, client, server)
				row.run(t, accepted, opened)
			})
		}
	}
}

// A server may speak first, and a unidirectional stream has one direction.
func TestOpening(t *testing.T) {
	for _, c := range carriers {
		t.Run(c.name, func(t *testing.T) {
			client, server := sessions(t, c.make, nil)
			opened, accepted := pairOf(t, client, server)
			_, err := io.WriteString(accepted, "hello")
			require.NoError(t, err)
			_, err = io.ReadFull(opened, make([]byte, 5))
			require.NoError(t, err)

			up, err := server.OpenUniStream(t.Context())
			require.NoError(t, err)
			require.True(t, up.IsWriteOnly())
			_, err = up.Read(make([]byte, 1))
			require.ErrorIs(t, err, net.ErrClosed)
			_, err = io.WriteString(up, "one way")
			require.NoError(t, err)
			require.NoError(t, up.Close())
			down, err := client.AcceptStream(t.Context())
			require.NoError(t, err)
			require.True(t, down.IsReadOnly())
			_, err = down.Write([]byte("x"))
			require.ErrorIs(t, err, net.ErrClosed)
			got, err := io.ReadAll(down)
			require.NoError(t, err)
			require.Equal(t, "one way", string(got))
		})
	}
}

// Both sides only write, more than fits anywhere: neither hangs for ever, and when
// they read it is all there.
func TestBothOnlyWrite(t *testing.T) {
	for _, c := range carriers {
		if strings.Contains(c.name, "loss") {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			client, server := sessions(t, c.make, nil)
			a, b := pairOf(t, client, server)
			const size = 2 << 20
			write := func(st *mux.Stream) chan error {
				done := make(chan error, 1)
				go func() {
					_, err := st.Write(make([]byte, size))
					done <- errors.Join(err, st.CloseWrite())
				}()
				return done
			}
			w1, w2 := write(a), write(b)
			// A third stream gets through meanwhile.
			c, d := pairOf(t, client, server)
			_, err := io.WriteString(c, "urgent")
			require.NoError(t, err)
			_, err = io.ReadFull(d, make([]byte, 6))
			require.NoError(t, err)
			for _, st := range []*mux.Stream{a, b} {
				n, err := io.Copy(io.Discard, st)
				require.NoError(t, err)
				require.EqualValues(t, size, n)
			}
			require.NoError(t, <-w1)
			require.NoError(t, <-w2)
		})
	}
}

// A lost connection is an error of every call, not an end.
func TestLostConnection(t *testing.T) {
	for _, c := range carriers {
		t.Run(c.name, func(t *testing.T) {
			c1, c2, stop, err := c.make()
			require.NoError(t, err)
			defer stop()
			client, err := mux.Client(c1, nil)
			require.NoError(t, err)
			server, err := mux.Server(c2, nil)
			require.NoError(t, err)
			a, _ := pairOf(t, client, server)
			stop() // aborts UDT connections, closes others
			_, err = io.ReadAll(a)
			require.Error(t, err)
			_, err = client.OpenStream(context.Background())
			require.Error(t, err)
			_, err = client.Accept()
			require.Error(t, err)
			_, err = client.Ping(context.Background())
			require.Error(t, err)
			<-client.Done()
			require.Error(t, client.Err())
			require.NoError(t, client.Close())
			require.NoError(t, server.Close())
		})
	}
}
