// Package cc holds the congestion controllers and the terms on which the
// protocol machine talks to them. Controllers are pure: they read no clock,
// keep no goroutine and see only what they are given.
//
// Package udt repeats these types for its users, with the same underlying
// types, so that a pointer to one converts to a pointer to the other.
package cc

import "time"

// A Controller sets the pace of one connection. Its methods are called one at a
// time. Packet numbers do not wrap.
type Controller interface {
	Init(now time.Time, s *State)
	OnAck(now time.Time, s *State, a *AckSample)
	OnLoss(now time.Time, s *State, l *LossSample)
	OnTimeout(now time.Time, s *State)
}

// A PacketObserver is a Controller that also sees every data packet. Size is
// that of the datagram in bytes.
type PacketObserver interface {
	OnPacketSent(now time.Time, s *State, packet int64, size int)
	OnPacketReceived(now time.Time, s *State, packet int64, size int)
}

// A RestartObserver is a Controller that is told when sending begins again: data
// are about to be sent and none were on their way.
type RestartObserver interface {
	OnRestart(now time.Time, s *State)
}

// A ControlObserver is a Controller that receives user-defined control packets
// (type 0x7FFF). It must not keep body.
type ControlObserver interface {
	OnControl(now time.Time, s *State, ext uint16, info uint32, body []byte)
}

// PacketRange is the packet numbers First up to but not including End. It is an
// alias so that the samples of this package and of package udt convert.
type PacketRange = struct{ First, End int64 }

// State is what a Controller reads and sets.
type State struct {
	// Set by the connection.
	MSS           int           // bytes
	RTT, RTTVar   time.Duration // smoothed, from our own samples; zero before the first
	MinRTT        time.Duration // windowed minimum of the raw samples; zero before the first
	PeerRTT       time.Duration // as the peer's ACKs report it, smoothed again
	InFlight      int           // packets on their way
	Delivered     int64         // packets the peer has received, as far as known
	Lost          int64         // packets lost, as far as known
	DeliveryRate  int64         // bytes per second, latest sample
	AppLimited    bool          // the latest sample was limited by the application
	WindowLimited bool          // Window was what stopped the sender last
	RecvRate      int           // packets per second, reported by the peer, smoothed
	LinkCapacity  int           // packets per second, estimated by the peer, smoothed
	MaxWindow     int           // packets, the peer's flow window in the handshake
	NextPacket    int64         // number of the next new packet
	LegacyPeer    bool          // the peer sends no extended ACKs

	// SendControl queues a user-defined control packet. It copies body.
	SendControl func(ext uint16, info uint32, body []byte)

	// Set by the Controller.
	SendPeriod  time.Duration // between packets; zero means no pacing
	PacingRate  int64         // bytes per second; overrides SendPeriod unless zero
	MaxBurst    int           // packets sent back to back; zero means chosen by rate
	Window      int           // packets
	AckPeriod   time.Duration // zero means 10 ms; never longer
	AckInterval int           // packets per full ACK; zero means by time only
	RTO         time.Duration // zero means computed from RTT
}

// AckSample is what an acknowledgement told.
type AckSample struct {
	UpTo        int64         // all packets before this number have arrived
	Packets     int           // newly delivered
	Bytes       int           // newly delivered, datagram sizes
	RTT         time.Duration // raw sample; zero if none
	OneWayDelay time.Duration // relative to the smallest seen; zero if unknown

	// Rate sample (draft-ietf-ccwg-bbr, delivery rate samples). Interval zero
	// means none.
	Delivered      int64 // packets delivered during Interval
	Interval       time.Duration
	PriorDelivered int64 // State.Delivered when the sampled packet was sent
	TxInFlight     int   // packets in flight then, with itself
	LostSince      int   // packets lost since then
	AppLimited     bool
}

// LossSample is what is known of a loss.
type LossSample struct {
	Packets    int           // newly lost
	Spurious   int           // losses taken back: they had only been late
	Ranges     []PacketRange // which, where known; valid during the call
	TxInFlight int           // packets in flight when a lost packet was sent
	LostSince  int           // packets lost since then
	RTT        time.Duration // the latest raw sample
}
