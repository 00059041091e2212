package secure

import (
	"context"
	"fmt"
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// pollRequest returns the request for a cookie, or the first step of a
// rendezvous, when it is due.
func (m *Machine) pollRequest(now time.Time, buf []byte) []byte {
	o := &m.out
	if now.Before(o.due) {
		return nil
	}
	o.due = now.Add(firstInterval)
	o.sends++
	o.sentAt = now
	if m.phase == meeting {
		b := m.head(buf, wire.LevelClear)
		return wire.AppendTLV(b, wire.TLVContest, m.meet.own[:])
	}
	body := m.own
	body.Request = wire.RequestInduction
	return m.handshake(buf, &body, 0)
}

// Prepare makes a client do what its first flight needs and the cookie does not
// decide: TLS's keys take longer to make than a cookie to come over a short path. It
// may be called while the request for the cookie is under way.
func (m *Machine) Prepare() {
	if m.role == client && m.phase == inducing && m.tls.conn == nil {
		m.newTLS()
		if m.tls.conn.Start(context.Background()) != nil {
			m.tls.close() // if it is needed at all it will fail again
		}
	}
}

// AskAgain repeats the request for a cookie soon: the system has reported that the
// peer's port is closed, which may have been about another packet.
func (m *Machine) AskAgain(now time.Time) {
	if m.phase == inducing {
		m.out.due = now.Add(askAgain)
	}
}

// handleCookie takes what answers the request for a cookie. Only its cookie and
// the advert count, as with libudt.
func (m *Machine) handleCookie(now time.Time, head wire.Control, body *wire.Handshake) {
	if head.Dest != m.own.SocketID || body.Request != wire.RequestInduction || m.out.sends == 0 {
		m.dropped++
		return
	}
	a, ok := wire.ParseAdvert(body.PeerIP)
	if !ok {
		m.peerIsPlain()
		return
	}
	if a.Version != wire.SecureVersion || a.Flags&wire.AdvertTLS == 0 {
		m.end(fmt.Errorf("%w that we speak: version %#x, flags %#x", ErrPeerNotSecure, a.Version, a.Flags))
		return
	}
	if m.out.sends == 1 {
		m.result.RTT = now.Sub(m.out.sentAt)
	}
	m.cookie, m.advert = body.Cookie, a
	m.sendToken = a.Token
	m.recvToken, m.recvNonce = m.sendToken, m.sendNonce
	m.phase = exchanging
	if m.tls.conn == nil {
		m.startTLS(client)
		return
	}
	m.out.drop()
	m.drain()
}

// peerIsPlain does what the policy says about a peer without protected mode.
func (m *Machine) peerIsPlain() {
	if m.cfg.Policy == Require {
		m.end(ErrPeerNotSecure)
		return
	}
	m.result = Result{Plain: true}
	m.tls.close()
	m.out.drop()
	m.phase, m.confirmed = done, true
}

// handleRefusal takes a listener's refusal, of which nothing is authenticated but
// that it knows the cookie.
func (m *Machine) handleRefusal(head wire.Control, body *wire.Handshake) {
	if m.role != client || m.phase != exchanging || m.tls.read != nil ||
		head.Dest != m.own.SocketID || body.Cookie != m.cookie {
		m.dropped++
		return
	}
	if body.Type != m.own.Type {
		m.end(fmt.Errorf("%w: %w", ErrRefused, ErrMode))
		return
	}
	m.end(ErrRefused)
}
