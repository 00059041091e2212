package link

// record is a packet on its way.
type record struct {
	start, size int // its place in the store
	leaves      int64
	arrives     int64
}

// store holds packets in order: the youngest wait for the link, the others are
// on their way. It grows as needed and reuses its memory otherwise.
type store struct {
	records []record // a ring
	first   int
	n       int
	waiting int // the last of the n

	data []byte // a ring in which every packet is in one piece
	tail int    // where the next packet goes
}

// reserveFor makes room for so many bytes of packets.
func (s *store) reserveFor(bytes int) {
	s.data = make([]byte, bytes+64*MTU)
	s.records = make([]record, 64+bytes/256)
}

// reserve returns MTU bytes for the next packet.
func (s *store) reserve() []byte {
	for {
		if s.n == 0 {
			s.tail = 0
		}
		if start, ok := s.room(); ok {
			s.tail = start
			return s.data[start : start+MTU]
		}
		s.grow()
	}
}

// room finds a place for MTU bytes behind the youngest packet and before the
// oldest, if need be at the beginning of data.
func (s *store) room() (start int, ok bool) {
	if s.n == 0 {
		return 0, len(s.data) >= MTU
	}
	head := s.records[s.first].start
	switch {
	case s.tail <= head:
		return s.tail, s.tail+MTU <= head
	case s.tail+MTU <= len(s.data):
		return s.tail, true
	default:
		return 0, MTU <= head
	}
}

// grow doubles the data and closes the gaps.
func (s *store) grow() {
	bigger := make([]byte, 2*len(s.data))
	at := 0
	for i := range s.n {
		r := s.at(i)
		copy(bigger[at:], s.data[r.start:r.start+r.size])
		r.start = at
		at += r.size
	}
	s.data, s.tail = bigger, at
}

// push adds the packet that is at the place last reserved.
func (s *store) push(r record) {
	if s.n == len(s.records) {
		bigger := make([]record, 2*s.n)
		for i := range s.n {
			bigger[i] = *s.at(i)
		}
		s.records, s.first = bigger, 0
	}
	r.start = s.tail
	s.tail += r.size
	s.n++
	s.waiting++
	*s.at(s.n - 1) = r
}

// at returns the i-th packet, the oldest being the 0th.
func (s *store) at(i int) *record {
	i += s.first
	if i >= len(s.records) {
		i -= len(s.records)
	}
	return &s.records[i]
}

// nextToLeave is when the first waiting packet's last bit is sent.
func (s *store) nextToLeave() int64 { return s.at(s.n - s.waiting).leaves }

// depart lets the packets go that have been sent by then.
func (s *store) depart(by int64) {
	for s.waiting > 0 && s.nextToLeave() <= by {
		s.waiting--
	}
}

// front returns the oldest packet and when it is to arrive, or nil.
func (s *store) front() (packet []byte, arrives int64) {
	if s.n == 0 {
		return nil, 0
	}
	r := s.at(0)
	return s.data[r.start : r.start+r.size], r.arrives
}

// pop takes the oldest packet out. It must not be waiting any more.
func (s *store) pop() {
	s.first++
	if s.first == len(s.records) {
		s.first = 0
	}
	s.n--
}
