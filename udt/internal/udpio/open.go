package udpio

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

// Listen opens a socket bound to laddr that any peer can reach. The network is
// "udp", "udp4" or "udp6"; an invalid address in laddr is the wildcard, and port 0
// lets the system choose. Errors are those of package net.
func Listen(ctx context.Context, network string, laddr netip.AddrPort, o Options) (Socket, error) {
	if err := checkNetwork("listen", network); err != nil {
		return nil, err
	}
	address := ":" + strconv.Itoa(int(laddr.Port()))
	if laddr.IsValid() {
		address = unmap(laddr).String()
	}
	lc := net.ListenConfig{
		Control: func(network, address string, c syscall.RawConn) error {
			return o.control(ctx, network, address, c)
		},
	}
	pc, err := lc.ListenPacket(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return newSystemSocket(pc.(*net.UDPConn), o)
}

// Connect opens a socket connected to raddr: only datagrams from there arrive, and
// refusals are reported by Recv. An invalid laddr lets the system choose. Errors are
// those of package net.
func Connect(ctx context.Context, network string, laddr, raddr netip.AddrPort, o Options) (Socket, error) {
	if err := checkNetwork("dial", network); err != nil {
		return nil, err
	}
	d := net.Dialer{ControlContext: o.control}
	conn, err := d.DialUDP(ctx, network, unmap(laddr), unmap(raddr))
	if err != nil {
		return nil, err
	}
	return newSystemSocket(conn, o)
}

// Wrap makes a Socket of pc, which it takes over: pc's deadlines are cleared, its
// socket options may be changed, and closing the Socket closes it, if that has not
// happened yet: the socket may have moved to another descriptor. A *net.UDPConn,
// connected or not, gets everything the system has. Any other net.PacketConn is used
// through its methods, among them ReadFromUDPAddrPort and WriteToUDPAddrPort if it
// has these, so that nothing allocates; its addresses must be those of UDP.
func Wrap(pc net.PacketConn, o Options) (Socket, error) {
	// A deadline left behind would make every read fail. A PacketConn without
	// deadlines has none to clear.
	_ = pc.SetDeadline(time.Time{})
	if conn, ok := pc.(*net.UDPConn); ok {
		return newSystemSocket(conn, o)
	}
	return newPacketSocket(pc), nil
}

func checkNetwork(op, network string) error {
	switch network {
	case "udp", "udp4", "udp6":
		return nil
	}
	return &net.OpError{Op: op, Net: network, Err: net.UnknownNetworkError(network)}
}

// control prepares a new socket before it is bound: first our own options, so that
// the user's function can change them.
func (o *Options) control(ctx context.Context, network, address string, c syscall.RawConn) error {
	allowFragments(c)
	switch {
	case o.ControlContext != nil:
		return o.ControlContext(ctx, network, address, c)
	case o.Control != nil:
		return o.Control(network, address, c)
	}
	return nil
}

// unmap returns a with an IPv4-mapped IPv6 address turned into IPv4.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// addrPort returns the UDP address in a, unmapped, or an invalid one.
func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case nil:
		return netip.AddrPort{}
	case interface{ AddrPort() netip.AddrPort }:
		return unmap(a.AddrPort())
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return unmap(ap)
}
