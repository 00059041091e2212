package secure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// An exchange is the TLS handshake of a Machine.
type exchange struct {
	conn   *tls.QUICConn
	level  tls.QUICEncryptionLevel // that TLS reads at
	clear  stream
	sealed stream
	read   *box
	write  *box
	early  [][]byte // sealed Secures that came before the keys
	opened bool     // a sealed datagram of the peer was opened
	heard  bool     // TLS got something from the peer
	fresh  bool     // what TLS writes next is a new flight
	ended  bool     // the handshake is complete

	params *Params
}

func (e *exchange) close() {
	if e.conn != nil {
		_ = e.conn.Close() // it reports what the events reported
		e.conn = nil
	}
	e.early, e.clear.ahead, e.sealed.ahead = nil, nil, nil
	e.clear.held, e.sealed.held = nil, nil
}

// peerSeals reports whether a peer that has something to say can seal it so that
// we can read it.
func (e *exchange) peerSeals(own role) bool {
	if own == client {
		return e.read != nil
	}
	return e.opened
}

// startTLS begins the TLS handshake in the given role.
func (m *Machine) startTLS(r role) {
	m.role = r
	m.newTLS()
	m.tls.conn.SetTransportParameters(m.ownParams())
	m.out.drop()
	if err := m.tls.conn.Start(context.Background()); err != nil {
		m.failTLS(err)
		return
	}
	m.drain()
}

// newTLS makes what a TLS handshake needs.
func (m *Machine) newTLS() {
	m.tls.close()
	config := m.cfg.TLS
	if m.role == server && m.meet.on {
		config = m.cfg.ServerTLS
	}
	m.tls = exchange{
		clear: stream{limit: maxClear}, sealed: stream{limit: 4 * maxAhead},
		level: tls.QUICEncryptionLevelInitial, fresh: true,
	}
	if m.role == client {
		m.tls.conn = tls.QUICClient(&tls.QUICConfig{TLSConfig: config})
	} else {
		m.tls.conn = tls.QUICServer(&tls.QUICConfig{TLSConfig: config})
	}
}

// takeCrypto takes bytes of the TLS handshake.
func (m *Machine) takeCrypto(now time.Time, level uint8, v *wire.TLV) {
	t := &m.tls
	s, tlsLevel := &t.clear, tls.QUICEncryptionLevelInitial
	if level == wire.LevelSealed {
		s, tlsLevel = &t.sealed, tls.QUICEncryptionLevelHandshake
	}
	if v.Offset+len(v.Data) == s.next && s.next > 0 && m.role == server {
		m.answerRepetition()
		return
	}
	if t.conn == nil || t.level != tlsLevel {
		return // a copy, or something that nobody could have meant
	}
	data := s.messages(s.add(v.Offset, v.Data))
	if len(data) == 0 {
		return
	}
	if !t.heard && m.role == client && m.out.sends == 1 {
		if rtt := now.Sub(m.out.sentAt); m.result.RTT == 0 || rtt < m.result.RTT {
			m.result.RTT = rtt
		}
	}
	t.fresh, t.heard = true, true
	if err := t.conn.HandleData(tlsLevel, data); err != nil {
		m.failTLS(err)
		return
	}
	m.drain()
	m.takeEarly(now)
}

// takeEarly takes the datagrams that waited for keys.
func (m *Machine) takeEarly(now time.Time) {
	t := &m.tls
	if t.read == nil {
		return
	}
	early := t.early
	t.early = nil
	for _, b := range early {
		she, err := wire.ParseSecure(b)
		if err == nil && m.phase == exchanging {
			m.takeSecure(now, &she, b)
		}
	}
}

// drain takes what TLS has to say.
func (m *Machine) drain() {
	t := &m.tls
	for m.phase != failed {
		e := t.conn.NextEvent()
		var err error
		switch e.Kind {
		case tls.QUICNoEvent:
			if t.ended && m.result.ReadSecret != nil && m.result.WriteSecret != nil {
				m.complete()
			}
			return
		case tls.QUICErrorEvent:
			m.failTLS(e.Err)
			return
		case tls.QUICSetReadSecret:
			err = m.setSecret(&e, &t.read, &m.result.ReadSecret)
			t.level = e.Level
		case tls.QUICSetWriteSecret:
			err = m.setSecret(&e, &t.write, &m.result.WriteSecret)
		case tls.QUICWriteData:
			m.write(&e)
		case tls.QUICTransportParametersRequired:
			t.conn.SetTransportParameters(m.ownParams())
		case tls.QUICTransportParameters:
			m.takeParams(e.Data)
		case tls.QUICHandshakeDone:
			t.ended = true
		}
		if err != nil {
			m.fail(&Error{Kind: ErrProtocol, Peer: m.peerName(), Err: err}, closeProtocol, "")
		}
	}
}

func (m *Machine) setSecret(e *tls.QUICEvent, handshake **box, application *[]byte) (err error) {
	switch e.Level {
	case tls.QUICEncryptionLevelHandshake:
		*handshake, err = newBox(e.Suite, e.Data)
	case tls.QUICEncryptionLevelApplication:
		m.result.Suite = e.Suite
		*application = append([]byte(nil), e.Data...)
	}
	return err
}

// write adds to our flight, and begins it if TLS has read something since.
func (m *Machine) write(e *tls.QUICEvent) {
	level := uint8(wire.LevelClear)
	switch e.Level {
	case tls.QUICEncryptionLevelInitial:
	case tls.QUICEncryptionLevelHandshake:
		level = wire.LevelSealed
	default:
		return // there are no tickets
	}
	if m.tls.fresh {
		m.tls.fresh = false
		m.out.begin(m.now)
	}
	m.out.add(level, e.Data)
}

// answerRepetition repeats what a client that repeats its flight has not got. That
// it does only now and then, as anyone who has seen the flight can repeat it too.
func (m *Machine) answerRepetition() {
	size, interval := m.out.size(), answerInterval
	if m.phase == done {
		interval = lateInterval
	}
	if m.now.Sub(m.out.answeredAt) < interval || m.now.Sub(m.out.sentAt) < answerInterval || size > m.out.credit {
		return
	}
	m.out.answeredAt = m.now
	m.out.credit -= size
	if m.phase == done {
		m.out.ackDue = true
		return
	}
	m.out.again()
}

// complete takes the result and lets TLS go.
func (m *Machine) complete() {
	t := &m.tls
	if t.params == nil {
		m.fail(&Error{Kind: ErrProtocol, Peer: m.peerName(), Err: errParams}, closeProtocol, "")
		return
	}
	if m.role == server && m.out.sends == 1 {
		m.result.RTT = m.now.Sub(m.out.sentAt)
	}
	r := &m.result
	r.Server = m.role == server
	r.Peer, r.Marker, r.Params = m.body, m.marker, t.params
	r.State = t.conn.ConnectionState()
	t.close()
	m.phase = done
	if m.role == server {
		m.confirmed = true
		m.out.drop()
		m.out.ackDue = true
	}
}

// ownParams returns what we say inside TLS.
func (m *Machine) ownParams() []byte {
	p := Params{
		Version: m.own.Version, Type: m.own.Type, Number: m.own.Number, MSS: m.own.MSS,
		FlowWindow: m.own.FlowWindow, SocketID: m.own.SocketID, Marker: m.ownMarker(),
		Advert: m.namedAdvert(), Contest: m.meet.both(),
		Features: m.cfg.Features, ResetToken: m.cfg.ResetToken,
	}
	if m.cfg.BindAddresses {
		p.Observed = m.cfg.Remote
	}
	var grease [1]byte
	m.cfg.Random(grease[:])
	return p.append(make([]byte, 0, 256), grease[0])
}

// namedAdvert is the advert as both sides must have seen it.
func (m *Machine) namedAdvert() [wire.AdvertLen]byte {
	a := m.advert
	a.Token = [8]byte{}
	return a.Bytes()
}

// takeParams compares what the peer says inside TLS with what came in the clear.
// TLS vouches for it only at its end; to refuse earlier is safe.
func (m *Machine) takeParams(b []byte) {
	p, err := parseParams(b)
	if err != nil {
		m.fail(&Error{Kind: ErrProtocol, Peer: m.peerName(), Err: err}, closeProtocol, "transport parameters")
		return
	}
	m.tls.params = p
	if err := m.checkParams(p); err != nil {
		m.fail(&Error{Kind: ErrDowngrade, Peer: m.peerName(), Err: err}, closeDowngrade, err.Error())
		return
	}
	if p.Type != m.own.Type {
		m.fail(&Error{Kind: ErrMode, Peer: m.peerName()}, closeMode, "")
		return
	}
	if p.Mode != 0 || p.MSS < minMSS {
		err := fmt.Errorf("mode %d, maximum segment size %d", p.Mode, p.MSS)
		m.fail(&Error{Kind: ErrProtocol, Peer: m.peerName(), Err: err}, closeProtocol, err.Error())
	}
}

func (m *Machine) checkParams(p *Params) error {
	if err := p.changed(&m.body, m.marker); err != nil {
		return err
	}
	switch {
	case p.Advert != m.namedAdvert():
		return errors.New("offer of protected mode")
	case m.role == client && !m.meet.on && p.Number != m.own.Number:
		return errors.New("initial sequence number is not ours")
	case p.Contest != m.meet.bothSwapped():
		return errors.New("contest of the rendezvous")
	case m.cfg.BindAddresses && !sameAddress(p.Observed, m.cfg.Local):
		return fmt.Errorf("address: %v became %v", m.cfg.Local, p.Observed)
	}
	return nil
}

// sameAddress reports whether seen is local, whose IP may be unspecified.
func sameAddress(seen, local netip.AddrPort) bool {
	return seen.IsValid() && seen.Port() == local.Port() &&
		(local.Addr().IsUnspecified() || seen.Addr() == local.Addr().Unmap())
}

// failTLS ends the exchange because of an error of crypto/tls.
func (m *Machine) failTLS(err error) {
	code, reason := explain(err)
	if code == closeAlert+alertUnrecognizedName {
		err = fmt.Errorf("%s: %w", reason, err) // crypto/tls only says that there is no certificate
	}
	m.fail(&Error{Kind: kindOf(code), Peer: m.peerName(), Reason: reason, Err: err}, code, reason)
}
