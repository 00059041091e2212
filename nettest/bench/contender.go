package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
)

// A Contender is one transport under measurement. Each has a small file of its
// own that makes its value; contenders lists them.
type Contender struct {
	// Name is how the flags and the tables call it.
	Name string

	// Note says in a few words what is measured.
	Note string

	// Listen announces on addr. Accept of the listener need not be concurrent.
	Listen func(addr string, o Options) (net.Listener, error)

	// Dial opens one connection and returns when it may be written to.
	Dial func(ctx context.Context, addr string, o Options) (net.Conn, error)

	// OnePort, if not nil, returns a function that dials addr from one local
	// port, which stays open for as long as the process lives.
	OnePort func(addr string, o Options) (DialFunc, error)

	// Sessions, if not nil, makes sessions of many streams.
	Sessions *Sessions

	// Stats, if not nil, returns the transport's own counters of a connection.
	Stats func(net.Conn) map[string]float64

	// Works names the works it can do. Nil means all of them.
	Works []string

	// Usual names the loopback works in whose tables it is when nobody asks for
	// contenders by name. Nil means all. Works that name their Contenders do not ask.
	Usual []string

	// SilentClose means that the peer is not told of Close, so that a server
	// which waits for the end of its input would wait for ever.
	SilentClose bool

	// Tags are the build tags of the binary that its children run. Empty means
	// this binary.
	Tags string

	// Program, if not nil, returns the path of the program that its children
	// run instead of this one. It takes the Job as arguments, see Job.args.
	Program func() (string, error)

	// Missing, if not nil, says why the contender cannot run here, or "".
	Missing func() string
}

// Options are what a contender may be asked to do differently. The zero value is
// each contender's own default, which is what the loopback tables show.
type Options struct {
	// TCPCongestion is the congestion control of the contenders on kernel TCP, such as
	// "cubic" or "bbr". Empty means the system's default.
	TCPCongestion string `json:",omitempty"`

	// SendBuffer and RecvBuffer are caps in bytes on what the transport holds:
	// Config.SendBuffer and RecvBuffer of udt, UDT_SNDBUF and UDT_RCVBUF of
	// libudt, the largest windows of quic, yamux and kcp. Zero means the default.
	// Kernel TCP sizes its own.
	SendBuffer, RecvBuffer int `json:",omitempty"`

	// MaxStreams is how many streams a peer may have open where that is limited.
	// Zero means the default.
	MaxStreams int `json:",omitempty"`
}

// contenders is the table of all of them, in the order of the printed tables.
var contenders = []*Contender{
	udtDefault,
	udtMessage,
	udtProtected,
	udtPackets,
	udtNative,
	udtCTCP,
	udtCubic,
	udtBBR,
	udtLEDBAT,
	udtNoOffload,
	udtPortable,
	tcpDefault,
	tcpCubic,
	tcpBBR,
	tlsOverTCP,
	muxOverMessages,
	muxOverStream,
	muxOverTCP,
	yamuxOverUDT,
	yamuxOverTCP,
	yamuxOverCubic,
	yamuxOverBBR,
	quicGo,
	kcpGo,
	libudt,
	rawUDP,
	rawNoPoll,
	rawAES,
}

// contender returns the one of that name.
func contender(name string) (*Contender, error) {
	names := make([]string, len(contenders))
	for i, c := range contenders {
		if c.Name == name {
			return c, nil
		}
		names[i] = c.Name
	}
	return nil, fmt.Errorf("no contender %q; there are %s", name, strings.Join(names, ", "))
}

// usual reports whether c is in the table of a work unasked.
func (c *Contender) usual(w *Work) bool {
	if w.Contenders != nil {
		return slices.Contains(w.Contenders, c.Name)
	}
	return c.Usual == nil || slices.Contains(c.Usual, w.Name)
}

// does reports whether c can do the work of that name, and if not, why.
func (c *Contender) does(name string) (bool, string) {
	if c.Missing != nil {
		if why := c.Missing(); why != "" {
			return false, why
		}
	}
	if c.Works != nil && !slices.Contains(c.Works, name) {
		return false, "does not do this work"
	}
	if w, err := work(name); err == nil && w.Serve == nil && c.Sessions == nil {
		return false, "has no streams"
	}
	return true, ""
}
