package mux_test

import (
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux"
)

// Thousands of streams that both sides close at the same moment are no flood to
// either: what crosses on the way is expected.
func TestManyStreamsEndAtOnce(t *testing.T) {
	streams := 5000
	if raceEnabled {
		streams = 2000
	}
	overMessages(t, &mux.Config{MaxStreams: int64(streams), AcceptBacklog: streams}, func(t *testing.T, client, server *mux.Session) {
		for _, openers := range [][2]*mux.Session{{client, server}, {server, client}} {
			var held []*mux.Stream
			for range streams {
				a, b := pairOf(t, openers[0], openers[1])
				held = append(held, a, b)
			}
			var all sync.WaitGroup
			for _, st := range held {
				all.Go(func() { _ = st.Close() })
			}
			all.Wait()
			time.Sleep(time.Second)
			require.NoError(t, client.Err())
			require.NoError(t, server.Err())
			require.Zero(t, client.NumStreams()+server.NumStreams())
		}
	})
}

// A program that writes byte by byte over a path that loses is no flood.
func TestByteByByte(t *testing.T) {
	n := 20_000
	if raceEnabled {
		n = 5000
	}
	for _, c := range virtual {
		inBubble(t, c.make, nil, func(t *testing.T, client, server *mux.Session) {
			a, b := pairOf(t, client, server)
			wrote := make(chan error, 1)
			go func() {
				defer a.CloseWrite()
				for range n {
					if _, err := a.Write([]byte("x")); err != nil {
						wrote <- err
						return
					}
				}
				wrote <- nil
			}()
			got, err := io.Copy(io.Discard, b)
			require.NoError(t, err)
			require.EqualValues(t, n, got)
			require.NoError(t, <-wrote)
		})
	}
}
