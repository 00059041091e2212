package secure

import (
	"bytes"
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A meet is what two peers without a listener need to find their roles. Each
// draws a random contest; whose is larger is the TLS client. The first 8 bytes of
// a contest serve as its side's nonce, and as the token in datagrams to it: they
// show that their sender has heard it.
type meet struct {
	on       bool
	own      [wire.ContestLen]byte
	peer     [wire.ContestLen]byte
	heard    bool    // peer is valid
	locked   bool    // it has heard us: a forger does not
	echo     [8]byte // somebody else's token
	echoDue  bool    // who is to be answered
	shutdown bool    // a plain peer is to be told
}

func (t *meet) both() (b [2 * wire.ContestLen]byte) {
	copy(b[:], t.own[:])
	copy(b[wire.ContestLen:], t.peer[:])
	return b
}

func (t *meet) bothSwapped() (b [2 * wire.ContestLen]byte) {
	copy(b[:], t.peer[:])
	copy(b[wire.ContestLen:], t.own[:])
	return b
}

// NewRendezvous starts a rendezvous.
func NewRendezvous(now time.Time, cfg *Config) *Machine {
	m := newMachine(now, cfg, undecided, clientTimeout)
	m.phase = meeting
	m.out.due = now
	m.meet.on = true
	cfg.Random(m.meet.own[:])
	copy(m.sendNonce[:], m.meet.own[:])
	copy(m.recvToken[:], m.meet.own[:])
	return m
}

// handleMeeting takes a handshake datagram of a rendezvous.
func (m *Machine) handleMeeting(now time.Time, head wire.Control, body *wire.Handshake, b []byte) {
	if body.SocketID == 0 || body.Request > 0 {
		m.dropped++
		return
	}
	if !wire.IsSecure(b) || len(b) > wire.MaxSecureLen {
		m.handlePlainMeeting(head, body)
		return
	}
	she, err := wire.ParseSecure(b[wire.SecureOffset:])
	if err != nil {
		m.dropped++
		return
	}
	ours := she.Token == m.recvToken
	if !m.meet.locked && m.phase != failed {
		m.identify(now, &she, ours, b[wire.SecureOffset+wire.SecureLen:])
		if m.meet.heard && she.Nonce == m.recvNonce {
			m.body, m.marker, m.hasBody = *body, wire.Marker(head.Info), true
		}
	}
	if !m.meet.locked || !ours || she.Nonce != m.recvNonce {
		return
	}
	if m.phase == failed {
		m.repeatClose()
		return
	}
	if m.role == server && m.phase == meeting && body.Request == wire.RequestConclusion {
		m.phase = exchanging
		m.startTLS(server)
	}
	if m.phase == meeting {
		return
	}
	m.takeSecure(now, &she, b[wire.SecureOffset:])
}

// identify finds out whether she is of the peer. The first contest that is heard
// is taken for the peer's, so that a client can begin at once. Anyone may have sent
// it: another one is answered, and replaces it if its sender shows that it has heard
// us, which settles the matter.
func (m *Machine) identify(now time.Time, she *wire.Secure, ours bool, payload []byte) {
	t := &m.meet
	if t.heard && she.Nonce == m.recvNonce {
		t.locked = ours
		if m.phase == meeting {
			m.out.due = now // it may wait for us
		}
		return
	}
	contest, ok := contestIn(she, payload)
	if !ok || contest == t.own { // ours: a datagram that was sent back
		m.dropped++
		return
	}
	if t.heard && !ours {
		t.echo, t.echoDue = she.Nonce, true
		return
	}
	t.peer, t.heard, t.locked = contest, true, ours
	m.sendToken, m.recvNonce = she.Nonce, she.Nonce
	if bytes.Compare(t.own[:], contest[:]) > 0 {
		m.phase = exchanging
		m.startTLS(client)
		return
	}
	m.tls.close()
	m.role, m.phase = server, meeting
	m.out.drop()
	m.out.due = now
}

// contestIn returns the contest in a datagram. Its first bytes are the nonce.
func contestIn(she *wire.Secure, payload []byte) (c [wire.ContestLen]byte, ok bool) {
	var tlvs [wire.MaxSecureTLVs]wire.TLV
	if she.Level != wire.LevelClear {
		return c, false
	}
	if n, err := wire.ParseTLVs(&tlvs, payload); err != nil || n == 0 || tlvs[0].Type != wire.TLVContest {
		return c, false
	}
	c = [wire.ContestLen]byte(tlvs[0].Data)
	return c, bytes.Equal(c[:len(she.Nonce)], she.Nonce[:])
}

// pollEcho answers somebody who may be the peer.
func (m *Machine) pollEcho(buf []byte) []byte {
	m.meet.echoDue = false
	body := m.own
	body.Request = wire.RequestRendezvous
	b := m.handshake(buf, &body, 0)
	var s [wire.SecureLen]byte
	(&wire.Secure{Token: m.meet.echo, Nonce: m.sendNonce, Number: m.out.number}).Put(s[:])
	m.out.number++
	return wire.AppendTLV(append(b, s[:]...), wire.TLVContest, m.meet.own[:])
}

// handlePlainMeeting takes a handshake of a peer without protected mode. Only one
// that knows our socket ID counts: anyone can send the others.
func (m *Machine) handlePlainMeeting(head wire.Control, body *wire.Handshake) {
	if m.meet.locked || m.phase == failed || m.phase == done || head.Dest != m.own.SocketID {
		m.dropped++
		return
	}
	m.body = *body
	m.sendToken = [8]byte{}
	m.peerIsPlain()
	m.meet.shutdown = m.phase == failed
}

// pollShutdown tells a plain peer of a rendezvous that there is no connection:
// it would keep its side for a long time.
func (m *Machine) pollShutdown(buf []byte) []byte {
	if !m.meet.shutdown {
		return nil
	}
	m.meet.shutdown = false
	var p [wire.HeaderLen + wire.PadLen]byte
	(&wire.Control{Type: wire.TypeShutdown, Dest: m.body.SocketID}).Put(p[:])
	return append(buf[:0], p[:]...)
}
