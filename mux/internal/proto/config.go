package proto

import "time"

// Limits that hold for the peer before it has seen our Hello frame, so that it can
// begin without waiting. No session may promise less.
const (
	EarlyStreamWindow  = 64 << 10  // bytes
	EarlySessionWindow = 256 << 10 // bytes
	EarlyStreams       = 16        // of each kind
)

// MinPacket is the smallest size of packets, in bytes: every control frame fits.
const MinPacket = 256

// MaxReason is how many bytes of a reason for closing are sent.
const MaxReason = 128

// A Config configures a Session. There are no defaults.
type Config struct {
	Server   bool
	Messages bool // the carrier keeps message boundaries, and may reorder

	Streams [2]int64 // how many the peer may have open, by Kind
	Backlog int64    // how many of each kind may wait for Accept

	StreamWindow    int64 // bytes at first, at least EarlyStreamWindow
	MaxStreamWindow int64 // bytes
	SessionWindow   int64 // bytes, at least EarlySessionWindow

	MaxFrame int // payload bytes of one frame

	KeepAlive time.Duration // silence of the peer after which it is asked; 0 never
	Idle      time.Duration // silence after which it is gone; 0 never

	// NewStream makes streams, so that the caller can embed them.
	NewStream func() *Stream
}

// A Kind is bidirectional or unidirectional.
type Kind int

const (
	Bidi Kind = iota
	Uni
)

// Stream IDs are 4·n + 2·kind + role of the opener, n counting from 0.
func streamID(n int64, k Kind, server bool) int64 {
	id := n<<2 | int64(k)<<1
	if server {
		id |= 1
	}
	return id
}

func kindOf(id int64) Kind         { return Kind(id >> 1 & 1) }
func openedByServer(id int64) bool { return id&1 != 0 }
