package udt

import (
	"math/rand/v2"
	"time"

	"github.com/udtgo/udtgo/udt/internal/cc"
)

// A CongestionControl sets the pace of one connection. It is the counterpart of
// the C++ library's CCC. Its methods are called one at a time, with the
// connection locked: they must not block and must not call methods of the Conn.
// Packet numbers do not wrap. The pointers are valid during the call only.
//
// A CongestionControl may also implement PacketObserver, RestartObserver and
// ControlObserver.
type CongestionControl interface {
	// Init is called once, when the handshake has completed.
	Init(now time.Time, s *CongestionState)

	// OnAck is called for acknowledgements that report something new.
	OnAck(now time.Time, s *CongestionState, a *AckSample)

	// OnLoss is called when packets turn out to be lost, or not to have been.
	OnLoss(now time.Time, s *CongestionState, l *LossSample)

	// OnTimeout is called when three probes in a row went unanswered.
	OnTimeout(now time.Time, s *CongestionState)
}

// A PacketObserver is a CongestionControl that also sees every data packet.
// Size is that of the datagram in bytes.
type PacketObserver interface {
	OnPacketSent(now time.Time, s *CongestionState, packet int64, size int)
	OnPacketReceived(now time.Time, s *CongestionState, packet int64, size int)
}

// A RestartObserver is a CongestionControl that is told when sending begins
// again: data are about to be sent and none were on their way.
type RestartObserver interface {
	OnRestart(now time.Time, s *CongestionState)
}

// A ControlObserver is a CongestionControl that receives user-defined control
// packets (type 0x7FFF), which the peer's controller sent with
// CongestionState.SendControl. It must not keep body.
type ControlObserver interface {
	OnControl(now time.Time, s *CongestionState, ext uint16, info uint32, body []byte)
}

// A PacketRange is the packet numbers First up to but not including End.
type PacketRange = struct{ First, End int64 }

// A CongestionState is what a CongestionControl reads and sets.
type CongestionState struct {
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

	// SendControl queues a user-defined control packet of at most 1024 bytes,
	// to be sent once and unreliably. It copies body. In protected mode the
	// extended types from 0xFF00 on belong to this package: such packets are
	// dropped.
	SendControl func(ext uint16, info uint32, body []byte)

	// Set by the CongestionControl.
	SendPeriod  time.Duration // between packets; zero means no pacing
	PacingRate  int64         // bytes per second; overrides SendPeriod unless zero
	MaxBurst    int           // packets sent back to back; zero means chosen by rate
	Window      int           // packets
	AckPeriod   time.Duration // zero means 10 ms; never longer
	AckInterval int           // packets per full ACK; zero means by time only
	RTO         time.Duration // zero means computed from RTT
}

// An AckSample is what an acknowledgement reports.
type AckSample struct {
	UpTo        int64         // all packets before this number have arrived
	Packets     int           // newly delivered
	Bytes       int           // newly delivered, datagram sizes: the average of a batch if some of it are missing
	RTT         time.Duration // raw sample; zero if none
	OneWayDelay time.Duration // relative to the smallest seen; zero if unknown

	// Rate sample (draft-ietf-ccwg-bbr, delivery rate samples). Interval zero
	// means none.
	Delivered      int64 // packets delivered during Interval
	Interval       time.Duration
	PriorDelivered int64 // CongestionState.Delivered when the sampled packet was sent
	TxInFlight     int   // packets in flight then, with itself
	LostSince      int   // packets lost since then
	AppLimited     bool
}

// A LossSample is what is known of a loss.
type LossSample struct {
	Packets    int           // newly lost
	Spurious   int           // losses taken back: they had only been late
	Ranges     []PacketRange // which, where known; valid during the call
	TxInFlight int           // packets in flight when a lost packet was sent
	LostSince  int           // packets lost since then
	RTT        time.Duration // the latest raw sample
}

// NewNative returns UDT's own rate control with the formulas of the C++
// library: additive increase by the estimated spare capacity, decrease by a
// ninth. Choose it for libudt's behaviour. It differs in two evident defects of the
// library: a loss before the peer has reported any rate does not throttle it to 16
// packets per second, and an inverted formula at the end of slow start is corrected.
func NewNative() CongestionControl { return builtin{cc.NewNative(rand.Float64)} }

// builtin gives one of our own controllers the exported type.
type builtin struct{ cc.Controller }

func (b builtin) Init(now time.Time, s *CongestionState) { b.Controller.Init(now, (*cc.State)(s)) }

func (b builtin) OnAck(now time.Time, s *CongestionState, a *AckSample) {
	b.Controller.OnAck(now, (*cc.State)(s), (*cc.AckSample)(a))
}

func (b builtin) OnLoss(now time.Time, s *CongestionState, l *LossSample) {
	b.Controller.OnLoss(now, (*cc.State)(s), (*cc.LossSample)(l))
}

func (b builtin) OnTimeout(now time.Time, s *CongestionState) {
	b.Controller.OnTimeout(now, (*cc.State)(s))
}

// controller returns a new controller in the type of the protocol machine.
func (c *Config) controller() cc.Controller {
	if c.CongestionControl == nil {
		return cc.NewFathom(rand.Float64)
	}
	u := c.CongestionControl()
	if b, ok := u.(builtin); ok {
		return b.Controller
	}
	a := userControl{u}
	if o, ok := u.(PacketObserver); ok {
		return observingControl{a, o}
	}
	return a
}

// userControl gives a user's controller the internal type. The structs have the
// same underlying types, so that the pointers convert.
type userControl struct{ u CongestionControl }

func (a userControl) Init(now time.Time, s *cc.State) { a.u.Init(now, (*CongestionState)(s)) }

func (a userControl) OnAck(now time.Time, s *cc.State, k *cc.AckSample) {
	a.u.OnAck(now, (*CongestionState)(s), (*AckSample)(k))
}

func (a userControl) OnLoss(now time.Time, s *cc.State, l *cc.LossSample) {
	a.u.OnLoss(now, (*CongestionState)(s), (*LossSample)(l))
}

func (a userControl) OnTimeout(now time.Time, s *cc.State) { a.u.OnTimeout(now, (*CongestionState)(s)) }

func (a userControl) OnRestart(now time.Time, s *cc.State) {
	if o, ok := a.u.(RestartObserver); ok {
		o.OnRestart(now, (*CongestionState)(s))
	}
}

func (a userControl) OnControl(now time.Time, s *cc.State, ext uint16, info uint32, body []byte) {
	if o, ok := a.u.(ControlObserver); ok {
		o.OnControl(now, (*CongestionState)(s), ext, info, body)
	}
}

// observingControl is a userControl that sees every data packet.
type observingControl struct {
	userControl
	o PacketObserver
}

func (a observingControl) OnPacketSent(now time.Time, s *cc.State, packet int64, size int) {
	a.o.OnPacketSent(now, (*CongestionState)(s), packet, size)
}

func (a observingControl) OnPacketReceived(now time.Time, s *cc.State, packet int64, size int) {
	a.o.OnPacketReceived(now, (*CongestionState)(s), packet, size)
}
