// Package mux carries many independent streams over one connection.
//
// Over a message-mode udt.Conn a session has no head-of-line blocking: its frames
// travel in unordered messages of one packet each, and every stream is put in order
// by itself. A lost packet delays only the streams whose bytes it carried. Over any
// other net.Conn, such as TLS, TCP or a stream-mode UDT connection, the same frames
// travel in order. The interface is the same.
//
//	conn, err := (&udt.Dialer{Config: &udt.Config{Mode: udt.ModeMessage}}).Dial("udt", address)
//	...
//	session, err := mux.Client(conn, nil)
//	...
//	stream, err := session.OpenStream(ctx)
//
// A Session is a net.Listener and a Stream is a net.Conn, so servers and protocols
// that were written for TCP run on streams without changes. For peers that speak
// yamux, package mux/yamux gives sessions of hashicorp/yamux the methods of a Muxer,
// which Session has too. A program that needs no more changes the line that makes the
// session.
//
// # Ends
//
// No stream is truncated silently: io.EOF means that the peer ended the stream and
// that everything it wrote was read. A stream that was reset gives a *StreamError, a
// session that was closed a *SessionError, and a lost connection the error of that
// connection. Write fails at once if the peer has closed the stream or its reading
// side. Stream.Close delivers what was written, and does not wait. Session.Close
// delivers what its streams were given, and waits until the peer has closed too.
//
// A stream counts against the peer's Config.MaxStreams until both directions have
// ended and the application has closed it. An application that has read a stream to
// its end and called CloseWrite is done with it; in all other cases it must call Close
// or Reset.
//
// To end a session gracefully, call GoAway, serve the streams that are open until
// NumStreams is 0, and then call Close.
//
// # Flow control
//
// The bytes that wait for Read are bounded for each stream and for the session. The
// window of a stream grows with the path: it doubles when half of it is read within
// two round trips. A stream that is not read stops only its own writer, until the
// unread bytes of many streams fill the window of the session.
//
// # Wire protocol
//
// The frames and their rules are described in internal/proto/SPEC.md.
package mux
