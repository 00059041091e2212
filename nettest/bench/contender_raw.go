package main

import (
	"context"
	"net"
)

// The raw limit: what any transport over UDP pays at least.
var (
	rawUDP    = rawContender("raw", "UDP with GSO and GRO, 16-byte headers, one copy on each side, no protocol", true)
	rawNoPoll = rawContender("raw-nopoll", "raw on blocking sockets and locked threads, outside the network poller", false)
)

func rawContender(name, note string, poller bool) *Contender {
	return &Contender{
		Name: name, Note: note,
		Works:   []string{"bulk"},
		Usual:   []string{"bulk"},
		Missing: missingRaw,
		Listen:  func(addr string, _ Options) (net.Listener, error) { return listenRaw(addr, poller) },
		Dial:    func(_ context.Context, addr string, _ Options) (net.Conn, error) { return dialRaw(addr, poller) },
	}
}
