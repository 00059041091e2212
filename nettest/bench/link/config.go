package link

import "time"

// A Side is one of the two ends of a Link.
type Side int

const (
	A Side = iota // by convention the client, which sends
	B             // by convention the server
)

// Config says what a Link is like.
type Config struct {
	Forward Path // from A to B
	Reverse Path // from B to A
}

// Symmetric returns a link with the same rate and half the round-trip time in
// each direction, and a queue of one bandwidth-delay product.
func Symmetric(rate int64, rtt time.Duration) Config {
	p := Path{Rate: rate, Delay: rtt / 2, Queue: max(BDP(rate, rtt), 1)}
	return Config{Forward: p, Reverse: p}
}
