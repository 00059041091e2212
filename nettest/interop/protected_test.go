package interop_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/interop"
	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/udt"
)

var prefer = flag.Bool("interop.prefer", false, "prefer protected mode in all tests, which the reference library does not have")

// secured returns config with protected mode.
func secured(config *udt.Config, policy udt.SecurityPolicy) *udt.Config {
	if config == nil {
		config = &udt.Config{}
	}
	config = config.Clone()
	config.Security = &udt.Security{
		Policy: policy,
		PSKs:   []udt.PreSharedKey{{Identity: "interop", Key: bytes.Repeat([]byte{7}, 32)}},
	}
	return config
}

// preferring returns config, patient, which prefers protected mode if the tests are to.
func preferring(config *udt.Config) *udt.Config {
	config = pipes.Patient(config)
	if !*prefer || config.Security != nil {
		return config
	}
	return secured(config, udt.SecurityPrefer)
}

// Who prefers protected mode speaks with the reference library as it does without,
// whoever begins.
func TestPreferFallsBack(t *testing.T) {
	for _, r := range []role{dialing, listening, rendezvous} {
		t.Run(string(r), func(t *testing.T) {
			config := *secured(nil, udt.SecurityPrefer)
			for _, transfer := range transfers {
				t.Run(transfer.name, func(t *testing.T) { transfer.run(t, scene{role: r, config: config}, 1_000_000) })
			}
			conn, ref := scene{role: r, config: config, command: "echo"}.start(t)
			_, protected := conn.ConnectionState()
			require.False(t, protected)
			_, err := io.CopyN(conn, interop.Pattern(1), 100_000)
			require.NoError(t, err)
			sum, err := interop.SumOf(io.LimitReader(conn, 100_000))
			require.NoError(t, err)
			require.Equal(t, interop.PatternSum(1, 100_000), sum)
			require.NoError(t, conn.Close())
			ref.Done()
		})
	}
}

// Who requires it refuses the reference library in a way that it understands, and is
// not stopped by it.
func TestRequireRefusesTheReference(t *testing.T) {
	const rejected = 1002
	driver := interop.Build(t, *required)

	t.Run("dialing us", func(t *testing.T) {
		l := listen(t, loopback, secured(nil, udt.SecurityRequire))
		ref := driver.Start(t, opts("connect -port %d", portOf(l.Addr()))...)
		require.EqualValues(t, rejected, ref.Expect("ERROR").Int(0))
		conn := dial(t, l.Addr().String(), secured(nil, udt.SecurityRequire))
		defer conn.Abort()
		_, err := l.AcceptUDT()
		require.NoError(t, err)
	})
	t.Run("dialed by us", func(t *testing.T) {
		addr := driver.Start(t, opts("park")...).Addr()
		pc, err := net.ListenPacket("udp4", loopback+":0")
		require.NoError(t, err)
		recorder := &recordingConn{UDPConn: pc.(*net.UDPConn)}
		e, err := udt.NewEndpoint(wrapped{recorder}, nil)
		require.NoError(t, err)
		defer e.Close()
		_, err = e.DialContext(context.Background(), "udt", addr, secured(nil, udt.SecurityRequire))
		require.ErrorIs(t, err, udt.ErrPeerNotSecure)
		require.ErrorIs(t, err, udt.ErrRefused)
		requests := recorder.requests()
		require.NotEmpty(t, requests)
		for _, r := range requests { // it is repeated until it is answered
			require.EqualValues(t, 1, r, "only the request for a cookie")
		}

		conn, err := udt.Dial("udt", addr, pipes.Patient(nil)) // it takes whom it understands
		require.NoError(t, err)
		conn.Abort()
	})
	t.Run("in rendezvous", func(t *testing.T) {
		pc, err := net.ListenPacket("udp4", loopback+":0")
		require.NoError(t, err)
		e, err := udt.NewEndpoint(pc, nil)
		require.NoError(t, err)
		defer e.Close()
		ref := driver.Start(t, opts("echo -role rendezvous -port %d", portOf(pc.LocalAddr()))...)
		d := &udt.Dialer{Endpoint: e, Rendezvous: true, Config: secured(nil, udt.SecurityRequire)}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_, err = d.DialUDT(ctx, "udt", netip.AddrPort{}, netip.AddrPortFrom(netip.MustParseAddr(loopback), uint16(ref.Port())))
		require.ErrorIs(t, err, udt.ErrPeerNotSecure)
	})
}

// A recordingConn records what is sent.
type recordingConn struct {
	*net.UDPConn

	mu   sync.Mutex
	sent [][]byte // guarded by mu
}

// requests returns the request field of the handshakes that were sent, and 0 for
// what was no handshake.
func (c *recordingConn) requests() (all []int32) {
	const handshake = 1 << 31 // control packet of type 0
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.sent {
		request := int32(0)
		if len(b) >= 40 && binary.BigEndian.Uint32(b) == handshake {
			request = int32(binary.BigEndian.Uint32(b[36:]))
		}
		all = append(all, request)
	}
	return all
}

// wrapped hides what else a UDPConn can do.
type wrapped struct{ c *recordingConn }

func (w wrapped) ReadFrom(b []byte) (int, net.Addr, error) { return w.c.UDPConn.ReadFrom(b) }
func (w wrapped) WriteTo(b []byte, a net.Addr) (int, error) {
	w.c.mu.Lock()
	w.c.sent = append(w.c.sent, bytes.Clone(b))
	w.c.mu.Unlock()
	return w.c.UDPConn.WriteTo(b, a)
}
func (w wrapped) Close() error                       { return w.c.UDPConn.Close() }
func (w wrapped) LocalAddr() net.Addr                { return w.c.UDPConn.LocalAddr() }
func (w wrapped) SetDeadline(t time.Time) error      { return w.c.UDPConn.SetDeadline(t) }
func (w wrapped) SetReadDeadline(t time.Time) error  { return w.c.UDPConn.SetReadDeadline(t) }
func (w wrapped) SetWriteDeadline(t time.Time) error { return w.c.UDPConn.SetWriteDeadline(t) }
