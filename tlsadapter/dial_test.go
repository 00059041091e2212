package tlsadapter_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/tlsadapter"
	"github.com/udtgo/udtgo/udt"
)

// connect dials with both configurations and returns the two ends.
func (w *world) connect(t *testing.T, client, server *tls.Config) (c, s *tls.Conn) {
	t.Helper()
	waiting := w.accept(server)
	conn, err := (&tlsadapter.Dialer{UDT: w.dialer(), Config: client}).Dial("udt", w.addr())
	require.NoError(t, err)
	got := <-waiting
	require.NoError(t, got.err)
	return conn.(*tls.Conn), got.conn
}

// watched notes whether reading has reached the end of the connection below TLS.
type watched struct {
	net.Conn
	ended atomic.Bool
}

func (c *watched) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		c.ended.Store(true)
	}
	return n, err
}

// Close sends the close_notify alert under a past write deadline and closes UDT
// at once, and yet the alert arrives after the data and before UDT's end.
func TestCloseNotifyArrives(t *testing.T) {
	for _, closer := range []string{"client", "server"} {
		t.Run(closer+" closes", func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				raw, err := w.dialer().Dial("udt", w.addr())
				require.NoError(t, err)
				peer, err := w.listener.Accept()
				require.NoError(t, err)
				client, server := &watched{Conn: raw}, &watched{Conn: peer}
				clientConfig, serverConfig := configs()
				clientConfig.ServerName = serverName
				src, dst, below := tls.Client(client, clientConfig), tls.Server(server, serverConfig), server
				if closer == "server" {
					src, dst, below = dst, src, client
				}
				sent := bytes.Repeat([]byte("0123456789"), 30_000)
				go func() {
					src.Write(sent)
					src.Close()
				}()
				got, err := io.ReadAll(dst)
				require.NoError(t, err)
				require.True(t, bytes.Equal(sent, got))
				require.False(t, below.ended.Load(), "the stream ended without the alert")
				require.NoError(t, dst.Close())
			})
		})
	}
}

// The package comment warns of this.
func TestStreamThatIsCutBetweenRecordsEndsWithEOF(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := configs()
		c, s := w.connect(t, client, server)
		_, err := c.Write([]byte("half of it"))
		require.NoError(t, err)
		require.NoError(t, tlsadapter.NetConn(c).Close())
		got, err := io.ReadAll(s)
		require.Equal(t, "half of it", string(got))
		require.NoError(t, err)
		s.Close()
	})
}

func TestALPN(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := configs("first", "second")
		client.NextProtos = []string{"second", "third"}
		c, s := w.connect(t, client, server)
		require.Equal(t, "second", c.ConnectionState().NegotiatedProtocol)
		require.Equal(t, "second", s.ConnectionState().NegotiatedProtocol)
		c.Close()
		s.Close()
	})
}

func TestNoCommonProtocolFailsTheDial(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := configs("first")
		client.NextProtos = []string{"third"}
		waiting := w.accept(server)
		_, err := (&tlsadapter.Dialer{UDT: w.dialer(), Config: client}).Dial("udt", w.addr())
		var alert *net.OpError // of crypto/tls: not that of a dial
		require.ErrorAs(t, err, &alert)
		require.Equal(t, "remote error", alert.Op)
		require.ErrorContains(t, err, "no application protocol")
		got := <-waiting
		require.Error(t, got.err)
		got.conn.Close()
	})
}

// The client refuses the certificate, says so to the server, and closes.
func TestWrongCertificateFailsTheDial(t *testing.T) {
	for name, spoil := range map[string]func(client *tls.Config){
		"unknown authority": func(c *tls.Config) { c.RootCAs = x509.NewCertPool() },
		"other name":        func(c *tls.Config) { c.ServerName = "other.invalid" },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, server := configs()
				spoil(client)
				waiting := w.accept(server)
				c, err := (&tlsadapter.Dialer{UDT: w.dialer(), Config: client}).Dial("udt", w.addr())
				require.Nil(t, c)
				var verification *tls.CertificateVerificationError
				require.ErrorAs(t, err, &verification)
				got := <-waiting
				if got.err == nil { // in TLS 1.3 the server is done before the client judges
					_, got.err = got.conn.Read(make([]byte, 1))
				}
				require.ErrorContains(t, got.err, "bad certificate")
				got.conn.Close()
			})
		})
	}
}

// Without a ServerName the certificate must be for the host that was dialed, here
// an IP address.
func TestServerNameIsThatOfTheAddress(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := configs()
		c, s := w.connect(t, client, server)
		require.Empty(t, client.ServerName, "the caller's configuration was changed")
		c.Close()
		s.Close()

		other := host(t, w.network, serverIP.Next()) // for which the certificate is not
		l, err := other.Listen(nil)
		require.NoError(t, err)
		w.listener = l
		waiting := w.accept(server)
		_, err = (&tlsadapter.Dialer{UDT: w.dialer(), Config: client}).Dial("udt", l.Addr().String())
		var name x509.HostnameError
		require.ErrorAs(t, err, &name)
		(<-waiting).conn.Close()
		require.NoError(t, other.Close())
	})
}

// A dial that is cancelled ends at that moment, in either handshake, and leaves
// neither connection nor goroutine.
func TestCancelledDialLeavesNothing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
	}{
		{"UDT handshake", delay},                // one of four legs
		{"before the hello arrives", 4 * delay}, // sent, not acknowledged
		{"TLS handshake", time.Minute},          // the server never answers
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, _ := configs()
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(tt.after, cancel)
				start := time.Now()
				c, err := (&tlsadapter.Dialer{UDT: w.dialer(), Config: client}).DialContext(ctx, "udt", w.addr())
				require.Nil(t, c)
				requireDialError(t, err)
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, tt.after, time.Since(start))
				require.NoError(t, w.listener.Close())
				require.NoError(t, w.client.Shutdown(t.Context()))
				require.Zero(t, w.client.Stats().Connections)
			})
		})
	}
}

// The TLS handshake has the time that UDT's handshake left of one limit.
func TestOneDeadlineForBothHandshakes(t *testing.T) {
	const limit = 5 * time.Second
	for name, dial := range map[string]func(d *tlsadapter.Dialer, addr string) (net.Conn, error){
		"Timeout": func(d *tlsadapter.Dialer, addr string) (net.Conn, error) {
			d.UDT.Timeout = limit
			return d.Dial("udt", addr)
		},
		"Deadline": func(d *tlsadapter.Dialer, addr string) (net.Conn, error) {
			d.UDT.Deadline, d.UDT.Timeout = time.Now().Add(limit), time.Hour
			return d.Dial("udt", addr)
		},
		"context": func(d *tlsadapter.Dialer, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			return d.DialContext(ctx, "udt", addr)
		},
	} {
		for _, reach := range []string{"UDT", "TLS"} {
			t.Run(name+" in the handshake of "+reach, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					client, _ := configs()
					dialer := w.dialer()
					dialer.Config = &udt.Config{HandshakeTimeout: -1}
					addr := w.addr()
					if reach == "UDT" {
						require.NoError(t, w.server.Close()) // and nothing answers
					}
					start := time.Now()
					_, err := dial(&tlsadapter.Dialer{UDT: dialer, Config: client}, addr)
					require.Equal(t, limit, time.Since(start))
					requireDialError(t, err)
					var timeout net.Error
					require.ErrorAs(t, err, &timeout)
					require.True(t, timeout.Timeout())
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				})
			})
		}
	}
}

// After the dial its context has no effect.
func TestContextEndsWithTheDial(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := configs()
		waiting := w.accept(server)
		ctx, cancel := context.WithCancel(t.Context())
		c, err := (&tlsadapter.Dialer{UDT: w.dialer(), Config: client}).DialContext(ctx, "udt", w.addr())
		require.NoError(t, err)
		cancel()
		s := (<-waiting).conn
		go s.Write([]byte("hello"))
		got := make([]byte, 5)
		_, err = io.ReadFull(c, got)
		require.NoError(t, err)
		c.Close()
		s.Close()
	})
}

func TestPeerThatClosesDuringTheHandshake(t *testing.T) {
	for name, tt := range map[string]struct {
		end   func(*udt.Conn) error
		cause error
	}{
		"close": {(*udt.Conn).Close, io.EOF},
		"abort": {(*udt.Conn).Abort, udt.ErrReset},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, _ := configs()
				go func() {
					if raw, err := w.listener.AcceptUDT(); err == nil {
						raw.Read(make([]byte, 1)) // the client now waits for the answer
						tt.end(raw)
					}
				}()
				_, err := (&tlsadapter.Dialer{UDT: w.dialer(), Config: client}).Dial("udt", w.addr())
				requireDialError(t, err)
				require.ErrorIs(t, err, tt.cause)
			})
		})
	}
}

func TestMessageModeIsRefused(t *testing.T) {
	client, server := configs()
	messages := &udt.Config{Mode: udt.ModeMessage}
	_, err := (&tlsadapter.Dialer{UDT: &udt.Dialer{Config: messages}, Config: client}).Dial("udt", "127.0.0.1:1")
	requireDialError(t, err)
	require.ErrorIs(t, err, udt.ErrMode)
	_, err = tlsadapter.Listen("udt", "127.0.0.1:0", server, messages)
	require.ErrorIs(t, err, udt.ErrMode)
}

// requireDialError requires the outermost error to be that of a dial.
func requireDialError(t *testing.T, err error) {
	t.Helper()
	op, ok := err.(*net.OpError)
	require.True(t, ok, "%T: %v", err, err)
	require.Equal(t, "dial", op.Op)
	require.Equal(t, "udp", op.Net)
	var inner *net.OpError
	require.False(t, errors.As(op.Err, &inner), "an OpError in an OpError: %v", err)
}
