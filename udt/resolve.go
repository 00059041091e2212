package udt

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
)

// A family is what is under one of our networks. Where an address has no host, wildcard
// is the one to listen on, and loopback the one to dial.
type family struct {
	udp, ip            string
	wildcard, loopback netip.Addr
}

var (
	loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	families  = map[string]family{
		"udt":  {"udp", "ip", netip.Addr{}, loopback4},
		"udt4": {"udp4", "ip4", netip.IPv4Unspecified(), loopback4},
		"udt6": {"udp6", "ip6", netip.IPv6Unspecified(), netip.IPv6Loopback()},
	}
)

// udpNetwork returns the name of the UDP network under one of ours.
func udpNetwork(network string) (string, error) {
	if f, ok := families[network]; ok {
		return f.udp, nil
	}
	return "", net.UnknownNetworkError(network)
}

// resolve returns the addresses that address stands for on a known network, at least
// one.
func resolve(ctx context.Context, r *net.Resolver, network, address string, listen bool) ([]netip.AddrPort, error) {
	r = cmp.Or(r, net.DefaultResolver)
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := r.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	f := families[network]
	ips := []netip.Addr{f.loopback}
	switch {
	case host != "":
		if ips, err = r.LookupNetIP(ctx, f.ip, host); err != nil {
			return nil, err
		}
	case listen:
		ips[0] = f.wildcard
	}
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	}
	if listen {
		// Only the first counts. As package net: prefer IPv4 when a name has both.
		if i := slices.IndexFunc(addrs, func(a netip.AddrPort) bool { return a.Addr().Is4() }); i > 0 {
			addrs[0] = addrs[i]
		}
	}
	return addrs, nil
}
