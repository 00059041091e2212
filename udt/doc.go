// Package udt is UDT, the UDP-based Data Transfer protocol, version 4: a reliable
// transport over UDP that is made for paths on which TCP is slow. It speaks to the
// C++ library libudt 4.11 and to every program built on that.
//
// # Usage
//
// A connection is a net.Conn, a listener a net.Listener. A program that calls
// net.Dial and net.Listen calls Dial and Listen of this package instead:
//
//	l, err := udt.Listen("udt", ":9000", nil)
//	...
//	conn, err := l.Accept()
//
//	conn, err := udt.Dial("udt", "example.com:9000", nil)
//
// What takes a net.Conn, a net.Listener or a function that dials works on top:
// crypto/tls, net/http, HTTP/2, gRPC, ssh, yamux. Code that insists on the network
// "tcp", such as http.Transport, is given a function that ignores the name.
//
// Many connections, dialed and accepted, can share one UDP port: see Endpoint,
// which can also be made of a socket of the caller's own. Two peers behind
// address translators can dial each other without a listener: see
// Dialer.Rendezvous. A PacketConn exchanges reliable messages with many peers.
//
// # Modes
//
// In ModeStream, the default, a connection is an ordered stream of bytes. In
// ModeMessage it carries messages with boundaries: each arrives whole and once,
// may be delivered ahead of earlier ones that are incomplete, and may be given a
// time to live. Both peers must use the same mode; a listener refuses the other
// with an error that Is ErrMode.
//
// # Concurrency
//
// All methods may be called from several goroutines at once. One Write is
// contiguous in the stream whoever else writes. When Write returns, its argument
// may be reused.
//
// # Deadlines
//
// Deadlines are those of package net: one in the past makes calls fail at once
// with an error that Is os.ErrDeadlineExceeded, even if they could have gone on,
// and the connection stays usable. What Write had accepted when it timed out is
// delivered, and counted in its result.
//
// # Close
//
// Close delivers what Write has accepted, as TCP does: the peer reads all of it,
// then io.EOF. Unlike TCP's, no kernel carries on when the program ends, so Close
// waits as long as acknowledgements make progress, one round trip as a rule; what
// is left is sent in the background while the program runs. CloseContext says
// whether everything has arrived; Flush does so without closing; Endpoint.Shutdown
// drains all connections of a port.
//
// UDT ends both directions at once: there is no CloseWrite, and what a peer had
// still to send when it reads the other's end is discarded. Protocols that need a
// half-open end use the streams of a multiplexer.
//
// A peer that aborted the connection makes calls fail with ErrReset, one that
// vanished with ErrPeerTimeout: within Config.PeerTimeout if data are on their way,
// within Config.IdleTimeout otherwise. A dial that nobody wants fails with
// ErrRefused, which is syscall.ECONNREFUSED.
//
// # Congestion control
//
// Config.CongestionControl chooses the controller; one of the caller's own has the
// same powers as ours. The default is Fathom (NewFathom), which models the path and
// tells losses beside a queue from those that the path has anyway: neither UDT's own
// rate control nor BBR as drafted fills a long path that loses one packet in a
// hundred. NewNative is UDT's own, for libudt's behaviour; NewBBR, NewCubic and
// NewCTCP are what others run; NewLEDBAT yields to everybody. All of them work
// towards the C++ library as well, from what its acknowledgements and loss reports
// carry.
//
// # Buffers
//
// Buffers start at 1 MiB and grow with rate and round trip, up to Config.SendBuffer
// and Config.RecvBuffer and within the endpoint's EndpointConfig.MemoryLimit. Repairs
// take round trips, so that a path wants four times the product of its rate and its
// round trip: the default caps, 48 MiB, serve 1 Gbit/s at 100 ms. 10 Gbit/s at
// 100 ms want caps of 500 MB on both sides, and nothing else.
//
// # Extensions
//
// Peers that both use this package recognise each other by a marker that the C++
// library ignores, and then acknowledge with more detail: exact round trips, counts
// of packets, lists of what is missing. It makes loss recovery faster and its
// figures exact. Config.DisableExtensions turns it off.
//
// # Security
//
// Plain UDT is neither authenticated nor encrypted. This package defeats attackers
// who cannot see the traffic, and contains malformed and misbehaving peers: socket IDs
// and sequence numbers are unpredictable; nothing is kept, and no more bytes are sent
// than were received, before a peer has shown that it receives at its address; every
// field of every packet is checked against what this connection can have; control
// packets have budgets; a peer of this package that acknowledges what it has not
// received is found out by counters (ErrOptimisticACK); and Config.Limits bounds what
// all of them together can make a port spend. EndpointConfig.Logger is told what should not
// happen among honest peers.
//
// What plain mode cannot do: an attacker who sees the traffic can read it, put other
// data in its place, acknowledge what has not arrived, slow senders down and end
// connections. One who does not, but has learned addresses, ports and the socket ID,
// gets a packet accepted with a chance of the window divided by 2^31, and ends a
// connection to a C++ peer with one Shutdown unless Limits.ChallengeShutdown is set.
// A cookie, guessed with a chance of 2^-31, shows that a client receives at its
// address and not who it is. A peer that has connected may lie about losses and round
// trips, and a C++ one about what it has received; it gains no more than its own path
// and Config.MaxBandwidth allow. It may open as many connections as memory allows
// unless Limits.Conns or Limits.ConnsPerPrefix is set, and keep one that it does not
// read unless Limits.StallTimeout is.
//
// Config.Security turns on protected mode, in which every packet is encrypted and
// authenticated, with keys from a TLS 1.3 handshake inside that of UDT. Both peers
// must use this module. Its credentials are certificates, keys that the peers know of
// each other, or a shared secret. An attacker on the path can then drop packets, but
// not read, forge, change or repeat them.
//
// Package tlsadapter puts TLS on top, which protects the bytes but not UDT's own
// control packets: an attacker on the path can still end a connection, and crypto/tls
// reports that only in the middle of a record. SECURITY.md has the threat model and
// the table of attacks.
//
// # Limits
//
// A connection has at most 2^20 packets on their way. Addresses are *net.UDPAddr;
// software that insists on *net.TCPAddr, such as the source-address restriction of
// ssh certificates, refuses them. A path whose MTU is smaller than Config.MSS
// works by fragmentation. A sender of the C++ library that hears from us steadily,
// because we send data to it, retransmits a lost tail only when it pauses.
package udt
