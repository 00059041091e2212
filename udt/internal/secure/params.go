package secure

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Params are what a peer says about itself inside TLS, where nobody can change
// it: the transport parameters of extension 57. They repeat all that travels in
// the clear.
type Params struct {
	Version    uint32
	Type       wire.SocketType
	Number     uint32
	MSS        uint32
	FlowWindow uint32
	SocketID   uint32
	Marker     wire.Marker

	Advert  [wire.AdvertLen]byte      // as sent or as seen, without its token
	Contest [2 * wire.ContestLen]byte // rendezvous: the sender's, then the peer's

	Mode       uint8  // 0: packets are encrypted
	Features   uint32 // bits; unknown ones are ignored
	ResetToken []byte // 16 bytes, or nil
	Observed   netip.AddrPort
}

const paramsVersion = 1

// The entries. Those from paramIgnorable on may be unknown.
const (
	paramHandshake  = 1
	paramAdvert     = 2
	paramContest    = 3
	paramMode       = 4
	paramFeatures   = 5
	paramResetToken = 6
	paramObserved   = 7

	paramIgnorable = 0x80
)

const (
	handshakeParamLen = 7 * 4
	resetTokenLen     = 16
)

var errParams = errors.New("malformed transport parameters")

// append encodes p. grease becomes an entry that everyone must ignore.
func (p *Params) append(b []byte, grease byte) []byte {
	entry := func(id byte, n int) {
		b = append(b, id)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	b = append(b, paramsVersion)
	entry(paramHandshake, handshakeParamLen)
	for _, v := range []uint32{
		p.Version, uint32(p.Type), p.Number, p.MSS, p.FlowWindow, p.SocketID, uint32(p.Marker),
	} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	entry(paramAdvert, len(p.Advert))
	b = append(b, p.Advert[:]...)
	if p.Contest != [2 * wire.ContestLen]byte{} {
		entry(paramContest, len(p.Contest))
		b = append(b, p.Contest[:]...)
	}
	entry(paramMode, 1)
	b = append(b, p.Mode)
	entry(paramFeatures, 4)
	b = binary.BigEndian.AppendUint32(b, p.Features)
	if len(p.ResetToken) > 0 {
		entry(paramResetToken, len(p.ResetToken))
		b = append(b, p.ResetToken...)
	}
	if p.Observed.IsValid() {
		ip := p.Observed.Addr().As16()
		entry(paramObserved, 18)
		b = append(b, ip[:]...)
		b = binary.BigEndian.AppendUint16(b, p.Observed.Port())
	}
	entry(paramIgnorable|grease, 1)
	return append(b, grease)
}

// parseParams decodes b, of which nothing is kept.
func parseParams(b []byte) (*Params, error) {
	if len(b) == 0 || b[0] != paramsVersion {
		return nil, errParams
	}
	b = b[1:]
	var p Params
	var seen uint8
	for len(b) > 0 {
		if len(b) < 3 {
			return nil, errParams
		}
		id, n := b[0], int(binary.BigEndian.Uint16(b[1:]))
		if b = b[3:]; n > len(b) {
			return nil, errParams
		}
		v := b[:n]
		b = b[n:]
		if id >= paramIgnorable {
			continue
		}
		if id > paramObserved || seen&(1<<id) != 0 || !p.set(id, v) {
			return nil, errParams
		}
		seen |= 1 << id
	}
	const needed = 1<<paramHandshake | 1<<paramAdvert | 1<<paramMode | 1<<paramFeatures
	if seen&needed != needed {
		return nil, errParams
	}
	return &p, nil
}

func (p *Params) set(id byte, v []byte) bool {
	switch {
	case id == paramHandshake && len(v) == handshakeParamLen:
		u := func(i int) uint32 { return binary.BigEndian.Uint32(v[4*i:]) }
		p.Version, p.Type, p.Number, p.MSS = u(0), wire.SocketType(u(1)), u(2), u(3)
		p.FlowWindow, p.SocketID, p.Marker = u(4), u(5), wire.Marker(u(6))
	case id == paramAdvert && len(v) == len(p.Advert):
		copy(p.Advert[:], v)
	case id == paramContest && len(v) == len(p.Contest):
		copy(p.Contest[:], v)
	case id == paramMode && len(v) == 1:
		p.Mode = v[0]
	case id == paramFeatures && len(v) == 4:
		p.Features = binary.BigEndian.Uint32(v)
	case id == paramResetToken && len(v) == resetTokenLen:
		p.ResetToken = append([]byte(nil), v...)
	case id == paramObserved && len(v) == 18:
		p.Observed = netip.AddrPortFrom(netip.AddrFrom16([16]byte(v)).Unmap(), binary.BigEndian.Uint16(v[16:]))
	default:
		return false
	}
	return true
}

// changed returns an error that names the first field of body or marker that is
// not what p says.
func (p *Params) changed(body *wire.Handshake, marker wire.Marker) error {
	for _, f := range []struct {
		name        string
		told, clear uint32
	}{
		{"version", p.Version, body.Version},
		{"socket type", uint32(p.Type), uint32(body.Type)},
		{"initial sequence number", p.Number, body.Number},
		{"maximum segment size", p.MSS, body.MSS},
		{"flow window", p.FlowWindow, body.FlowWindow},
		{"socket ID", p.SocketID, body.SocketID},
		{"marker", uint32(p.Marker), uint32(marker)},
	} {
		if f.told != f.clear {
			return fmt.Errorf("%s: %d became %d", f.name, f.told, f.clear)
		}
	}
	return nil
}
