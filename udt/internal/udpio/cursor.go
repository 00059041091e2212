package udpio

// A cursor is a position among the datagrams of runs. It is a value: a copy keeps its
// place.
type cursor struct {
	runs   []Run
	offset int // in runs[0].B
}

// peek returns the datagram at the position, nil at the end.
func (c *cursor) peek() []byte {
	for len(c.runs) > 0 {
		r := &c.runs[0]
		if rest := r.B[c.offset:]; len(rest) > 0 {
			if r.Segment > 0 && r.Segment < len(rest) {
				return rest[:r.Segment]
			}
			return rest
		}
		c.runs, c.offset = c.runs[1:], 0
	}
	return nil
}

// advance moves past the datagram d, which peek returned.
func (c *cursor) advance(d []byte) { c.offset += len(d) }
