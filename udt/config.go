package udt

import (
	"cmp"
	"math"
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A Mode is the service a connection gives. Both peers must agree on it.
type Mode int

const (
	ModeStream  Mode = iota // ordered byte stream
	ModeMessage             // reliable messages with boundaries
)

// String returns "stream" or "message".
func (m Mode) String() string {
	switch m {
	case ModeStream:
		return "stream"
	case ModeMessage:
		return "message"
	}
	return "invalid"
}

// Defaults of Config.
const (
	defaultMSS4             = 1500
	defaultMSS6             = 1480 // the wire counts 28 bytes of headers on IPv6 too
	defaultBuffer           = 48 << 20
	defaultHandshakeTimeout = 3 * time.Second
	defaultRendezvousLimit  = 30 * time.Second
	defaultPeerTimeout      = 10 * time.Second
	defaultIdleTimeout      = 60 * time.Second
	defaultKeepAlivePeriod  = 20 * time.Second
	defaultLinger           = 180 * time.Second
	defaultBacklog          = 128
	minProtectedMSS         = 576

	minBuffer     = 16 << 10
	maxBuffer     = 1 << 30
	minFlowWindow = 32
	maxFlowWindow = 1 << 20
	maxBacklog    = 1 << 20
)

// A Config configures connections. A Config must not be modified after it has
// been passed to a function in this package; it may be reused.
//
// The zero value of every field selects the documented default. A value out of the
// documented range is an error of the call that is given the Config. It says which
// field and what range, and Is ErrConfig. Durations are at most 365 days; a negative
// one means what its field says.
type Config struct {
	// Mode is the service of the connections; both peers must use the same.
	Mode Mode

	// MSS is the largest IP packet sent, headers included, from 100 to 65535
	// bytes. The default is 1500 on IPv4 and 1480 on IPv6, where the wire counts
	// 28 bytes of headers as well. Protected mode needs at least 576. The smaller of
	// both peers' values is used.
	MSS int

	// FlowWindow is the largest number of packets that the peer may have on their way
	// to us, from 32 to 1048576. The default follows RecvBuffer.
	FlowWindow int

	// SendBuffer is the cap in bytes on the data that Write may queue, and RecvBuffer
	// on the data held for Read, from 16 KiB to 1 GiB. The default is 48 MiB each.
	// Buffers start at 1 MiB and grow as the path needs: 4·r·t for a path of rate r and
	// round trip t.
	SendBuffer, RecvBuffer int

	// MaxBandwidth limits sending, in bytes per second. The default is no limit.
	MaxBandwidth int64

	// HandshakeTimeout bounds the handshake of a dial. The default is 3 s, 10 s in
	// protected mode and 30 s in rendezvous. Negative means that the dial's context is
	// the only limit. A positive one also bounds the TLS handshakes of a listener,
	// which otherwise have 5 s.
	HandshakeTimeout time.Duration

	// PeerTimeout ends a connection whose data or probes stay unanswered for so long.
	// The default is 10 s; negative means never.
	PeerTimeout time.Duration

	// IdleTimeout ends a connection that has received nothing for so long, not even
	// keep-alives. The default is 60 s; negative means never.
	IdleTimeout time.Duration

	// KeepAlivePeriod is after how long without a packet sent a keep-alive is sent,
	// give or take a fifth. The default is 20 s; negative means that none are sent.
	KeepAlivePeriod time.Duration

	// Linger is how long a closed connection goes on delivering what was written. The
	// default is 180 s; negative means that Close discards it. See Conn.SetLinger.
	Linger time.Duration

	// Backlog is how many connections may wait for Accept, from 1 to 1048576; further
	// ones are refused. The default is 128.
	Backlog int

	// CongestionControl makes the controller of one connection: NewFathom, the
	// default, NewBBR, NewCubic, NewCTCP, NewLEDBAT, UDT's own NewNative, or one
	// of your own.
	CongestionControl func() CongestionControl

	// AcceptPeer, if not nil, is called before a listener accepts a connection. An
	// error refuses the peer. The goroutine that reads the socket calls it: it must not
	// block.
	AcceptPeer func(PeerInfo) error

	// DisableExtensions makes connections speak to every peer as they do to the C++
	// library, without extended acknowledgements.
	DisableExtensions bool

	// DisableFineTimer makes pacing use only the timers of the Go runtime. By default,
	// on Linux, a finer timer wakes connections that send between some hundred Mbit/s
	// and 2 Gbit/s. It keeps their bursts short, and costs up to a quarter of a core.
	DisableFineTimer bool

	// Security turns on protected mode. Nil means plain UDT, which defeats only
	// attackers who do not see its packets.
	Security *Security

	// Limits bound what peers and strangers can make this side spend. The zero
	// value has defaults that honest peers do not meet.
	Limits Limits

	// Endpoint configures the port, where a call that is given this Config opens one:
	// Dial, Listen, ListenPacket, and the methods of ListenConfig and of a Dialer
	// without an Endpoint. Methods of an Endpoint ignore it: their port is open. Nil
	// means the zero EndpointConfig.
	Endpoint *EndpointConfig

	initialNumber *uint32 // set by tests that need sequence numbers to wrap
}

// Clone returns a shallow clone of c, or nil if c is nil.
func (c *Config) Clone() *Config {
	if c == nil {
		return nil
	}
	clone := *c
	return &clone
}

// PeerInfo describes a peer that asks to connect. Only the address is verified: the
// peer has shown that it receives there.
type PeerInfo struct {
	RemoteAddr netip.AddrPort
	Mode       Mode
	MSS        int // bytes
	FlowWindow int // packets
}

// check reports what is out of range.
func (c *Config) check() error {
	for _, err := range []error{
		within("MSS", c.MSS, proto.MinMSS, proto.MaxMSS),
		within("FlowWindow", c.FlowWindow, minFlowWindow, maxFlowWindow),
		within("SendBuffer", c.SendBuffer, minBuffer, maxBuffer),
		within("RecvBuffer", c.RecvBuffer, minBuffer, maxBuffer),
		within("MaxBandwidth", c.MaxBandwidth, 1, math.MaxInt64),
		within("Backlog", c.Backlog, 1, maxBacklog),
		within("Mode", c.Mode, ModeStream, ModeMessage),
		duration("HandshakeTimeout", c.HandshakeTimeout),
		duration("PeerTimeout", c.PeerTimeout),
		duration("IdleTimeout", c.IdleTimeout),
		duration("KeepAlivePeriod", c.KeepAlivePeriod),
		duration("Linger", c.Linger),
		c.Limits.check(),
		c.Endpoint.check(),
		c.Security.check(),
	} {
		if err != nil {
			return err
		}
	}
	if c.Security.on() && (c.DisableExtensions || c.MSS != 0 && c.MSS < minProtectedMSS) {
		return configError("Security needs the extensions, and an MSS of at least %d", minProtectedMSS)
	}
	return nil
}

// core returns the protocol machine's part of a Config with defaults filled in.
func (c *Config) core(remote netip.AddrPort, rendezvous bool) proto.Config {
	mss, handshake := defaultMSS4, defaultHandshakeTimeout
	if remote.Addr().Is6() && !remote.Addr().Is4In6() {
		mss = defaultMSS6
	}
	if rendezvous {
		handshake = defaultRendezvousLimit
	}
	p := proto.Config{
		Message:          c.Mode == ModeMessage,
		MSS:              cmp.Or(c.MSS, mss),
		SendBuffer:       cmp.Or(c.SendBuffer, defaultBuffer),
		RecvBuffer:       cmp.Or(c.RecvBuffer, defaultBuffer),
		MaxBandwidth:     c.MaxBandwidth,
		HandshakeTimeout: cmp.Or(c.HandshakeTimeout, handshake),
		PeerTimeout:      cmp.Or(c.PeerTimeout, defaultPeerTimeout),
		IdleTimeout:      cmp.Or(c.IdleTimeout, defaultIdleTimeout),
		KeepAlivePeriod:  cmp.Or(c.KeepAlivePeriod, defaultKeepAlivePeriod),
		Linger:           cmp.Or(c.Linger, defaultLinger),
		NoExtensions:     c.DisableExtensions,
		Remote:           remote,
	}
	c.Limits.core(&p)
	p.FlowWindow = cmp.Or(c.FlowWindow, min(max(p.RecvBuffer/(p.MSS-wire.DataOverhead), minFlowWindow), maxFlowWindow))
	return p
}

// One rule holds for every numeric field of Config, EndpointConfig and Limits. Zero is
// the default. Anything else out of the field's documented range is an error that Is
// ErrConfig, and says which field and what range. A negative number is in the range of
// a field that documents what it means.

// maxDuration is the upper end of the range of every duration: sums of several stay
// far from an overflow.
const maxDuration = 365 * 24 * time.Hour

// within returns an error if v is neither zero nor from low to high.
func within[T int | int64 | Mode](name string, v, low, high T) error {
	if v == 0 || low <= v && v <= high {
		return nil
	}
	return configError("%s is %d, must be from %d to %d", name, v, low, high)
}

// duration returns an error if d is too long. A negative one has a meaning.
func duration(name string, d time.Duration) error {
	if d <= maxDuration {
		return nil
	}
	return configError("%s is %v, must be at most %v, or negative", name, d, maxDuration)
}

// limit returns v, def if v is zero, and as good as no limit if it is negative.
func limit[T int | int64](v, def T) T {
	if v < 0 {
		return T(math.MaxInt)
	}
	return cmp.Or(v, def)
}
