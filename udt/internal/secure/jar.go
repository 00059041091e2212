package secure

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// rotation is how long a secret of a Jar makes cookies. They are valid for one
// rotation more, so no handshake fails because of the clock.
const rotation = time.Minute

// A Jar makes and checks the cookies and tokens by which a listener keeps no
// state before a client has shown that it receives at its address. A plain client
// returns the cookie, 31 bits; one of ours the token too, 64 bits more. It is not
// safe for concurrent use.
type Jar struct {
	port    uint16
	random  func(b []byte)
	keys    [2][32]byte // by the parity of the rotation
	turn    uint32
	rotated time.Time
}

// NewJar returns a jar for the listener at the local port. Its secrets come from
// random, which fills b with unpredictable bytes.
func NewJar(now time.Time, port uint16, random func(b []byte)) *Jar {
	j := &Jar{port: port, random: random, rotated: now}
	random(j.keys[0][:])
	random(j.keys[1][:])
	return j
}

func (j *Jar) rotate(now time.Time) {
	age := now.Sub(j.rotated)
	if age < rotation {
		return
	}
	j.turn++
	j.random(j.keys[j.turn&1][:])
	if age >= 2*rotation {
		j.random(j.keys[j.turn&1^1][:])
	}
	j.rotated = now
}

// Make returns cookie and token for a client's request.
func (j *Jar) Make(now time.Time, from netip.AddrPort, h *wire.Handshake) (cookie uint32, token [8]byte) {
	j.rotate(now)
	return j.mac(j.turn&1, from, h)
}

// ValidCookie reports whether the cookie in a conclusion is one of ours.
func (j *Jar) ValidCookie(now time.Time, from netip.AddrPort, h *wire.Handshake) bool {
	j.rotate(now)
	cookie, _ := j.mac(h.Cookie&1, from, h)
	return cookie == h.Cookie
}

// Valid reports whether both the cookie of a conclusion and the token of the
// Secure that follows it are ours.
func (j *Jar) Valid(now time.Time, from netip.AddrPort, h *wire.Handshake, token [8]byte) bool {
	j.rotate(now)
	cookie, want := j.mac(h.Cookie&1, from, h)
	return cookie == h.Cookie && hmac.Equal(want[:], token[:])
}

// mac computes what belongs to h under the key of the given parity. It binds all
// that a client, libudt's too, repeats unchanged in its conclusion.
func (j *Jar) mac(parity uint32, from netip.AddrPort, h *wire.Handshake) (cookie uint32, token [8]byte) {
	var b [16 + 2 + 2 + 4*4]byte
	ip := from.Addr().As16()
	copy(b[:], ip[:])
	binary.BigEndian.PutUint16(b[16:], from.Port())
	binary.BigEndian.PutUint16(b[18:], j.port)
	binary.BigEndian.PutUint32(b[20:], h.Version)
	binary.BigEndian.PutUint32(b[24:], uint32(h.Type))
	binary.BigEndian.PutUint32(b[28:], h.Number)
	binary.BigEndian.PutUint32(b[32:], h.SocketID)
	m := hmac.New(sha256.New, j.keys[parity][:])
	m.Write([]byte("udt cookie 1"))
	m.Write(b[:])
	var sum [sha256.Size]byte
	m.Sum(sum[:0])
	cookie = binary.BigEndian.Uint32(sum[:])&^1 | parity
	if cookie == 0 {
		cookie = 2 // zero is what a client without a cookie sends
	}
	copy(token[:], sum[4:])
	return cookie, token
}
