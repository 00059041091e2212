package wire

import "encoding/binary"

// AckForm is one of the forms of an ACK, told apart by length.
type AckForm uint8

// The forms (SPEC.md#ack).
const (
	AckLight    AckForm = iota // 4 bytes: the next expected number only
	AckShort                   // 16 bytes: RTT and window too
	AckFull                    // 24 bytes: rates too
	AckExtended                // 48 bytes and a list of missing ranges
)

// MaxAckRanges bounds the missing ranges in an extended ACK.
const MaxAckRanges = 96

// ExtendedAckLen is the size in bytes of an extended ACK's body without missing
// ranges.
const ExtendedAckLen = 48

const ackMagic = 'U'<<24 | 'D'<<16 | 'X'<<8 | '1'

// Ack is the body of an ACK.
type Ack struct {
	Form     AckForm
	Next     uint32 // next expected sequence number: all before it has arrived
	RTT      uint32 // microseconds
	RTTVar   uint32 // microseconds
	Window   uint32 // packets, counted from Next
	RecvRate uint32 // packets per second
	Capacity uint32 // packets per second

	// Of the extended form only.
	LargestTx uint32 // largest transmission number received
	Received  uint32 // data transmissions received so far
	Delay     uint32 // microseconds from the arrival of LargestTx to this ACK
	HighNext  uint32 // highest sequence number received + 1
	Clock     uint32 // receiver's clock in microseconds at the arrival of LargestTx
	Missing   []byte // missing ranges in the coding of a NAK; see Ranges
}

// Append appends the body to b.
func (a *Ack) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, a.Next&NumberMask)
	if a.Form == AckLight {
		return b
	}
	b = binary.BigEndian.AppendUint32(b, a.RTT)
	b = binary.BigEndian.AppendUint32(b, a.RTTVar)
	b = binary.BigEndian.AppendUint32(b, a.Window)
	if a.Form == AckShort {
		return b
	}
	b = binary.BigEndian.AppendUint32(b, a.RecvRate)
	b = binary.BigEndian.AppendUint32(b, a.Capacity)
	if a.Form == AckFull {
		return b
	}
	b = binary.BigEndian.AppendUint32(b, ackMagic)
	b = binary.BigEndian.AppendUint32(b, a.LargestTx)
	b = binary.BigEndian.AppendUint32(b, a.Received)
	b = binary.BigEndian.AppendUint32(b, a.Delay)
	b = binary.BigEndian.AppendUint32(b, a.HighNext&NumberMask)
	b = binary.BigEndian.AppendUint32(b, a.Clock)
	return append(b, a.Missing...)
}

// ParseAck decodes the body of an ACK. Words behind those of the full form are
// ignored unless they are those of the extended form. Missing points into body.
func ParseAck(body []byte) (Ack, error) {
	switch {
	case len(body) == 4:
		return Ack{Form: AckLight, Next: binary.BigEndian.Uint32(body) & NumberMask}, nil
	case len(body) < 16, len(body) > 16 && len(body) < 24:
		return Ack{}, ErrMalformed
	}
	a := Ack{
		Form:   AckShort,
		Next:   binary.BigEndian.Uint32(body[0:]) & NumberMask,
		RTT:    binary.BigEndian.Uint32(body[4:]),
		RTTVar: binary.BigEndian.Uint32(body[8:]),
		Window: binary.BigEndian.Uint32(body[12:]),
	}
	if len(body) == 16 {
		return a, nil
	}
	a.Form = AckFull
	a.RecvRate = binary.BigEndian.Uint32(body[16:])
	a.Capacity = binary.BigEndian.Uint32(body[20:])
	if len(body) < ExtendedAckLen || binary.BigEndian.Uint32(body[24:]) != ackMagic {
		return a, nil
	}
	a.Form = AckExtended
	a.LargestTx = binary.BigEndian.Uint32(body[28:])
	a.Received = binary.BigEndian.Uint32(body[32:])
	a.Delay = binary.BigEndian.Uint32(body[36:])
	a.HighNext = binary.BigEndian.Uint32(body[40:]) & NumberMask
	a.Clock = binary.BigEndian.Uint32(body[44:])
	a.Missing = body[ExtendedAckLen:]
	return a, nil
}
