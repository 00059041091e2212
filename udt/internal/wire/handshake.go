package wire

import (
	"encoding/binary"
	"net/netip"
)

// HandshakeLen is the size of a handshake's body. A listener of the reference
// drops every other size and a connecting one crashes on shorter ones
// (SPEC.md#handshake).
const HandshakeLen = 48

// Version is the only version of UDT that this package speaks.
const Version = 4

// SocketType is the service asked for in a handshake.
type SocketType uint32

// The socket types as the reference numbers them; the draft says 0 and 1.
const (
	SocketStream  SocketType = 1
	SocketMessage SocketType = 2
)

// Request is the type of a handshake.
type Request int32

// The requests of regular and rendezvous handshakes.
const (
	RequestInduction  Request = 1  // regular request, and the cookie reply
	RequestRendezvous Request = 0  // first step of a rendezvous
	RequestConclusion Request = -1 // regular conclusion and response, second step of a rendezvous
	RequestConfirm    Request = -2 // confirmation of a rendezvous
	RequestRefused    Request = 1002
)

// A Marker is the additional information of a handshake by which our own peers
// know each other; libudt ignores it (SPEC.md#markers). The zero
// Marker says nothing.
type Marker uint32

// The markers, without capability bits.
const (
	MarkerClient     Marker = 'u'<<24 | 'g'<<16 | 'C'<<8
	MarkerServer     Marker = 'u'<<24 | 'g'<<16 | 'S'<<8
	MarkerRendezvous Marker = 'u'<<24 | 'g'<<16 | 'R'<<8
)

// CapExtendedAck is the capability bit for the extended ACK and the
// transmission counter. Unknown bits are ignored.
const CapExtendedAck = 1

// Is reports whether m is of the kind of k, whatever its capabilities.
func (m Marker) Is(k Marker) bool { return m&^0xFF == k&^0xFF }

// ExtendedAck reports whether m offers the extended ACK.
func (m Marker) ExtendedAck() bool { return m&CapExtendedAck != 0 }

// Handshake is the body of a handshake packet.
type Handshake struct {
	Version    uint32
	Type       SocketType
	Number     uint32 // initial sequence number
	MSS        uint32 // bytes, including UDPOverhead
	FlowWindow uint32 // packets
	Request    Request
	SocketID   uint32
	Cookie     uint32
	PeerIP     [16]byte // see PutPeerIP
}

// Put writes the body into the first HandshakeLen bytes of b.
func (h *Handshake) Put(b []byte) {
	_ = b[HandshakeLen-1]
	binary.BigEndian.PutUint32(b[0:], h.Version)
	binary.BigEndian.PutUint32(b[4:], uint32(h.Type))
	binary.BigEndian.PutUint32(b[8:], h.Number)
	binary.BigEndian.PutUint32(b[12:], h.MSS)
	binary.BigEndian.PutUint32(b[16:], h.FlowWindow)
	binary.BigEndian.PutUint32(b[20:], uint32(h.Request))
	binary.BigEndian.PutUint32(b[24:], h.SocketID)
	binary.BigEndian.PutUint32(b[28:], h.Cookie)
	copy(b[32:48], h.PeerIP[:])
}

// ParseHandshake decodes a handshake's body. Longer bodies are accepted, their
// tail is ignored.
func ParseHandshake(body []byte) (Handshake, error) {
	if len(body) < HandshakeLen {
		return Handshake{}, ErrMalformed
	}
	h := Handshake{
		Version:    binary.BigEndian.Uint32(body[0:]),
		Type:       SocketType(binary.BigEndian.Uint32(body[4:])),
		Number:     binary.BigEndian.Uint32(body[8:]),
		MSS:        binary.BigEndian.Uint32(body[12:]),
		FlowWindow: binary.BigEndian.Uint32(body[16:]),
		Request:    Request(binary.BigEndian.Uint32(body[20:])),
		SocketID:   binary.BigEndian.Uint32(body[24:]),
		Cookie:     binary.BigEndian.Uint32(body[28:]),
	}
	copy(h.PeerIP[:], body[32:48])
	return h, nil
}

// SetPeerIP stores the address of the packet's receiver as libudt on a
// little-endian host does: the bytes of each 4-byte group in reverse
// (SPEC.md#peer-ip).
func (h *Handshake) SetPeerIP(a netip.Addr) {
	h.PeerIP = [16]byte{}
	a = a.Unmap()
	if a.Is4() {
		ip := a.As4()
		h.PeerIP[0], h.PeerIP[1], h.PeerIP[2], h.PeerIP[3] = ip[3], ip[2], ip[1], ip[0]
		return
	}
	if !a.Is6() {
		return
	}
	ip := a.As16()
	for i := range ip {
		h.PeerIP[i] = ip[i&^3|3-i&3]
	}
}
