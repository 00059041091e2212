package udt

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"syscall"

	"github.com/udtgo/udtgo/udt/internal/udpio"
)

// An EndpointConfig configures an Endpoint: what all connections of one UDP port
// share. What each connection has for itself is in Config. An EndpointConfig must not
// be modified after it was passed to a function of this package; it may be reused,
// except as ResetKey says.
//
// The zero value of every field selects the documented default. A value out of the
// documented range is an error of the call that is given the EndpointConfig. It says
// which field and what range, and Is ErrConfig.
type EndpointConfig struct {
	// UDPSendBuffer and UDPRecvBuffer are the sizes in bytes that the system is asked
	// for, from 1 KiB to 1 GiB. The defaults are 2 MiB and 8 MiB. The system may grant
	// less: see EndpointStats. They have no effect on a net.PacketConn that is not a
	// *net.UDPConn.
	UDPSendBuffer, UDPRecvBuffer int

	// MemoryLimit is how many bytes the buffers of all connections together may grow
	// by beyond their initial sizes. The default is 1 GiB; negative means no limit.
	MemoryLimit int64

	// ReceiveMemory is how many bytes all connections together may hold for their
	// applications to read. From 80 % of it on, connections advertise the smallest
	// window. From 95 % on, a connection that has something to read takes nothing
	// more, and nothing out of order. The default is 1 GiB; negative means no limit.
	ReceiveMemory int64

	// DisableOffload turns off segmentation offload and receive offload (GSO and GRO).
	DisableOffload bool

	// ResetKey, if not nil, lets an endpoint that was started again, on the same port,
	// tell the peers of its former protected connections at once that these are over:
	// their calls return ErrReset. It is at least 16 unpredictable bytes, kept secret
	// and kept over restarts. Each endpoint needs its own: an attacker could make one
	// with the same key and port number, on another machine, end the connections of
	// this one.
	ResetKey []byte

	// OnForeignPacket, if not nil, is called for datagrams that are not UDT's, such as
	// those of STUN. The goroutine that reads the socket calls it: it must not block,
	// and must not keep b. An answer that Endpoint.WriteTo sends belongs in another
	// goroutine. Nil drops such datagrams.
	OnForeignPacket func(b []byte, from netip.AddrPort)

	// Logger receives the events of the port and of its connections. Connections that
	// are made are at level Debug. At level Info are that the peer of a protected
	// connection has moved, and that a peer has no protected mode where that was
	// preferred. At level Warn is what should not happen among honest peers. Of each
	// kind of event at levels Info and Warn there are at most ten a second. A goroutine
	// that holds no lock calls the handler, which may block, and may use the connection;
	// it may be called for a moment after Shutdown has returned.
	// Nil means no logging.
	Logger *slog.Logger
}

// Defaults of EndpointConfig.
const (
	defaultUDPSendBuffer = 2 << 20
	defaultUDPRecvBuffer = 8 << 20
	defaultMemoryLimit   = 1 << 30
	defaultReceiveMemory = 1 << 30
	minUDPBuffer         = 1 << 10
)

// check reports what is out of range.
func (c *EndpointConfig) check() error {
	if c == nil {
		return nil
	}
	for _, err := range []error{
		within("UDPSendBuffer", c.UDPSendBuffer, minUDPBuffer, maxBuffer),
		within("UDPRecvBuffer", c.UDPRecvBuffer, minUDPBuffer, maxBuffer),
	} {
		if err != nil {
			return err
		}
	}
	if c.ResetKey != nil && len(c.ResetKey) < minResetKeyLen {
		return configError("ResetKey has %d bytes, must have at least %d", len(c.ResetKey), minResetKeyLen)
	}
	return nil
}

// socketOptions returns what the socket is opened with.
func (c *EndpointConfig) socketOptions(
	control func(network, address string, c syscall.RawConn) error,
	controlContext func(ctx context.Context, network, address string, c syscall.RawConn) error,
) udpio.Options {
	o := udpio.Options{
		RecvBuffer: defaultUDPRecvBuffer, SendBuffer: defaultUDPSendBuffer,
		Control: control, ControlContext: controlContext,
	}
	if c != nil {
		o.RecvBuffer, o.SendBuffer = cmp.Or(c.UDPRecvBuffer, o.RecvBuffer), cmp.Or(c.UDPSendBuffer, o.SendBuffer)
		o.DisableOffload = c.DisableOffload
	}
	return o
}

// configure applies a config to an endpoint that has not started.
func (e *Endpoint) configure(c *EndpointConfig) {
	if c == nil {
		c = &EndpointConfig{}
	}
	e.memory.Limit = limit(c.MemoryLimit, defaultMemoryLimit)
	e.memory.ReadLimit = limit(c.ReceiveMemory, defaultReceiveMemory)
	e.resets = resetter{key: c.ResetKey, port: e.sock.LocalAddr().Port()}
	e.logger = c.Logger
	if c.OnForeignPacket != nil {
		e.foreign = c.OnForeignPacket
		e.lease.Veto()
	}
}
