// Package tlsadapter is crypto/tls over UDT streams.
//
// Nothing here is needed to use TLS: a *udt.Conn is a net.Conn, so tls.Client,
// tls.Server and tls.NewListener take it as it is, and the peer may be any
// implementation of UDT with any implementation of TLS above it. The package
// exists for Dialer, which puts one deadline over both handshakes and leaves
// nothing behind when they fail, and for NetConn, which finds the UDT
// connection under a TLS one.
//
// # What it protects
//
// TLS protects the bytes of the stream: they are encrypted, the server, and with
// client certificates the client, is authenticated, and a change, a
// repetition or a truncation of the stream is an error of Read. A stream that
// ended without the peer's close_notify alert ends with io.ErrUnexpectedEOF
// instead of io.EOF.
//
// # What it does not protect
//
// TLS is above UDT and so protects nothing of UDT itself. Handshakes,
// acknowledgements, loss reports and shutdowns are as open as in plain UDT:
// whoever can read the path sees the sizes and times of packets, and whoever
// can also send from the peer's address can slow a connection down or end it,
// and put data in the place of the peer's, which TLS notices and ends the
// connection for. Such attackers can deny service; they can neither read nor
// alter what is delivered.
//
// # Message mode
//
// TLS needs a stream. A configuration with udt.ModeMessage is refused with
// udt.ErrMode.
package tlsadapter
