// Package udt is UDT, the UDP-based Data Transfer protocol, version 4: a reliable
// transport over UDP for paths on which TCP is slow. It is compatible with the C++
// library libudt 4.11 and with programs built on that.
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
// Packages that take a net.Conn, a net.Listener or a function that dials work on top:
// crypto/tls, net/http, HTTP/2, gRPC, ssh, yamux. Where a package passes the network
// "tcp", as http.Transport does, give it a function that ignores the name.
//
// Many connections, dialed and accepted, can share one UDP port: see ListenEndpoint,
// and NewEndpoint for a socket of your own. Two peers behind address translators can
// dial each other without a listener: see Dialer.Rendezvous. A PacketConn exchanges
// reliable messages with many peers.
//
// # Configuration
//
// A Config is for connections, an EndpointConfig for the port that they share. Where a
// function opens a port for its connections, as Dial and Listen do, Config.Endpoint
// configures that port. In both, zero is the default of every field. What is out of
// range is an error that Is ErrConfig.
//
// # Modes
//
// In ModeStream, the default, a connection is an ordered stream of bytes. In
// ModeMessage it carries messages with boundaries: each arrives whole and once. A
// message can have a time to live, and can be delivered ahead of earlier ones that are
// incomplete: see MessageOptions. Both peers must use the same mode; a listener refuses
// a peer that uses the other, whose dial fails with an error that Is ErrMode.
//
// # Concurrency
//
// All methods may be called from several goroutines at once. The bytes of one Write
// are contiguous in the stream. When Write returns, its argument may be reused.
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
// UDT ends both directions at once. There is no CloseWrite, and a peer discards what it
// has still to send when it reads the end. Protocols that close one direction alone
// need the streams of a multiplexer.
//
// Calls fail with ErrReset if the peer has aborted the connection, and with
// ErrPeerTimeout if it has vanished: within Config.PeerTimeout if data are on their
// way, within Config.IdleTimeout otherwise. A dial that is refused fails with
// ErrRefused, which is syscall.ECONNREFUSED.
//
// # Congestion control
//
// Config.CongestionControl chooses the controller; one of your own can do what those of
// this package do. The default is NewFathom. It models the path, and distinguishes
// losses beside a queue from those that the path has anyway: neither UDT's own rate
// control nor BBR as drafted fills a long path that loses one packet in a hundred.
// NewNative has libudt's behaviour. NewBBR, NewCubic and NewCTCP are those of other
// transports. NewLEDBAT yields to all other traffic. All of them also work towards the
// C++ library, from what its acknowledgements and loss reports carry.
//
// # Buffers
//
// Buffers start at 1 MiB and grow with rate and round trip, up to Config.SendBuffer
// and Config.RecvBuffer and within EndpointConfig.MemoryLimit. Repairs take round trips,
// so a path needs four times the product of its rate and its round trip. The default
// caps, 48 MiB, serve 1 Gbit/s at 100 ms. 10 Gbit/s at 100 ms need caps of 500 MB on
// both sides, and nothing else.
//
// # Extensions
//
// Peers that both use this package recognise each other by a marker that the C++
// library ignores. Their acknowledgements have more detail: exact round trips, counts
// of packets, lists of what is missing. This makes loss recovery faster.
// Config.DisableExtensions turns it off.
//
// # Security
//
// Plain UDT is neither authenticated nor encrypted. This package defeats attackers who
// do not see the traffic, and contains malformed and misbehaving peers:
//
//   - Socket IDs and sequence numbers are unpredictable.
//   - Before a peer has shown that it receives at its address, no state is kept for it,
//     and no more bytes are sent to it than came from there.
//   - Every field of every packet is checked against what the connection can have.
//   - Control packets have budgets.
//   - Counters expose a peer of this package that acknowledges what it has not received
//     (ErrOptimisticACK).
//   - Config.Limits bounds what all peers together can make a port spend.
//   - EndpointConfig.Logger receives what should not happen among honest peers.
//
// Plain mode has these limits. An attacker who sees the traffic can read it, replace
// it, acknowledge what has not arrived, slow senders down and end connections. An
// attacker who does not see it, but knows addresses, ports and the socket ID, gets a
// packet accepted with a probability of the window divided by 2^31, and ends a
// connection to a C++ peer with one Shutdown unless Limits.ChallengeShutdown is set. A
// cookie, which can be guessed with a probability of 2^-31, shows that a client receives
// at its address, and not who it is. A connected peer can lie about losses and round
// trips, and a C++ peer about what it has received. It gains no more than its own path
// and Config.MaxBandwidth allow. It can open as many connections as memory allows
// unless Limits.Conns or Limits.ConnsPerPrefix is set, and keep one that it does not
// read unless Limits.StallTimeout is set.
//
// Config.Security turns on protected mode, in which every packet is encrypted and
// authenticated, with keys from a TLS 1.3 handshake inside that of UDT. Both peers must
// use this module. The credential is a certificate, keys that the peers know of each
// other, or a shared secret. An attacker on the path can then drop packets, but not
// read, forge, change or repeat them.
//
// Package tlsadapter puts TLS on top. That protects the bytes, but not UDT's own control
// packets: an attacker on the path can still end a connection, and crypto/tls reports
// that only in the middle of a record. SECURITY.md has the threat model.
//
// # Limits
//
// A connection has at most 2^20 packets on their way. Addresses are *net.UDPAddr:
// software that requires *net.TCPAddr, such as the source-address restriction of ssh
// certificates, refuses them. On a path whose MTU is smaller than Config.MSS, packets
// are fragmented. A sender of the C++ library that receives data from us all the time
// retransmits a lost tail only when we pause.
package udt
