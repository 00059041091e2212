package proto

// Stats counts what a connection did. All only grow.
type Stats struct {
	PacketsSent, PacketsReceived     uint64 // data packets, retransmissions and copies included
	PacketsRetransmitted             uint64
	PacketsLostSend, PacketsLostRecv uint64
	PacketsDuplicate                 uint64 // received more than once
	PacketsDropped                   uint64 // refused: beyond the window
	PacketsReordered                 uint64 // arrived late, before they were asked for
	PacketsGivenUp                   uint64 // the peer's drop requests
	LossesSpurious                   uint64
	AcksSent, AcksReceived           uint64
	Ack2sSent, Ack2sReceived         uint64
	NaksSent, NaksReceived           uint64
	NaksRepeated                     uint64
	BytesSent, BytesReceived         uint64 // payload, retransmissions included; received only once
	Probes, Timeouts                 uint64
	MessagesExpired                  uint64
	DropRequestsSent                 uint64
	Malformed                        uint64 // packets dropped because a field was out of range
	OverBudget                       uint64 // control packets dropped because there were too many
	Optimistic                       uint64 // ACKs, among Malformed, of what cannot have arrived
	Challenges                       uint64 // Shutdowns that were questioned
	ChallengesAnswered               uint64 // of these by a peer that lives: they were forged
}

// Violations returns the counters, for a look at those of what honest peers do not
// do. They must not be modified.
func (c *Conn) Violations() *Stats { return &c.stats }
