package main

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/udt"
)

var (
	udtDefault   = udtContender("udt", "stream, default controller", nil)
	udtNoOffload = lean(udtContender("udt-nooffload", "no GSO, no GRO on either side", func(c *udt.Config) { c.Endpoint = &udt.EndpointConfig{DisableOffload: true} }))
	udtPortable  = portable(udtContender("udt-portable", "the socket path of systems without our own: tag udtnooffload", nil))
)

// tcpBacklog is the backlog that Go's listeners ask of kernel TCP on Linux.
const tcpBacklog = 4096

// handshakePatience is for dials on a machine that is busy: one that fails ends the run.
const handshakePatience = 30 * time.Second

// udtContender is this library's stream with a Config that configure, unless
// nil, has changed.
func udtContender(name, note string, configure func(*udt.Config)) *Contender {
	config := func(o Options) *udt.Config {
		c := &udt.Config{SendBuffer: o.SendBuffer, RecvBuffer: o.RecvBuffer, Backlog: tcpBacklog, HandshakeTimeout: handshakePatience}
		if configure != nil {
			configure(c)
		}
		return c
	}
	return &Contender{
		Name: name, Note: note,
		Listen: func(addr string, o Options) (net.Listener, error) { return udt.Listen("udt", addr, config(o)) },
		Dial: func(ctx context.Context, addr string, o Options) (net.Conn, error) {
			return udt.DialContext(ctx, "udt", addr, config(o))
		},
		OnePort: func(addr string, o Options) (DialFunc, error) { return udtOnePort(addr, config(o)) },
		Stats:   udtStats,
	}
}

// portable makes the children of c a binary with the portable socket path.
func portable(c *Contender) *Contender {
	c.Tags = "udtnooffload"
	return lean(c)
}

// lean keeps c to the tables where doing without offload matters.
func lean(c *Contender) *Contender {
	c.Usual = []string{"bulk", "pingpong"}
	return c
}

// udtOnePort dials from an endpoint that listens as well. It is bound to a
// concrete address if addr is on this machine, so that no dial has to ask the
// system for a route.
func udtOnePort(addr string, config *udt.Config) (DialFunc, error) {
	raddr, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	local := ":0"
	if raddr.Addr().IsLoopback() {
		local = netip.AddrPortFrom(raddr.Addr(), 0).String()
	}
	l, err := udt.Listen("udt", local, config)
	if err != nil {
		return nil, err
	}
	e := l.Endpoint()
	return func(ctx context.Context) (net.Conn, error) {
		c, err := e.DialContext(ctx, "udt", raddr.String(), config)
		if err != nil {
			return nil, err
		}
		return c, nil
	}, nil
}

func udtStats(c net.Conn) map[string]float64 {
	if m, ok := c.(*messageConn); ok {
		c = m.Conn
	}
	u, ok := c.(*udt.Conn)
	if !ok {
		return nil
	}
	s := u.Stats()
	e := u.Endpoint().Stats()
	return map[string]float64{
		"packets_sent": float64(s.PacketsSent), "packets_received": float64(s.PacketsReceived),
		"retransmitted": float64(s.PacketsRetransmitted), "lost_send": float64(s.PacketsLostSend),
		"lost_recv": float64(s.PacketsLostRecv), "dropped": float64(s.PacketsDropped),
		"acks_sent": float64(s.AcksSent), "acks_received": float64(s.AcksReceived),
		"naks_sent": float64(s.NaksSent), "timeouts": float64(s.Timeouts),
		"rtt_us": float64(s.RTT.Microseconds()), "min_rtt_us": float64(s.MinRTT.Microseconds()),
		"window": float64(s.CongestionWindow), "flow_window": float64(s.FlowWindow),
		"forged": float64(s.PacketsForged), "replayed": float64(s.PacketsReplayed), "malformed": float64(s.Malformed),
		"over_budget": float64(s.OverBudget), "unknown_ids": float64(e.UnknownIDs), "wrong_source": float64(e.WrongSource),
		"socket_recv_buffer": float64(e.SocketRecvBuffer), "memory_held": float64(e.MemoryHeld),
	}
}
