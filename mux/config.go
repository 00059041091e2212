package mux

import (
	"log/slog"
	"time"

	"github.com/udtgo/udtgo/mux/internal/proto"
)

// Defaults of Config.
const (
	defaultStreams         = 1024
	defaultBacklog         = 256
	defaultStreamWindow    = 256 << 10
	defaultMaxStreamWindow = 16 << 20
	defaultSessionWindow   = 32 << 20
	defaultFrameSize       = 16 << 10
	defaultKeepAlive       = 15 * time.Second
	defaultIdle            = 45 * time.Second

	maxFrameSize = 60 << 10 // a packet of the protocol has fewer than 64 KiB
	minFrameSize = 1 << 10
	maxWindow    = 1 << 30
)

// A Config configures sessions. A Config must not be modified after it has
// been passed to a function in this package; it may be reused.
//
// The zero value of every field selects the documented default; a negative limit
// means none allowed. Values out of range become the nearest one in it.
type Config struct {
	// MaxStreams is how many bidirectional streams the peer may have open, by
	// default 1024. A stream counts until our side has closed it. The peer's
	// OpenStream waits when they are so many, but until our settings have reached it
	// the peer may open 16, of which those that are too many are reset with
	// CodeRefused.
	MaxStreams int64

	// MaxUniStreams is the same for unidirectional streams.
	MaxUniStreams int64

	// AcceptBacklog is how many streams of each kind may wait for Accept, by
	// default 256. The peer's OpenStream waits when they are so many; as to the first
	// 16, see MaxStreams.
	AcceptBacklog int

	// InitialStreamWindow is how many bytes of a stream may wait for Read, from
	// 64 KiB. The default is 256 KiB.
	InitialStreamWindow int

	// MaxStreamWindow is what the window of a stream grows to when its path and
	// its reader are fast. The default is 16 MiB.
	MaxStreamWindow int

	// MaxSessionWindow is how many bytes of all streams together may wait for
	// Read, from 256 KiB. The default is 32 MiB. A program that leaves many streams
	// unread stalls the others when these bytes are used up. It should be less than
	// the receive buffer of a UDT connection in message mode, 48 MiB by default.
	MaxSessionWindow int

	// MaxFrameSize is how many bytes of a stream go into one frame on a
	// byte-stream carrier, from 1 to 60 KiB. The default is 16 KiB. Over messages a
	// frame fills a packet of the carrier.
	MaxFrameSize int

	// KeepAlivePeriod is the silence after which the peer is asked for a sign of
	// life. The default is 15 s, or a third of IdleTimeout if that is less; negative
	// means never.
	KeepAlivePeriod time.Duration

	// IdleTimeout is the silence after which the session ends. The default is
	// 45 s; negative means never.
	IdleTimeout time.Duration

	// Logger receives the end of sessions at level Debug. Nil means none.
	Logger *slog.Logger
}

// Clone returns a shallow clone of c, or nil if c is nil.
func (c *Config) Clone() *Config {
	if c == nil {
		return nil
	}
	clone := *c
	return &clone
}

// limit returns v, def for zero, and 0 for a negative v.
func limit[T ~int | ~int64](v, def T) T {
	if v == 0 {
		return def
	}
	return max(v, 0)
}

// core returns the state machine's part of a Config with defaults filled in.
func (c *Config) core(server, messages bool) proto.Config {
	if c == nil {
		c = &Config{}
	}
	p := proto.Config{
		Server:        server,
		Messages:      messages,
		Streams:       [2]int64{limit(c.MaxStreams, defaultStreams), limit(c.MaxUniStreams, defaultStreams)},
		Backlog:       int64(limit(c.AcceptBacklog, defaultBacklog)),
		SessionWindow: int64(limit(c.MaxSessionWindow, defaultSessionWindow)),
		StreamWindow:  int64(limit(c.InitialStreamWindow, defaultStreamWindow)),
		MaxFrame:      min(max(limit(c.MaxFrameSize, defaultFrameSize), minFrameSize), maxFrameSize),
		KeepAlive:     limit(c.KeepAlivePeriod, defaultKeepAlive),
		Idle:          limit(c.IdleTimeout, defaultIdle),
	}
	if c.KeepAlivePeriod == 0 && p.Idle > 0 {
		p.KeepAlive = min(p.KeepAlive, p.Idle/3)
	}
	p.SessionWindow = min(max(p.SessionWindow, proto.EarlySessionWindow), maxWindow)
	p.StreamWindow = min(max(p.StreamWindow, proto.EarlyStreamWindow), p.SessionWindow)
	p.MaxStreamWindow = min(max(int64(limit(c.MaxStreamWindow, defaultMaxStreamWindow)), p.StreamWindow), p.SessionWindow)
	return p
}
