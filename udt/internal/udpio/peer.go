package udpio

import (
	"net"
	"net/netip"
)

// A Peer is a destination, with what a socket must remember to reach it. One
// goroutine at a time may use it. It may be used with several sockets in turn, which
// costs a little at each change.
type Peer struct {
	addr   netip.AddrPort
	source netip.Addr

	sys     systemPeer   // what the system's socket remembers
	udpAddr *net.UDPAddr // for a net.PacketConn that wants a net.Addr; made when needed
}

// NewPeer returns the Peer at addr. Datagrams to it come from the local address
// source where the socket can choose, which a connected one cannot; an invalid source
// leaves the choice to the system.
func NewPeer(addr netip.AddrPort, source netip.Addr) *Peer {
	return &Peer{addr: unmap(addr), source: source.Unmap()}
}

// Addr returns the peer's address, never IPv4-mapped.
func (p *Peer) Addr() netip.AddrPort { return p.addr }
