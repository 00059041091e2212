package mux

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/udtgo/udtgo/mux/internal/proto"
)

// Defaults and ranges of Config.
const (
	defaultStreams         = 1024
	defaultBacklog         = 256
	defaultStreamWindow    = 256 << 10
	defaultMaxStreamWindow = 16 << 20
	defaultSessionWindow   = 32 << 20
	defaultFrameSize       = 16 << 10
	defaultKeepAlive       = 15 * time.Second
	defaultIdle            = 45 * time.Second

	maxStreams       = 1 << 30
	minFrameSize     = 1 << 10
	maxFrameSize     = 60 << 10 // a packet of the protocol has fewer than 64 KiB
	minStreamWindow  = proto.EarlyStreamWindow
	minSessionWindow = proto.EarlySessionWindow
	maxWindow        = 1 << 30
)

// A Config configures sessions. A Config must not be modified after it has been
// passed to a function in this package; it may be reused.
//
// The zero value of every field selects the documented default. A number that is
// negative or out of the documented range is an error of Client and Server, which is
// ErrConfig; only where a field says so a negative number has a meaning.
type Config struct {
	// MaxStreams is how many bidirectional streams the peer may have open, from 1
	// to 2^30; any negative number means none. The default is 1024. A stream counts
	// until our side has closed it. The peer's OpenStream waits at the limit. Until
	// the peer has our settings it may open 16 streams; those above the limit are
	// reset with CodeRefused.
	MaxStreams int64

	// MaxUniStreams is the same for unidirectional streams.
	MaxUniStreams int64

	// AcceptBacklog is how many streams of each kind may wait for Accept, from 1 to
	// 2^30. The default is 256. The peer's OpenStream waits at the limit. Until the
	// peer has our settings the same holds as for MaxStreams.
	AcceptBacklog int

	// InitialStreamWindow is how many bytes of a stream may wait for Read at first,
	// from 64 KiB to 1 GiB. The default is 256 KiB. No stream has a larger window than
	// the session, see MaxSessionWindow.
	InitialStreamWindow int

	// MaxStreamWindow is what the window of a stream grows to when its path and its
	// reader are fast, from 64 KiB to 1 GiB. The default is 16 MiB. A value below
	// InitialStreamWindow means that windows do not grow.
	MaxStreamWindow int

	// MaxSessionWindow is how many bytes of all streams together may wait for Read,
	// from 256 KiB to 1 GiB. The default is 32 MiB. A program that leaves many streams
	// unread stalls the others when these bytes are used up. It should be less than
	// the receive buffer of a UDT connection in message mode, 48 MiB by default.
	MaxSessionWindow int

	// MaxFrameSize is how many bytes of a stream go into one frame on a byte-stream
	// carrier, from 1 KiB to 60 KiB. The default is 16 KiB. Over messages a frame
	// fills a packet of the carrier.
	MaxFrameSize int

	// KeepAlivePeriod is the silence after which the peer is asked for a sign of
	// life. Any positive duration is in range; any negative one means never. The
	// default is 15 s, or a third of IdleTimeout if that is less.
	KeepAlivePeriod time.Duration

	// IdleTimeout is the silence after which the session ends. Any positive duration
	// is in range; any negative one means never. The default is 45 s.
	IdleTimeout time.Duration

	// Logger receives the end of a session at level Debug, in a goroutine of its own
	// for which nothing waits: its handler may use the session. Nil means none.
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

// check returns an error if a field is out of its range.
func (c *Config) check() error {
	for _, f := range []struct {
		name      string
		v, lo, hi int64
		off       bool // a negative number has a meaning
	}{
		{"MaxStreams", c.MaxStreams, 1, maxStreams, true},
		{"MaxUniStreams", c.MaxUniStreams, 1, maxStreams, true},
		{"AcceptBacklog", int64(c.AcceptBacklog), 1, maxStreams, false},
		{"InitialStreamWindow", int64(c.InitialStreamWindow), minStreamWindow, maxWindow, false},
		{"MaxStreamWindow", int64(c.MaxStreamWindow), minStreamWindow, maxWindow, false},
		{"MaxSessionWindow", int64(c.MaxSessionWindow), minSessionWindow, maxWindow, false},
		{"MaxFrameSize", int64(c.MaxFrameSize), minFrameSize, maxFrameSize, false},
		{"KeepAlivePeriod", int64(c.KeepAlivePeriod), 1, math.MaxInt64, true},
		{"IdleTimeout", int64(c.IdleTimeout), 1, math.MaxInt64, true},
	} {
		switch {
		case f.v == 0 || f.lo <= f.v && f.v <= f.hi || f.v < 0 && f.off:
		default:
			return fmt.Errorf("%w: %s is %d, must be from %d to %d", ErrConfig, f.name, f.v, f.lo, f.hi)
		}
	}
	return nil
}

// orOff returns v, def for zero, and 0 for a negative v.
func orOff[T ~int64](v, def T) T { return max(cmp.Or(v, def), 0) }

// core returns the state machine's part of a Config with defaults filled in.
func (c *Config) core(server bool) (proto.Config, error) {
	if c == nil {
		c = &Config{}
	}
	if err := c.check(); err != nil {
		return proto.Config{}, err
	}
	p := proto.Config{
		Server:        server,
		Streams:       [2]int64{orOff(c.MaxStreams, defaultStreams), orOff(c.MaxUniStreams, defaultStreams)},
		Backlog:       int64(cmp.Or(c.AcceptBacklog, defaultBacklog)),
		SessionWindow: int64(cmp.Or(c.MaxSessionWindow, defaultSessionWindow)),
		MaxFrame:      cmp.Or(c.MaxFrameSize, defaultFrameSize),
		KeepAlive:     orOff(c.KeepAlivePeriod, defaultKeepAlive),
		Idle:          orOff(c.IdleTimeout, defaultIdle),
	}
	if c.KeepAlivePeriod == 0 && p.Idle > 0 {
		p.KeepAlive = min(p.KeepAlive, p.Idle/3)
	}
	p.StreamWindow = min(int64(cmp.Or(c.InitialStreamWindow, defaultStreamWindow)), p.SessionWindow)
	p.MaxStreamWindow = min(max(int64(cmp.Or(c.MaxStreamWindow, defaultMaxStreamWindow)), p.StreamWindow), p.SessionWindow)
	return p, nil
}
