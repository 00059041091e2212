// Package tlsadapter is crypto/tls over UDT streams, or inside UDT.
//
// Nothing here is needed to use TLS: a *udt.Conn is a net.Conn, so tls.Client,
// tls.Server and tls.NewListener take it as it is, and the peer may be any
// implementation of UDT with any implementation of TLS above it. The package
// exists for Dialer, which puts one deadline over both handshakes and leaves
// nothing behind when they fail, and for NetConn, which finds the UDT
// connection under a TLS one.
//
// # Above or inside
//
// A program with a tls.Config has the choice by one word. TLS above UDT, that is
// Dial and Listen of this package, works with every peer and protects the stream.
// Security gives the same configuration to UDT, whose packets are then all sealed
// with keys from TLS. That protects UDT too and saves a round trip, a copy of the
// data and the CPU time of a second layer of records; peers that are not of this
// implementation cannot have it.
//
//	l, err := tlsadapter.Listen("udt", ":9000", config, nil)
//	l, err := udt.Listen("udt", ":9000", &udt.Config{Security: tlsadapter.Security(config)})
//
// What follows is about TLS above UDT. Security documents the other.
//
// # What it protects
//
// TLS protects the bytes of the stream: they are encrypted, the server, and with
// client certificates the client, is authenticated, and bytes that were changed,
// repeated, left out or put in are an error of Read.
//
// # What it does not protect
//
// TLS is above UDT and so protects nothing of UDT itself. Handshakes,
// acknowledgements, loss reports and shutdowns are as open as in plain UDT.
// Whoever can read the path sees the sizes and times of packets. Whoever can
// also send from the peer's address can slow a connection down, end it, or put
// bytes in the place of the peer's, for which TLS ends the connection. Such
// attackers deny service; they neither read nor alter what is delivered.
//
// They can cut it short, however. The Close method of a tls.Conn says with a close_notify alert
// that the stream is complete, but crypto/tls accepts an end without it between
// two records and returns io.EOF. A protocol in which a shorter stream has
// another meaning must say itself where the end is, as HTTP does with its lengths
// and chunks.
//
// # Message mode
//
// TLS needs a stream. A configuration with udt.ModeMessage is refused with
// udt.ErrMode.
package tlsadapter
