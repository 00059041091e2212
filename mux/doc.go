// Package mux carries many independent streams over one connection.
//
// Over a message-mode udt.Conn a session is free of head-of-line blocking: its frames
// travel in unordered messages of one packet each, and every stream is put in order
// by itself, so a lost packet delays only the streams whose bytes it carried. Over
// any other net.Conn, such as TLS, TCP or a stream-mode UDT connection, the same
// frames travel in order. The interface is the same.
//
//	conn, err := (&udt.Dialer{Config: &udt.Config{Mode: udt.ModeMessage}}).Dial("udt", address)
//	...
//	session, err := mux.Client(conn, nil)
//	...
//	stream, err := session.OpenStream(ctx)
//
// A Session is a net.Listener and a Stream is a net.Conn, so servers and protocols
// that were written for TCP run on streams as they are. For peers that speak yamux,
// package mux/yamux gives sessions of hashicorp/yamux the methods of a Muxer, which
// Session has too. A program that needs no more changes the line that makes the
// session.
//
// # Ends
//
// Nothing is truncated silently: io.EOF means that the peer has ended the stream and
// that everything it wrote was read. A stream that was reset gives a *StreamError, a
// session that was closed a *SessionError, and a lost connection its own error.
// Write fails at once when the peer has closed the stream or its reading side.
// Stream.Close delivers what was written, and does not wait; Session.Close delivers
// what its streams were given, and waits for the peer to take notice.
//
// A stream counts against the peer's Config.MaxStreams until both directions are
// over and the application has closed it. An application that has read a stream to
// its end and called CloseWrite is done with it; any other must call Close or Reset.
//
// # Flow control
//
// What waits for Read is bounded for each stream and for the session. The windows of
// streams grow with the path: when half a window is read within two round trips it
// doubles. A stream that is not read stops its own writer only, until so many are
// not read that they fill the window of the session.
//
// # Wire protocol, version 1
//
// Integers marked (i) have the variable length of RFC 9000, section 16: the two
// highest bits of the first byte say whether the integer has 1, 2, 4 or 8 bytes,
// big-endian, and are not part of its value. Longer forms than needed are valid.
//
// The unit of sending is the packet: frames one after the other, at most 65535 bytes.
// There are two carriers.
//
//   - Messages (a UDT connection in message mode): each packet is one message without
//     the "in order" flag. A sender makes packets that fit one packet of the carrier,
//     but may use 256 bytes in any case. The packet with CLOSE is sent in order, so
//     that it is delivered after all others. DATAGRAM is alone in its packet, a
//     message that may have a time to live.
//   - Byte stream: each packet follows its length in two bytes, big-endian.
//
// Both are reliable, but for DATAGRAM; the first may deliver in any order. Therefore frames carry stream
// offsets, limits are absolute and only grow, and an endpoint must take frames about
// a stream in any order. Frames about streams that have ended are ignored.
//
// Either side may send as soon as the connection exists. One is the client and the
// other the server. HELLO is in the first packet of either side that is no DATAGRAM; on
// a byte stream it is the first frame to arrive. Before it the limits of the peer are taken
// to be: 65536 bytes per stream, 262144 per session, 16 streams of each kind. An
// endpoint must allow as much; streams below that number which it does not want it
// resets with code REFUSED.
//
// Stream IDs are (i): 4·n + 2·u + s, where n counts the streams of this kind from 0,
// u is 1 for unidirectional streams and s is 1 if the server opened it. The first
// frame about a stream opens it and all lower ones of its kind. Openers send a frame
// at once, a STREAM frame without data if need be.
//
// # Frames
//
// A frame begins with its type (i).
//
//	0x00 PADDING          anything up to the end of the packet
//	0x01 HELLO            length (i), then: "udtmux", version (i) = 1, role (i): 0 client, 1 server,
//	                      carrier (i): 0 byte stream, 1 messages, settings: pairs of number (i), value (i)
//	0x02 PING             token (8 bytes)
//	0x03 PONG             token (8 bytes) of the PING it answers
//	0x04 RESET_STREAM     stream (i), code (i), final size (i)
//	0x05 STOP_SENDING     stream (i), code (i)
//	0x06 MAX_DATA         limit (i)
//	0x07 MAX_STREAM_DATA  stream (i), limit (i)
//	0x08 MAX_STREAMS      count of bidirectional streams (i)
//	0x09 MAX_UNI_STREAMS  count of unidirectional streams (i)
//	0x0a GOAWAY           nothing
//	0x0b CLOSE            code (i), length (i), reason in UTF-8
//	0x0c DATAGRAM         data up to the end of the packet
//	0x0d PRIORITY         stream (i), count (i), 2·urgency + incremental (i)
//	0x10 to 0x17 STREAM   stream (i), [offset (i)], [length (i)], data
//	from 0x40             length (i), content
//
// The type of STREAM is 0x10 plus 1 (FIN) if the stream ends after these data, 2 if
// there is a length, else the data reach to the end of the packet, 4 if there is an
// offset, else it is 0. Offsets stay below 2^62. Types from 0x40 on are extensions;
// unknown ones are skipped. Any other type ends the session.
//
// Settings: 1 initial limit of every stream, 2 initial MAX_DATA, 3 initial MAX_STREAMS,
// 4 initial MAX_UNI_STREAMS. Missing ones are 0, and a limit below the one before HELLO
// changes nothing. Unknown ones are ignored. A second HELLO, another version, the
// same role as one's own, or another carrier ends the session.
//
// An endpoint ends the session with PROTOCOL if a frame is malformed, about a stream
// that its peer alone can open and has not, about a direction that the stream has not
// or that is not the sender's to speak of, a PONG without PING, or a DATAGRAM on a byte
// stream; with FLOW_CONTROL if a limit is exceeded, that of streams included.
//
// # Streams
//
// Each direction of a stream is a sequence of bytes. It ends with FIN, after all its
// bytes, or with RESET_STREAM, which says how many bytes the sender counted. No byte
// is sent twice. Frames beyond the final size, or two final sizes, end the session. RESET_STREAM after
// everything has arrived changes nothing.
//
// STOP_SENDING says that data will be discarded. Its receiver sends RESET_STREAM with
// the same code, unless it has sent FIN or RESET_STREAM. A stream that its application
// closes before it has all data sends STOP_SENDING with code 0. Codes below 2^32 are
// the application's, others the protocol's: 2^32 PROTOCOL, the peer broke the protocol;
// 2^32+1 FLOW_CONTROL, it exceeded a limit; 2^32+2 FLOOD, it made work without
// purpose; 2^32+3 REFUSED, the stream was not looked at.
//
// # Flow control on the wire
//
// MAX_STREAM_DATA limits the end of the highest byte sent on a stream; MAX_DATA the
// sum of these ends over all streams, of which a reset counts the final size;
// MAX_STREAMS and MAX_UNI_STREAMS how many streams the peer may have opened so far.
// Going beyond a limit ends the session. A receiver moves a limit when a good part of
// its window has been consumed, twice per half window at most, and that of streams
// when the application is done with one.
//
// # Priorities, PING, GOAWAY, CLOSE
//
// PRIORITY tells the acceptor of a bidirectional stream how its opener wants it to be
// sent, as RFC 9218; the count grows with each change, from 0, and one that is not
// above the last is ignored. Streams begin with urgency 3, incremental.
//
// PING is answered with PONG, once. An endpoint has one PING on its way at most.
// Endpoints send one when they have heard nothing for a while, and give up a peer
// that stays silent.
//
// After GOAWAY its receiver opens no more streams; those that exist go on, and so do
// those opened before it arrived. CLOSE ends the session. Streams that have not ended
// fail. Its receiver closes the connection, and its sender after that, or when that
// takes too long.
//
// An endpoint may end a session with FLOOD whose peer exceeds, with a generous burst:
// 200 streams per second opened and reset before the application was done with them,
// 10 pings per second, 100 moves of limits per second and one per 16384 bytes that it
// was sent and two per stream that was opened to it, 1000 changes of priority per
// second, 100 frames without effect per second and three per stream that either
// opened, or more than 64 holes in a stream and one per 256 bytes of it, and 4096 in
// all streams beyond those. A packet without frames, but for PADDING, is
// a frame without effect.
package mux
