package wire

import "encoding/binary"

// Sizes, in bytes.
const (
	HeaderLen = 16 // of every packet, data and control

	// UDPOverhead is what the reference subtracts from the MSS for the IP and
	// UDP headers, also on IPv6 (SPEC.md#framing).
	UDPOverhead = 28

	// DataOverhead is what a data packet's payload is shorter than the MSS by.
	DataOverhead = UDPOverhead + HeaderLen
)

// Type is the type of a control packet.
type Type uint16

// The control packets of UDT version 4.
const (
	TypeHandshake         Type = 0
	TypeKeepAlive         Type = 1
	TypeAck               Type = 2
	TypeNak               Type = 3
	TypeCongestionWarning Type = 4
	TypeShutdown          Type = 5
	TypeAck2              Type = 6
	TypeDropRequest       Type = 7
	TypeError             Type = 8
	TypeUser              Type = 0x7FFF
)

// Extended types of user-defined packets from FirstOwnExt on are ours, and used on
// protected connections only (SPEC.md#user-defined).
const (
	FirstOwnExt      = 0xFF00
	ExtPathChallenge = 0xFF01
	ExtPathResponse  = 0xFF02
)

// Boundary tells which part of a message a data packet carries.
type Boundary uint8

// The values of a data packet's FF bits.
const (
	Middle Boundary = 0
	Last   Boundary = 1
	First  Boundary = 2
	Solo   Boundary = 3 // the only packet of its message
)

// IsFirst reports whether the packet begins a message.
func (b Boundary) IsFirst() bool { return b&First != 0 }

// IsLast reports whether the packet ends a message.
func (b Boundary) IsLast() bool { return b&Last != 0 }

// Data is the header of a data packet.
type Data struct {
	Number   uint32 // sequence number
	Boundary Boundary
	Ordered  bool
	Message  uint32 // message number
	Time     uint32 // microseconds, or the transmission number among extended peers
	Dest     uint32 // socket ID
}

// Control is the header of a control packet.
type Control struct {
	Type Type
	Ext  uint16 // extended type of user-defined packets, else 0
	Info uint32 // additional information
	Time uint32
	Dest uint32 // socket ID
}

const controlBit = 1 << 31

// IsControl reports whether b, of at least HeaderLen bytes, is a control packet.
func IsControl(b []byte) bool { return b[0]&0x80 != 0 }

// Dest returns the destination socket ID of b, of at least HeaderLen bytes.
func Dest(b []byte) uint32 { return binary.BigEndian.Uint32(b[12:16]) }

// Put writes the header into the first HeaderLen bytes of b.
func (d *Data) Put(b []byte) {
	_ = b[15]
	word1 := uint32(d.Boundary)<<30 | d.Message&MessageMask
	if d.Ordered {
		word1 |= 1 << 29
	}
	binary.BigEndian.PutUint32(b[0:], d.Number&NumberMask)
	binary.BigEndian.PutUint32(b[4:], word1)
	binary.BigEndian.PutUint32(b[8:], d.Time)
	binary.BigEndian.PutUint32(b[12:], d.Dest)
}

// ParseData decodes the header of a data packet of at least HeaderLen bytes.
func ParseData(b []byte) Data {
	_ = b[15]
	word1 := binary.BigEndian.Uint32(b[4:])
	return Data{
		Number:   binary.BigEndian.Uint32(b[0:]) & NumberMask,
		Boundary: Boundary(word1 >> 30),
		Ordered:  word1&(1<<29) != 0,
		Message:  word1 & MessageMask,
		Time:     binary.BigEndian.Uint32(b[8:]),
		Dest:     binary.BigEndian.Uint32(b[12:]),
	}
}

// Put writes the header into the first HeaderLen bytes of b.
func (c *Control) Put(b []byte) {
	_ = b[15]
	binary.BigEndian.PutUint32(b[0:], controlBit|uint32(c.Type&0x7FFF)<<16|uint32(c.Ext))
	binary.BigEndian.PutUint32(b[4:], c.Info)
	binary.BigEndian.PutUint32(b[8:], c.Time)
	binary.BigEndian.PutUint32(b[12:], c.Dest)
}

// ParseControl decodes the header of a control packet of at least HeaderLen bytes.
func ParseControl(b []byte) Control {
	_ = b[15]
	word0 := binary.BigEndian.Uint32(b[0:])
	return Control{
		Type: Type(word0 >> 16 & 0x7FFF),
		Ext:  uint16(word0),
		Info: binary.BigEndian.Uint32(b[4:]),
		Time: binary.BigEndian.Uint32(b[8:]),
		Dest: binary.BigEndian.Uint32(b[12:]),
	}
}
