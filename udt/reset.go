package udt

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/udpio"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Stateless reset (SPEC.md#stateless-reset): an endpoint that has lost its connections,
// because it was started again, tells their peers so at once. All it needs is its
// ResetKey: the token that it gave a connection is a function of that and of the
// socket ID, and nobody else knows it before it is used.
const (
	resetTokenLen  = 16
	minResetLen    = wire.HeaderLen + resetTokenLen // every protected packet is longer
	noSocketID     = 1 << 31                        // in the header of a reset: no connection has such an ID
	minResetKeyLen = 16
)

type resetToken [resetTokenLen]byte

// tokenOf returns the token of the connection with the given socket ID at a port.
func tokenOf(key []byte, port uint16, id uint32) (t resetToken) {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("udt reset 1"))
	m.Write(binary.BigEndian.AppendUint16(nil, port))
	m.Write(binary.BigEndian.AppendUint32(nil, id))
	copy(t[:], m.Sum(nil))
	return t
}

// A resetter answers packets for connections that do not exist, if it has a key. It is
// constant.
type resetter struct {
	key  []byte
	port uint16
}

// answers reports whether b may be answered with a reset: it is longer than one, so
// that two endpoints which do not know each other's connections fall silent.
func (r *resetter) answers(b []byte) bool {
	id := wire.Dest(b)
	return r.key != nil && len(b) > minResetLen && id != 0 && id&noSocketID == 0
}

// resetFor returns the answer to b.
func (r *resetter) resetFor(b []byte) []byte {
	var extra [1]byte
	rand.Read(extra[:])
	p := make([]byte, minResetLen+int(extra[0])%min(len(b)-minResetLen, 16))
	rand.Read(p)
	binary.BigEndian.PutUint32(p[12:], noSocketID|binary.BigEndian.Uint32(p[12:]))
	t := tokenOf(r.key, r.port, wire.Dest(b))
	copy(p[len(p)-resetTokenLen:], t[:])
	return p
}

// handleUnknown takes a packet for a connection that does not exist.
func (e *Endpoint) handleUnknown(now time.Time, b []byte, r *udpio.Received) {
	if len(b) >= minResetLen && wire.Dest(b)&noSocketID != 0 {
		if c := e.demux.resets(resetToken(b[len(b)-resetTokenLen:]), r.From); c != nil {
			e.counts.resets.Add(1)
			e.event(now, eventReset, r.From)
			c.fail(proto.ErrReset)
			return
		}
	}
	var answer []byte
	if e.resets.answers(b) && !wire.IsHandshake(b) && !e.demux.known(wire.Dest(b)) {
		e.mu.Lock()
		if !e.closing && e.admitResetLocked(now, r.From.Addr()) {
			answer = e.resets.resetFor(b)
		}
		e.mu.Unlock()
	}
	if answer != nil {
		e.counts.resetsSent.Add(1)
		e.send(newPath(e, r.Local, r.From).peer, answer)
	}
	e.handleForeign(b, r.From)
}

// resets returns the connection with from that t resets.
func (d *demux) resets(t resetToken, from netip.AddrPort) *Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.tokens[t]; c != nil && c.path.Load().addr == from {
		return c
	}
	return nil
}
