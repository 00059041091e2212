package proto

import "time"

const (
	// initialWindow is what a connection is willing to hold before it has
	// shown that it needs more, in bytes.
	initialWindow = 1 << 20

	// windowReserve is how many packets are accepted beyond the window: the
	// reference never lets an advertised window fall under 2, so a sender
	// may always send two more.
	windowReserve = 2

	// minWindow is the smallest window on the wire (../wire/SPEC.md#ack).
	minWindow = 2

	// socketShare: on a path shorter than shortPath packets arrive faster than
	// they are read, and wait in the socket's buffer. The kernel accounts
	// packetTruesize for a full frame (SPEC.md#receive-window).
	shortPath       = 500 * time.Microsecond
	packetTruesize  = 2304
	minSocketWindow = 64
)

// recvWindow decides how many packets the peer may send beyond what the
// application has read. It starts small and doubles each round trip in which
// the path used a quarter of it, up to the configured cap and within the
// endpoint's budget (SPEC.md#receive-window).
type recvWindow struct {
	memory   Memory
	payload  int
	size     int // packets from the first unread one on
	cap      int // packets, from RecvBuffer
	limit    int // packets, what the handshake promised at most
	socket   int // packets that the socket's buffer holds; zero unknown
	borrowed int // bytes taken from the endpoint's budget

	promised int64 // highest number ever advertised, one past it

	roundEnd     time.Duration
	roundPackets int
}

// newRecvWindow returns the window of a connection whose packets carry payload
// bytes and whose handshake promised limit packets.
func newRecvWindow(c *Config, payload, limit int, first int64) recvWindow {
	w := recvWindow{memory: c.Memory, payload: payload, limit: limit}
	w.cap = max(c.RecvBuffer/payload, 2*minWindow)
	w.cap = min(w.cap, w.limit)
	w.size = min(w.cap, max(initialWindow/payload, 2*minWindow))
	w.setSocket(c.SocketBuffer)
	w.promised = first
	return w
}

// setSocket sets how many bytes of the socket's buffer are the connection's;
// zero means that it is not known.
func (w *recvWindow) setSocket(bytes int) {
	w.socket = 0
	if bytes > 0 {
		w.socket = max(bytes*3/4/packetTruesize, minSocketWindow)
	}
}

// edge returns one past the last number that may be sent when the application
// has consumed everything before head.
func (w *recvWindow) edge(head, next int64, minRTT time.Duration) int64 {
	e := head + int64(w.size)
	if w.socket != 0 && minRTT < shortPath {
		e = min(e, next+int64(w.socket))
	}
	return max(e, w.promised)
}

// grow is called once per batch of n packets. Unread counts packets that the
// application could have read.
func (w *recvWindow) grow(now, rtt time.Duration, n, unread int) {
	w.roundPackets += n
	if now < w.roundEnd {
		return
	}
	used := w.roundPackets
	w.roundPackets, w.roundEnd = 0, now+rtt
	if used*4 > w.size && unread < w.size/4 {
		w.double()
	}
}

func (w *recvWindow) double() bool {
	add := min(w.size, w.cap-w.size)
	if add <= 0 || !w.memory.Grow(add*w.payload) {
		return false
	}
	w.borrowed += add * w.payload
	w.size += add
	return true
}

func (w *recvWindow) release() {
	if w.borrowed > 0 {
		w.memory.Shrink(w.borrowed)
		w.borrowed = 0
	}
}
