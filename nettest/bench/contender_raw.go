package main

import (
	"context"
	"net"
)

// The raw limit: what any transport over UDP pays at least.
var (
	rawUDP    = rawContender("raw", "UDP with GSO and GRO, 16-byte headers, one copy on each side, no protocol", rawPlain)
	rawNoPoll = rawContender("raw-nopoll", "raw on blocking sockets and locked threads, outside the network poller", rawOutside)
	rawAES    = rawContender("raw-aes", "raw with AES-128-GCM in place of the copy, on both sides", rawSealed)
)

// rawKind says how a raw contender goes.
type rawKind int

const (
	rawPlain   rawKind = iota
	rawOutside         // of the network poller
	rawSealed
)

func rawContender(name, note string, kind rawKind) *Contender {
	return &Contender{
		Name: name, Note: note,
		Works:   []string{"bulk"},
		Usual:   []string{"bulk"},
		Missing: missingRaw,
		Listen:  func(addr string, _ Options) (net.Listener, error) { return listenRaw(addr, kind) },
		Dial:    func(_ context.Context, addr string, _ Options) (net.Conn, error) { return dialRaw(addr, kind) },
	}
}
