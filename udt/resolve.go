package udt

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// udpNetwork returns the name of the UDP network under a UDT one.
func udpNetwork(network string) (string, error) {
	switch network {
	case "udt":
		return "udp", nil
	case "udt4":
		return "udp4", nil
	case "udt6":
		return "udp6", nil
	}
	return "", net.UnknownNetworkError(network)
}

// resolve returns the addresses that address stands for, at least one. A missing
// host is the wildcard when listening and the local host when dialing.
func resolve(ctx context.Context, r *net.Resolver, network, address string, listen bool) ([]netip.AddrPort, error) {
	if r == nil {
		r = net.DefaultResolver
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := r.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	family := map[string]string{"udt": "ip", "udt4": "ip4", "udt6": "ip6"}[network]
	if host == "" {
		switch {
		case listen && network == "udt4":
			return []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port))}, nil
		case listen && network == "udt6":
			return []netip.AddrPort{netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(port))}, nil
		case listen:
			return []netip.AddrPort{netip.AddrPortFrom(netip.Addr{}, uint16(port))}, nil
		case network == "udt6":
			return []netip.AddrPort{netip.AddrPortFrom(netip.IPv6Loopback(), uint16(port))}, nil
		}
		return []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))}, nil
	}
	ips, err := r.LookupNetIP(ctx, family, host)
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.AddrPort, 0, len(ips))
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	if len(addrs) == 0 {
		return nil, &net.AddrError{Err: "no suitable address found", Addr: host}
	}
	if listen && len(addrs) > 1 {
		// As package net: prefer IPv4 when a name has both.
		for i, a := range addrs {
			if a.Addr().Is4() {
				addrs[0], addrs[i] = addrs[i], addrs[0]
				break
			}
		}
	}
	return addrs, nil
}

// unwrapOp returns the cause in err, which is put into an error of our own.
func unwrapOp(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
