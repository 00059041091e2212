package mux_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/mux/internal/frame"
	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// A connection that ends without CLOSE truncates no stream silently: only those that
// the peer had ended give io.EOF.
func TestConnectionEndsWithoutClose(t *testing.T) {
	for _, c := range carriers {
		if strings.Contains(c.name, "wrapped") {
			continue // as "messages"
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c1, c2, stop, err := c.make()
			require.NoError(t, err)
			defer stop()
			client, err := mux.Client(c1, nil)
			require.NoError(t, err)
			server, err := mux.Server(c2, nil)
			require.NoError(t, err)
			whole, far := pairOf(t, client, server)
			_, err = io.WriteString(far, "whole")
			require.NoError(t, err)
			require.NoError(t, far.CloseWrite())
			half, far := pairOf(t, client, server)
			_, err = io.WriteString(far, "half")
			require.NoError(t, err)
			_, err = client.Ping(t.Context())
			require.NoError(t, err)
			got := make([]byte, 4)
			_, err = io.ReadFull(half, got)
			require.NoError(t, err)
			_, err = io.ReadFull(whole, got)
			require.NoError(t, err)

			require.NoError(t, c2.Close())
			rest, err := io.ReadAll(whole)
			require.NoError(t, err)
			require.Equal(t, "e", string(rest))
			_, err = io.ReadAll(half)
			require.Error(t, err)
			<-client.Done()
			require.Error(t, client.Err())
			require.NotErrorIs(t, client.Err(), io.EOF)
			require.NoError(t, client.Close())
			require.NoError(t, server.Close())
		})
	}
}

// When a peer breaks the protocol, calls say so: nobody here closed anything.
func TestViolationIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c1, c2 := net.Pipe()
		session, err := mux.Client(c1, nil)
		require.NoError(t, err)
		go func() { _, _ = io.Copy(io.Discard, c2) }()
		st, err := session.OpenStream(t.Context())
		require.NoError(t, err)
		send := func(p []byte) {
			_, err := c2.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(p))), p...))
			require.NoError(t, err)
		}
		send(generous(false))
		send(frame.Append(nil, frame.Frame{Type: frame.Pong, Value: 99}))
		<-session.Done()
		_, err1 := st.Read(make([]byte, 1))
		_, err2 := st.Write(make([]byte, 1))
		_, err3 := session.OpenStream(t.Context())
		_, err4 := session.Accept()
		for _, err := range []error{err1, err2, err3, err4, session.Err()} {
			var e *mux.SessionError
			require.ErrorAs(t, err, &e)
			require.Equal(t, mux.CodeProtocolError, e.Code)
		}
		require.NoError(t, session.Close())
		c2.Close()
	})
}

// A server that serves a session ends with it, also when the peer has vanished.
// Errors that call themselves temporary would make it try again for ever.
func TestServingEndsWithTheSession(t *testing.T) {
	for _, mode := range []udt.Mode{udt.ModeMessage, udt.ModeStream} {
		for name, config := range map[string]*mux.Config{
			"session notices":    nil,
			"connection notices": {IdleTimeout: -1},
		} {
			t.Run(mode.String()+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var gone atomic.Bool
					filter := func([]byte, netip.AddrPort, netip.AddrPort) simnet.Verdict {
						if gone.Load() {
							return simnet.Drop
						}
						return simnet.Pass
					}
					pipe := pipes.Simnet(&udt.Config{Mode: mode}, simnet.Config{Filter: filter})
					_, server, stop, err := pipes.MuxSessions(pipe, config)
					require.NoError(t, err)
					defer stop()
					time.Sleep(time.Second)
					gone.Store(true)
					begin := time.Now()
					err = http.Serve(server, nil)
					require.ErrorIs(t, err, syscall.ETIMEDOUT)
					require.Less(t, time.Since(begin), 10*time.Minute)
				})
			})
		}
	}
}

// A Logger's handler may call every method of the session whose end it receives.
func TestLoggerMayUseTheSession(t *testing.T) {
	for name, end := range map[string]func(session, peer *mux.Session, under net.Conn) error{
		"we close":           func(session, _ *mux.Session, _ net.Conn) error { return session.CloseWithError(3, "enough") },
		"the peer closes":    func(_, peer *mux.Session, _ net.Conn) error { return peer.CloseWithError(3, "enough") },
		"the connection":     func(_, _ *mux.Session, under net.Conn) error { return under.Close() },
		"the peer is silent": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c1, c2 := net.Pipe()
				h := &usingHandler{ready: make(chan struct{}), logged: make(chan string, 1)}
				var err error
				h.session, err = mux.Client(c1, &mux.Config{Logger: slog.New(h), IdleTimeout: 10 * time.Second})
				require.NoError(t, err)
				if end == nil {
					go func() { _, _ = io.Copy(io.Discard, c2) }()
					h.stream, err = h.session.OpenStream(t.Context())
					require.NoError(t, err)
					close(h.ready)
				} else {
					peer, err := mux.Server(c2, nil)
					require.NoError(t, err)
					h.stream, _ = pairOf(t, h.session, peer)
					close(h.ready)
					require.NoError(t, end(h.session, peer, c1))
					defer peer.Close()
				}
				require.Equal(t, "mux session ended", <-h.logged)
				require.Error(t, h.session.Err())
				require.NoError(t, h.session.Close())
				c2.Close()
			})
		})
	}
}

// A usingHandler uses the session that it is told of.
type usingHandler struct {
	slog.Handler
	session *mux.Session
	stream  *mux.Stream
	ready   chan struct{} // closed when the fields above are set
	logged  chan string
}

func (h *usingHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *usingHandler) Handle(ctx context.Context, r slog.Record) error {
	<-h.ready
	_, err1 := h.session.OpenStream(ctx)
	_, err2 := h.session.AcceptStream(ctx)
	_, err3 := h.stream.Write([]byte("x"))
	if err1 == nil || err2 == nil || err3 == nil {
		r.Message = "the session has not ended"
	}
	if err := errors.Join(h.stream.Close(), h.session.Close()); err != nil {
		r.Message = err.Error()
	}
	h.logged <- r.Message
	return nil
}
