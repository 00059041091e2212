package wire

import "encoding/binary"

// secureMagic begins the advert in a cookie reply and what follows the body of a
// handshake that carries the exchange of protected mode.
const secureMagic = "UDTS"

// SecureVersion is the version of protected mode that this package speaks.
const SecureVersion = 0x11

// The flags of an Advert.
const (
	AdvertTLS      = 1 << 0 // the TLS exchange, every packet sealed
	AdvertAuthOnly = 1 << 1 // packets authenticated, not encrypted
	AdvertChecksum = 1 << 2 // a checksum without keys
	AdvertGate     = 1 << 3 // conclusions must carry a generation
	AdvertRequired = 1 << 4 // plain conclusions are refused
)

// AdvertLen is the size of an Advert: that of the field it takes.
const AdvertLen = 16

// An Advert is what a listener that offers protected mode puts into the PeerIP
// field of its cookie replies; no client reads an address there.
type Advert struct {
	Version uint8
	Flags   uint8
	Caps    uint16
	Token   [8]byte // like the cookie, returned by the client
}

// Bytes returns the encoded advert.
func (a *Advert) Bytes() (b [AdvertLen]byte) {
	copy(b[:], secureMagic)
	b[4], b[5] = a.Version, a.Flags
	binary.BigEndian.PutUint16(b[6:], a.Caps)
	copy(b[8:], a.Token[:])
	return b
}

// ParseAdvert decodes the PeerIP field of a cookie reply; ok is false if it is
// not an advert.
func ParseAdvert(b [AdvertLen]byte) (a Advert, ok bool) {
	if string(b[:4]) != secureMagic {
		return Advert{}, false
	}
	a = Advert{Version: b[4], Flags: b[5], Caps: binary.BigEndian.Uint16(b[6:])}
	copy(a.Token[:], b[8:])
	return a, true
}

// The places of a secure handshake in its datagram, and the most that it may
// fill: IPv6 carries it anywhere.
const (
	SecureOffset   = HeaderLen + HandshakeLen
	SecureLen      = 28 // of the header that TLVs follow
	MaxSecureLen   = 1232
	MaxSecureTLVs  = 32
	MaxCloseReason = 64 // bytes
)

// The levels of a Secure: who can read its TLVs.
const (
	LevelClear  = 0
	LevelSealed = 2 // with keys made of the handshake's secrets
)

// Secure is the header of the exchange of protected mode, which follows the body
// of a handshake.
type Secure struct {
	Level  uint8
	Flags  uint8
	Token  [8]byte // shows that the sender receives at its address
	Nonce  [8]byte // tells the attempts of one client apart
	Number uint32  // of this datagram among those of its sender
}

// IsSecure reports whether b, a datagram, is a handshake with a Secure.
func IsSecure(b []byte) bool {
	return len(b) >= SecureOffset+SecureLen && binary.BigEndian.Uint32(b) == controlBit &&
		string(b[SecureOffset:SecureOffset+4]) == secureMagic
}

// SecureLevel returns the level of b, for which IsSecure is true.
func SecureLevel(b []byte) uint8 { return b[SecureOffset+5] }

// SecureNonce returns the nonce of b, for which IsSecure is true.
func SecureNonce(b []byte) []byte { return b[SecureOffset+16 : SecureOffset+24] }

// IsHandshake reports whether b, a datagram, is a handshake in the clear. A
// protected packet looks like one by chance only, and not often enough to matter:
// its first word is masked.
func IsHandshake(b []byte) bool {
	return len(b) >= SecureOffset && binary.BigEndian.Uint32(b) == controlBit
}

// Put writes the header into the first SecureLen bytes of b.
func (s *Secure) Put(b []byte) {
	_ = b[SecureLen-1]
	copy(b, secureMagic)
	b[4], b[5], b[6], b[7] = SecureVersion, s.Level, s.Flags, 0
	copy(b[8:], s.Token[:])
	copy(b[16:], s.Nonce[:])
	binary.BigEndian.PutUint32(b[24:], s.Number)
}

// ParseSecure decodes what follows the body of a handshake. The TLVs, or what
// they are sealed in, follow the header.
func ParseSecure(b []byte) (Secure, error) {
	if len(b) < SecureLen || string(b[:4]) != secureMagic || b[4] != SecureVersion {
		return Secure{}, ErrMalformed
	}
	s := Secure{Level: b[5], Flags: b[6], Number: binary.BigEndian.Uint32(b[24:])}
	copy(s.Token[:], b[8:])
	copy(s.Nonce[:], b[16:])
	if s.Level != LevelClear && s.Level != LevelSealed {
		return Secure{}, ErrMalformed
	}
	return s, nil
}

// TLVType is the type of a TLV. Those from TLVIgnorable on may be unknown.
type TLVType uint8

// The TLVs. Generations and integrity levels have numbers and no code yet.
const (
	TLVCrypto          TLVType = 1 // offset u24, bytes of the TLS handshake
	TLVAck             TLVType = 2 // level u8, next u24: all up to there has arrived
	TLVGeneration      TLVType = 3
	TLVClose           TLVType = 4 // code u32, reason
	TLVPad             TLVType = 5
	TLVGenerationStale TLVType = 6
	TLVIntegrity       TLVType = 7
	TLVContest         TLVType = 8 // 32 random bytes: whose are larger is the TLS client

	TLVIgnorable TLVType = 0x80
)

// TLVHeaderLen is the size of type and length.
const TLVHeaderLen = 3

// ContestLen is the size of the value of a TLVContest.
const ContestLen = 32

// AppendTLV appends a TLV with a value that is of none of the kinds below.
func AppendTLV(b []byte, t TLVType, value []byte) []byte {
	b = append(b, byte(t), 0, 0)
	binary.BigEndian.PutUint16(b[len(b)-2:], uint16(len(value)))
	return append(b, value...)
}

func appendUint24(b []byte, n int) []byte { return append(b, byte(n>>16), byte(n>>8), byte(n)) }

// CryptoOverhead is what a TLVCrypto is longer than its bytes by.
const CryptoOverhead = TLVHeaderLen + 3

// AppendCrypto appends a TLVCrypto.
func AppendCrypto(b []byte, offset int, data []byte) []byte {
	b = append(b, byte(TLVCrypto), 0, 0)
	binary.BigEndian.PutUint16(b[len(b)-2:], uint16(3+len(data)))
	return append(appendUint24(b, offset), data...)
}

// AppendAck appends a TLVAck.
func AppendAck(b []byte, level uint8, next int) []byte {
	return appendUint24(append(b, byte(TLVAck), 0, 4, level), next)
}

// AppendClose appends a TLVClose. The reason is cut at MaxCloseReason.
func AppendClose(b []byte, code uint32, reason string) []byte {
	reason = reason[:min(len(reason), MaxCloseReason)]
	b = append(b, byte(TLVClose), 0, byte(4+len(reason)))
	return append(binary.BigEndian.AppendUint32(b, code), reason...)
}

// A TLV is one element of a Secure.
type TLV struct {
	Type TLVType

	Offset int    // of a TLVCrypto; of a TLVAck, the next one
	Level  uint8  // of a TLVAck
	Code   uint32 // of a TLVClose
	Data   []byte // bytes of a TLVCrypto, reason of a TLVClose, value of the others
}

// ParseTLVs decodes b into dst and returns how many TLVs there are. What may be
// ignored is left out. Data aliases b. No TLV of an invalid b is to be used.
func ParseTLVs(dst *[MaxSecureTLVs]TLV, b []byte) (n int, err error) {
	for seen := 0; len(b) > 0; seen++ {
		if len(b) < TLVHeaderLen || seen == MaxSecureTLVs {
			return 0, ErrMalformed
		}
		t, length := TLVType(b[0]), int(binary.BigEndian.Uint16(b[1:]))
		b = b[TLVHeaderLen:]
		if length > len(b) {
			return 0, ErrMalformed
		}
		v := b[:length:length]
		b = b[length:]
		if t >= TLVIgnorable || t == TLVPad {
			continue
		}
		if dst[n], err = parseTLV(t, v); err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

func parseTLV(t TLVType, v []byte) (TLV, error) {
	switch {
	case t == TLVCrypto && len(v) > 3:
		return TLV{Type: t, Offset: uint24(v), Data: v[3:]}, nil
	case t == TLVAck && len(v) == 4:
		return TLV{Type: t, Level: v[0], Offset: uint24(v[1:])}, nil
	case t == TLVClose && len(v) >= 4 && len(v) <= 4+MaxCloseReason:
		return TLV{Type: t, Code: binary.BigEndian.Uint32(v), Data: v[4:]}, nil
	case t == TLVContest && len(v) == ContestLen:
		return TLV{Type: t, Data: v}, nil
	}
	return TLV{}, ErrMalformed
}

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }
