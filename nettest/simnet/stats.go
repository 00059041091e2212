package simnet

// Stats counts datagrams on one link direction or a whole network.
//
// Once nothing is on the way, Sent+Duplicated equals Delivered+Dropped().
type Stats struct {
	Sent      uint64 // datagrams offered, whatever their fate
	SentBytes uint64 // payload bytes of those

	Delivered      uint64 // copies that reached the receiver's buffer
	DeliveredBytes uint64 // payload bytes of those

	Filtered   uint64 // dropped by a filter
	Down       uint64 // dropped because the link was down
	MTUDrops   uint64 // too large
	BurstLost  uint64 // lost in bursts
	Lost       uint64 // lost at random, without the bursts
	QueueDrops uint64 // found the queue full
	NoPort     uint64 // copies for an address and port that nobody has
	Overflow   uint64 // copies that found the receiver's buffer full

	Duplicated uint64 // second copies made
	Corrupted  uint64 // copies with a flipped bit
	Reordered  uint64 // copies that were held back

	// Queue is the number of datagrams that wait for a link now, with the one
	// being sent. For a network it is the sum over its links.
	Queue int

	// MaxQueue is the greatest number of datagrams that waited for a link
	// at once, with the one being sent.
	MaxQueue int

	// MeanQueue is the average over time of that number, from the first
	// datagram until now. For a network it is the sum over its links.
	MeanQueue float64
}

// Dropped returns how many datagrams or copies did not arrive, for any reason.
func (s *Stats) Dropped() uint64 {
	return s.Filtered + s.Down + s.MTUDrops + s.BurstLost + s.Lost + s.QueueDrops + s.NoPort + s.Overflow
}

// count adds one datagram with the given fate.
func (s *Stats) count(v Verdict) {
	switch v {
	case Drop:
		s.Filtered++
	case DropDown:
		s.Down++
	case DropMTU:
		s.MTUDrops++
	case DropBurst:
		s.BurstLost++
	case DropLoss:
		s.Lost++
	case DropQueue:
		s.QueueDrops++
	case DropPort:
		s.NoPort++
	case DropOverflow:
		s.Overflow++
	}
}

// add adds the counts of o to s.
func (s *Stats) add(o Stats) {
	s.Sent += o.Sent
	s.SentBytes += o.SentBytes
	s.Delivered += o.Delivered
	s.DeliveredBytes += o.DeliveredBytes
	s.Filtered += o.Filtered
	s.Down += o.Down
	s.MTUDrops += o.MTUDrops
	s.BurstLost += o.BurstLost
	s.Lost += o.Lost
	s.QueueDrops += o.QueueDrops
	s.NoPort += o.NoPort
	s.Overflow += o.Overflow
	s.Duplicated += o.Duplicated
	s.Corrupted += o.Corrupted
	s.Reordered += o.Reordered
	s.Queue += o.Queue
	s.MaxQueue = max(s.MaxQueue, o.MaxQueue)
	s.MeanQueue += o.MeanQueue
}
