package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/nettest/testkit"
)

// patience guards against hangs and measures nothing.
const patience = 30 * time.Second

func TestMain(m *testing.M) { os.Exit(testkit.MainWithLeakCheck(m)) }

// What a newcomer runs first: two clients of one server, whose answers are checked.
func TestDemonstration(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, demonstrate(t.Context(), &out))
	for _, name := range []string{"first client", "second client"} {
		require.Contains(t, out.String(), name+": the server is SERVING\n")
		require.Contains(t, out.String(), name+": 8 calls at once brought 1000000 bytes each")
		require.Contains(t, out.String(), name+": a call without end was cancelled\n")
	}
}

// A call that its caller cancels ends at the server as well, and its stream ends with
// the ClientConn: nothing is left at either side, and the session goes on.
func TestCancelledCallLeavesNothing(t *testing.T) {
	s, calls := testServer(t)
	c := testClient(t, s)
	conn, err := c.conn()
	require.NoError(t, err)
	defer conn.Close()
	ctx, cancel := context.WithCancel(t.Context())
	call, err := read(ctx, conn, forever)
	require.NoError(t, err)
	_, err = call.Recv()
	require.NoError(t, err)
	cancel()
	require.Equal(t, codes.Canceled, status.Code(receive(t, calls)))
	for err == nil { // what has arrived already may come first
		_, err = call.Recv()
	}
	require.Equal(t, codes.Canceled, status.Code(err))
	require.Equal(t, 1, c.session.NumStreams())

	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool { return c.session.NumStreams() == 0 }, patience, time.Millisecond)
	require.NoError(t, c.readAll(t.Context(), 100_000))
	require.NoError(t, c.session.Err())
}

// A client that goes in the middle of a call ends it.
func TestClosedSessionEndsCalls(t *testing.T) {
	s, calls := testServer(t)
	c := testClient(t, s)
	conn, err := c.conn()
	require.NoError(t, err)
	defer conn.Close()
	call, err := read(t.Context(), conn, forever)
	require.NoError(t, err)
	_, err = call.Recv()
	require.NoError(t, err)
	c.close()
	for err == nil {
		_, err = call.Recv()
	}
	require.NotErrorIs(t, err, io.EOF, "the call is not complete")
	require.Error(t, receive(t, calls))
}

// A call under way when the server stops is answered to its end.
func TestStopWaitsForCalls(t *testing.T) {
	s, calls := testServer(t)
	c := testClient(t, s)
	conn, err := c.conn()
	require.NoError(t, err)
	defer conn.Close()
	const size = 20_000_000 // more than the windows between them hold
	call, err := read(t.Context(), conn, size)
	require.NoError(t, err)
	block, err := call.Recv()
	require.NoError(t, err)
	got := len(block.GetValue())

	stopped := make(chan error, 1)
	go func() { stopped <- s.stop(t.Context()) }()
	require.Eventually(t, func() bool { // the stop has begun
		stream, err := c.session.OpenStream(t.Context())
		if err == nil {
			_ = stream.Close()
		}
		return errors.Is(err, mux.ErrGoAway)
	}, patience, time.Millisecond)
	for {
		block, err := call.Recv()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		got += len(block.GetValue())
	}
	require.Equal(t, size, got)
	require.NoError(t, receive(t, calls))
	require.NoError(t, receive(t, stopped))
}

// testServer starts a server that reports how its streaming calls ended.
func testServer(t *testing.T) (*server, <-chan error) {
	t.Helper()
	calls := make(chan error, 100)
	s, err := newServer("127.0.0.1:0", grpc.StreamInterceptor(
		func(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			err := handler(service, stream)
			calls <- err
			return err
		}))
	require.NoError(t, err)
	t.Cleanup(func() {
		select {
		case <-s.drained: // the test has stopped it
		default:
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			require.NoError(t, s.stop(ctx))
		}
	})
	return s, calls
}

func testClient(t *testing.T, s *server) *client {
	t.Helper()
	c, err := dial(t.Context(), s.udt.Addr().String())
	require.NoError(t, err)
	t.Cleanup(c.close)
	return c
}

func receive(t *testing.T, from <-chan error) error {
	t.Helper()
	select {
	case err := <-from:
		return err
	case <-time.After(patience):
		t.Fatal("nothing happens")
		return nil
	}
}
