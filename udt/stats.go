package udt

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
)

// Stats is a snapshot of a connection's counters and state. Counters only grow;
// callers take differences. It has what the C++ library's perfmon has, and more.
type Stats struct {
	Time time.Time // of the snapshot

	PacketsSent, PacketsReceived     uint64 // data packets, retransmissions included
	PacketsRetransmitted             uint64
	PacketsLostSend, PacketsLostRecv uint64 // as each side reported or saw
	PacketsDuplicate                 uint64 // received more than once
	PacketsDropped                   uint64 // refused because the window was full
	PacketsReordered                 uint64 // arrived late, before they were asked for
	PacketsGivenUp                   uint64 // not received because the peer's message expired
	LossesSpurious                   uint64 // losses reported by us that had only been late
	AcksSent, AcksReceived           uint64
	Ack2sSent, Ack2sReceived         uint64
	NaksSent, NaksReceived           uint64
	NaksRepeated                     uint64
	BytesSent, BytesReceived         uint64 // payload; sent ones with retransmissions
	Probes                           uint64 // sent because no acknowledgement came
	Timeouts                         uint64 // three probes in a row unanswered
	MessagesExpired                  uint64 // given up because of MessageOptions.TTL
	DropRequestsSent                 uint64
	Malformed                        uint64 // packets dropped because a field was out of range
	PacketsForged                    uint64 // protected connections: dropped because the peer did not seal them
	PacketsReplayed                  uint64 // protected connections: dropped because they were opened before, or are too old
	PathChallenges                   uint64 // protected connections: sent to where packets of the peer came from
	PathChanges                      uint64 // protected connections: moves of the peer to another address
	OverBudget                       uint64 // control packets dropped because there were too many
	OptimisticAcks                   uint64 // ACKs, among Malformed, of what cannot have arrived
	ShutdownsQuestioned              uint64 // challenged because of Limits.ChallengeShutdown
	ShutdownsForged                  uint64 // of these, the ones that the peer denied

	SendingTime      time.Duration // with data on their way
	SendPeriod       time.Duration // between packets
	FlowWindow       int           // packets the peer's window lets through
	CongestionWindow int           // packets
	InFlight         int           // packets
	RTT, RTTVar      time.Duration // zero before the first sample
	MinRTT           time.Duration // smallest in the last 10 to 20 s
	LinkCapacity     int64         // bytes per second, as the peer estimates
	RecvRate         int64         // bytes per second, at which data arrive at the peer
	DeliveryRate     int64         // bytes per second, our own latest sample
	SendBuffered     int           // bytes not acknowledged
	SendUnsent       int           // bytes of these not sent yet
	RecvBuffered     int           // bytes not read
	SendAvailable    int           // bytes of Config.SendBuffer that are free
	RecvAvailable    int           // bytes of Config.RecvBuffer that are free
	Stopped          StopReason    // why the sender last stopped
	ExtendedPeer     bool          // the peer speaks our extensions
}

// A StopReason is why a sender stopped sending.
type StopReason uint8

const (
	StopNone        StopReason = iota // it has not stopped yet
	StopApplication                   // there was nothing to send
	StopWindow                        // the window of the CongestionControl was full
	StopFlowWindow                    // the peer's window was full
	StopPacing                        // the next packet was not due yet
	StopSocket                        // the socket took no more
)

// The values are those of the protocol machine: this compiles only if they are.
var _ [0]struct{} = [StopSocket - StopReason(proto.StopSocket)]struct{}{}

var stopNames = [...]string{"none", "application", "window", "flow window", "pacing", "socket"}

// String returns "none", "application", "window", "flow window", "pacing" or "socket".
func (r StopReason) String() string {
	if int(r) < len(stopNames) {
		return stopNames[r]
	}
	return "invalid"
}

// Stats returns a snapshot.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	i := c.core.Info()
	var forged, replayed, challenges, moves uint64
	if g := c.guard; g != nil {
		forged, replayed = g.rejected[rejectedForged].Load(), g.rejected[rejectedReplayed].Load()
		challenges, moves = g.challenges, g.moves
	}
	c.mu.Unlock()
	k := i.Stats
	return Stats{
		PacketsForged: forged, PacketsReplayed: replayed, PathChallenges: challenges, PathChanges: moves,
		Time:        time.Now(),
		PacketsSent: k.PacketsSent, PacketsReceived: k.PacketsReceived, PacketsRetransmitted: k.PacketsRetransmitted,
		PacketsLostSend: k.PacketsLostSend, PacketsLostRecv: k.PacketsLostRecv,
		PacketsDuplicate: k.PacketsDuplicate, PacketsDropped: k.PacketsDropped, PacketsReordered: k.PacketsReordered,
		PacketsGivenUp: k.PacketsGivenUp, LossesSpurious: k.LossesSpurious,
		AcksSent: k.AcksSent, AcksReceived: k.AcksReceived, Ack2sSent: k.Ack2sSent, Ack2sReceived: k.Ack2sReceived,
		NaksSent: k.NaksSent, NaksReceived: k.NaksReceived, NaksRepeated: k.NaksRepeated,
		BytesSent: k.BytesSent, BytesReceived: k.BytesReceived, Probes: k.Probes, Timeouts: k.Timeouts,
		MessagesExpired: k.MessagesExpired, DropRequestsSent: k.DropRequestsSent, Malformed: k.Malformed,
		OverBudget: k.OverBudget, OptimisticAcks: k.Optimistic, ShutdownsQuestioned: k.Challenges, ShutdownsForged: k.ChallengesAnswered,
		SendingTime: i.SendingTime, SendAvailable: i.SendRoom, RecvAvailable: i.RecvRoom,
		SendPeriod: i.SendPeriod, FlowWindow: i.FlowWindow, CongestionWindow: i.Window, InFlight: i.InFlight,
		RTT: i.RTT, RTTVar: i.RTTVar, MinRTT: i.MinRTT, LinkCapacity: i.LinkCapacity, RecvRate: i.RecvRate,
		DeliveryRate: i.DeliveryRate, SendBuffered: i.SendBuffered, SendUnsent: i.Unsent, RecvBuffered: i.RecvBuffered,
		Stopped: StopReason(i.Stopped), ExtendedPeer: i.Extended,
	}
}
