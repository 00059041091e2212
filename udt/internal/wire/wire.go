// Package wire encodes and decodes the packets of UDT version 4 as libudt 4.11
// sends them, and the extensions that this module's own peers use among
// themselves. SPEC.md describes all of them.
//
// It keeps no state, allocates nothing and never panics on input of the
// documented minimum length. It is the only place that knows that sequence
// numbers have 31 bits: everything above it counts packets in int64.
package wire

import "errors"

// ErrMalformed is returned for bodies that no valid packet can have.
var ErrMalformed = errors.New("malformed packet")

// A Run is one or more datagrams that lie one after another in B, each Segment
// bytes long; the last may be shorter. Segment 0, or at least len(B), means one
// datagram.
type Run struct {
	B       []byte
	Segment int
}

// Datagrams returns how many datagrams r holds.
func (r Run) Datagrams() int {
	if r.Segment <= 0 || r.Segment >= len(r.B) {
		return 1
	}
	return (len(r.B) + r.Segment - 1) / r.Segment
}
