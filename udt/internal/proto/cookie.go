package proto

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// cookieRotation is how long a secret makes cookies. They are valid for one
// rotation more, so a handshake never fails because of the clock.
const cookieRotation = time.Minute

// A CookieJar makes and checks the cookies by which a listener keeps no state
// before a client has shown that it receives at its address. They are keyed with
// a secret that rotates; the reference's can be computed by anyone (udt4.md,
// section 6.5). It is not safe for concurrent use.
type CookieJar struct {
	secret  func(b []byte) // fills b with unpredictable bytes
	keys    [2][32]byte    // the present one and the one before
	rotated time.Time
}

// NewCookieJar returns a jar whose secrets come from fill.
func NewCookieJar(now time.Time, fill func(b []byte)) *CookieJar {
	j := &CookieJar{secret: fill, rotated: now}
	fill(j.keys[0][:])
	fill(j.keys[1][:])
	return j
}

func (j *CookieJar) rotate(now time.Time) {
	age := now.Sub(j.rotated)
	if age < cookieRotation {
		return
	}
	j.keys[1] = j.keys[0]
	j.secret(j.keys[0][:])
	if age >= 2*cookieRotation {
		j.secret(j.keys[1][:])
	}
	j.rotated = now
}

// Cookie returns the cookie for a client's request.
func (j *CookieJar) Cookie(now time.Time, from netip.AddrPort, h *wire.Handshake) uint32 {
	j.rotate(now)
	return cookie(&j.keys[0], from, h)
}

// Valid reports whether the cookie in a client's conclusion is one of ours.
func (j *CookieJar) Valid(now time.Time, from netip.AddrPort, h *wire.Handshake) bool {
	j.rotate(now)
	return h.Cookie == cookie(&j.keys[0], from, h) || h.Cookie == cookie(&j.keys[1], from, h)
}

func cookie(key *[32]byte, from netip.AddrPort, h *wire.Handshake) uint32 {
	ip := from.Addr().As16()
	var b [16 + 2 + 4 + 4]byte
	copy(b[:], ip[:])
	binary.BigEndian.PutUint16(b[16:], from.Port())
	binary.BigEndian.PutUint32(b[18:], h.SocketID)
	binary.BigEndian.PutUint32(b[22:], h.Number)
	m := hmac.New(sha256.New, key[:])
	m.Write([]byte("udt cookie"))
	m.Write(b[:])
	var sum [sha256.Size]byte
	return binary.BigEndian.Uint32(m.Sum(sum[:0]))
}
