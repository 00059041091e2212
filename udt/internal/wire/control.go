package wire

import "encoding/binary"

// PadLen is the length of the zero body that libudt gives to control packets
// that have none.
const PadLen = 4

// KeepAliveAckRequest, as the additional information of a keep-alive, asks an
// extended peer to acknowledge at once (SPEC.md#keep-alive).
const KeepAliveAckRequest = 1

// ShutdownAnswer, as the additional information of a Shutdown, says that it
// answers another one and wants no answer itself.
const ShutdownAnswer = 1

// ErrorFileWrite is the only error signal the reference sends.
const ErrorFileWrite = 4000

// Reason is the code in the body of our own Shutdown; the reference sends none
// and reads none.
type Reason uint32

// Why a connection was shut down (SPEC.md#shutdown).
const (
	ReasonClosed   Reason = 0
	ReasonAborted  Reason = 1
	ReasonProtocol Reason = 2
	ReasonEndpoint Reason = 3
)

// Shutdown is the body of a Shutdown as our own peers write it.
type Shutdown struct {
	Reason Reason
	Final  uint32 // sequence number after the last one sent
}

// ShutdownLen is the size of our Shutdown body.
const ShutdownLen = 8

// Put writes the body into the first ShutdownLen bytes of b.
func (s *Shutdown) Put(b []byte) {
	binary.BigEndian.PutUint32(b[0:], uint32(s.Reason))
	binary.BigEndian.PutUint32(b[4:], s.Final&NumberMask)
}

// ParseShutdown decodes the body of a Shutdown; ok is false for one that does
// not carry reason and final number, like the reference's.
func ParseShutdown(body []byte) (s Shutdown, ok bool) {
	if len(body) < ShutdownLen {
		return Shutdown{}, false
	}
	return Shutdown{
		Reason: Reason(binary.BigEndian.Uint32(body[0:])),
		Final:  binary.BigEndian.Uint32(body[4:]) & NumberMask,
	}, true
}

// DropRequestLen is the size of a message drop request's body.
const DropRequestLen = 8

// PutDropRequest writes the body of a message drop request for the packets
// first to last, inclusive, into the first DropRequestLen bytes of b.
func PutDropRequest(b []byte, first, last int64) {
	binary.BigEndian.PutUint32(b[0:], Number(first))
	binary.BigEndian.PutUint32(b[4:], Number(last))
}

// ParseDropRequest decodes the body of a message drop request. The range is
// inclusive and not validated.
func ParseDropRequest(body []byte) (first, last uint32, err error) {
	if len(body) < DropRequestLen {
		return 0, 0, ErrMalformed
	}
	return binary.BigEndian.Uint32(body[0:]) & NumberMask, binary.BigEndian.Uint32(body[4:]) & NumberMask, nil
}
