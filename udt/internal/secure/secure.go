// Package secure opens connections in protected mode: it carries one TLS 1.3
// handshake in the datagrams of the UDT handshake, in as many round trips as the
// plain one, and yields the secrets that protect the packets.
//
// It is a state machine. Time and datagrams are passed in, datagrams are fetched
// from it; it opens no sockets, reads no clock and starts no goroutine (crypto/tls
// does, and ends it with the exchange). Callbacks of the tls.Config run inside
// Handle.
//
// The client drives: it repeats its flight until the next one of the server
// arrives, and the server answers repetitions. In a rendezvous random numbers
// decide who is the client.
//
// SPEC.md describes all of it, and the packets that follow.
package secure

import (
	"crypto/tls"
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

const (
	firstInterval     = 250 * time.Millisecond
	longestInterval   = 2 * time.Second
	answerInterval    = 100 * time.Millisecond
	lateInterval      = 250 * time.Millisecond // answerInterval once the exchange is done
	askAgain          = 20 * time.Millisecond
	clientTimeout     = 10 * time.Second
	serverTimeout     = 5 * time.Second
	maxEarlyDatagrams = 8 // sealed ones kept until there are keys
	minMSS            = 576
)

// A Policy says what to do with a peer that does not speak protected mode.
type Policy uint8

// The policies.
const (
	Require Policy = iota // refuse it
	Prefer                // go on without protection
)

// Config configures one exchange.
type Config struct {
	// TLS holds the credential; see X509, Pinned and PSK for how it is made. A
	// rendezvous needs TLS for the role of client, and ServerTLS.
	TLS       *tls.Config
	ServerTLS *tls.Config

	Policy Policy

	// Own is what the handshakes say: Type, Number, MSS, FlowWindow, SocketID.
	// The other fields are set here. A server takes the client's number.
	Own wire.Handshake

	// Caps are the capability bits of the marker, NoMarker leaves it out.
	Caps     uint8
	NoMarker bool

	// Advert is what a server's cookie replies carried; its token is ignored.
	Advert wire.Advert

	// Remote is the peer's address, Local our own; its IP may be unspecified.
	Remote, Local netip.AddrPort

	// BindAddresses makes the exchange fail if the peer sees us at another
	// address than Local. Both sides must set it.
	BindAddresses bool

	Features   uint32
	ResetToken []byte // 16 bytes, or nil

	// Random fills b with unpredictable bytes. TLS has a source of its own.
	Random func(b []byte)

	// Timeout bounds the exchange. Zero means 10 s, for a server 5 s.
	Timeout time.Duration
}

// Result is what an exchange yields.
type Result struct {
	// Plain means that the peer does not speak protected mode and that the
	// policy allows to go on without. All else is zero.
	Plain bool

	Server      bool // our role in TLS
	Suite       uint16
	ReadSecret  []byte
	WriteSecret []byte

	Peer   wire.Handshake // authenticated, but for Request, Cookie and PeerIP
	Marker wire.Marker    // the peer's, authenticated
	Params *Params

	// State is TLS's. Its ExportKeyingMaterial works on.
	State tls.ConnectionState

	RTT time.Duration // one sample, or zero
}

type role uint8

const (
	client role = iota
	server
	undecided // of a rendezvous
)

type phase uint8

const (
	inducing   phase = iota // client: asks for a cookie
	meeting                 // rendezvous: the roles are not known, or the client has not come
	exchanging              // TLS
	done                    // the secrets are there
	failed
)

// A Machine is one side of an exchange. It is not safe for concurrent use.
//
// Its owner gives it all handshake datagrams of the attempt, sends what Poll
// returns, and calls Poll again at Next. Once Done it takes the Result; a client
// then keeps the machine until Confirmed, because the server's refusal of its
// credential comes only now, and a server for some seconds, to answer a client
// that repeats. Release ends it.
type Machine struct {
	cfg      Config
	own      wire.Handshake
	role     role
	phase    phase
	now      time.Time
	deadline time.Time
	err      error

	// What tells this attempt from others: the token and nonce of our datagrams,
	// and those of the peer's. Client and server both use the server's token and
	// the client's nonce; in a rendezvous the token is the receiver's.
	sendToken, sendNonce [8]byte
	recvToken, recvNonce [8]byte

	cookie  uint32
	advert  wire.Advert
	body    wire.Handshake // the peer's, as it came first
	marker  wire.Marker
	hasBody bool

	meet meet
	tls  exchange
	out  output

	result    Result
	confirmed bool
	dropped   int
}

// NewClient starts a dial: it asks for a cookie.
func NewClient(now time.Time, cfg *Config) *Machine {
	m := newMachine(now, cfg, client, clientTimeout)
	m.phase = inducing
	m.out.due = now
	cfg.Random(m.sendNonce[:])
	return m
}

// NewServer answers first, a conclusion with a Secure whose cookie and token the
// caller has found valid. Whatever else first is, there is no Machine.
func NewServer(now time.Time, cfg *Config, first []byte) (*Machine, error) {
	if !wire.IsSecure(first) || len(first) > wire.MaxSecureLen {
		return nil, wire.ErrMalformed
	}
	head := wire.ParseControl(first)
	body, err := wire.ParseHandshake(first[wire.HeaderLen:])
	if err != nil {
		return nil, err
	}
	she, err := wire.ParseSecure(first[wire.SecureOffset:])
	if err != nil {
		return nil, err
	}
	if body.Request != wire.RequestConclusion || she.Level != wire.LevelClear {
		return nil, wire.ErrMalformed // the rest of an exchange that is forgotten
	}
	m := newMachine(now, cfg, server, serverTimeout)
	m.phase = exchanging
	m.cookie = body.Cookie
	m.own.Number = body.Number
	m.advert = cfg.Advert
	m.sendToken, m.sendNonce = she.Token, she.Nonce
	m.recvToken, m.recvNonce = she.Token, she.Nonce
	m.hear(&body, wire.Marker(head.Info))
	m.startTLS(server)
	m.Handle(now, first)
	return m, nil
}

func newMachine(now time.Time, cfg *Config, r role, timeout time.Duration) *Machine {
	if cfg.Timeout > 0 {
		timeout = cfg.Timeout
	}
	m := &Machine{cfg: *cfg, own: cfg.Own, role: r, now: now, deadline: now.Add(timeout)}
	m.own.Version = wire.Version
	m.own.Cookie = 0
	m.own.SetPeerIP(cfg.Remote.Addr())
	return m
}

// Done reports that there is a Result. A client may still learn afterwards that
// the server refuses it: then Err is no longer nil.
func (m *Machine) Done() bool { return m.phase == done }

// Err returns why the exchange failed, or nil.
func (m *Machine) Err() error { return m.err }

// Result returns what the exchange yielded once it is Done.
func (m *Machine) Result() *Result { return &m.result }

// Confirmed reports that the peer has completed the exchange too.
func (m *Machine) Confirmed() bool { return m.confirmed }

// Confirm tells a client that a protected packet of the server has been opened:
// there is no need to repeat the last flight, the server has it.
func (m *Machine) Confirm() {
	if m.phase == done {
		m.confirmed = true
		m.out.drop()
	}
}

// Dropped returns how many datagrams were ignored because they could not belong
// to the exchange, or were malformed.
func (m *Machine) Dropped() int { return m.dropped }

// Abort gives up. Poll then returns what tells the peer.
func (m *Machine) Abort() {
	if m.phase != failed && !m.confirmed {
		m.fail(&Error{Kind: ErrCancelled, Peer: m.peerName()}, closeCancelled, "")
	}
}

// Release ends the exchange without a word. The machine must not be used again.
func (m *Machine) Release() { m.tls.close() }

// Handle takes a datagram of the peer and returns Err. It does not keep b.
func (m *Machine) Handle(now time.Time, b []byte) error {
	m.advance(now)
	m.out.credit += 3 * len(b)
	if len(b) < wire.SecureOffset || !wire.IsControl(b) {
		m.dropped++
		return m.err
	}
	head := wire.ParseControl(b)
	body, err := wire.ParseHandshake(b[wire.HeaderLen:])
	if err != nil || head.Type != wire.TypeHandshake {
		m.dropped++
		return m.err
	}
	switch {
	case m.phase == inducing:
		m.handleCookie(now, head, &body)
	case m.meet.on:
		m.handleMeeting(now, head, &body, b)
	case body.Request == wire.RequestRefused:
		m.handleRefusal(head, &body)
	case !wire.IsSecure(b) || len(b) > wire.MaxSecureLen || body.Request != wire.RequestConclusion:
		m.dropped++
	default:
		m.handleSecure(now, head, &body, b)
	}
	return m.err
}

// hear keeps what the peer's first datagram says in the clear, to be compared
// with what it says inside TLS.
func (m *Machine) hear(body *wire.Handshake, marker wire.Marker) {
	if !m.hasBody {
		m.body, m.marker, m.hasBody = *body, marker, true
	}
}

// handleSecure takes a datagram with a Secure.
func (m *Machine) handleSecure(now time.Time, head wire.Control, body *wire.Handshake, b []byte) {
	she, err := wire.ParseSecure(b[wire.SecureOffset:])
	if err != nil || she.Token != m.recvToken || she.Nonce != m.recvNonce ||
		m.role == client && head.Dest != m.own.SocketID {
		m.dropped++
		return
	}
	m.hear(body, wire.Marker(head.Info))
	if m.phase == failed {
		m.repeatClose()
		return
	}
	m.takeSecure(now, &she, b[wire.SecureOffset:])
}

// takeSecure takes a Secure that belongs to this attempt.
func (m *Machine) takeSecure(now time.Time, she *wire.Secure, b []byte) {
	t := &m.tls
	payload := b[wire.SecureLen:]
	if she.Level == wire.LevelSealed {
		if t.read == nil {
			if m.role == client && len(t.early) < maxEarlyDatagrams {
				t.early = append(t.early, append([]byte(nil), b...))
			}
			return
		}
		var err error
		if payload, err = t.read.open(b[:wire.SecureLen], payload, she.Number); err != nil {
			m.dropped++
			return
		}
		t.opened = true
	}
	var tlvs [wire.MaxSecureTLVs]wire.TLV
	n, err := wire.ParseTLVs(&tlvs, payload)
	if err != nil {
		if she.Level == wire.LevelSealed {
			m.fail(&Error{Kind: ErrProtocol, Peer: m.peerName(), Err: err}, closeProtocol, "malformed TLV")
			return
		}
		m.dropped++
		return
	}
	for i := range tlvs[:n] {
		if m.phase == failed {
			return
		}
		m.takeTLV(now, she.Level, &tlvs[i])
	}
}

func (m *Machine) takeTLV(now time.Time, level uint8, v *wire.TLV) {
	switch v.Type {
	case wire.TLVCrypto:
		m.takeCrypto(now, level, v)
	case wire.TLVAck:
		if level == wire.LevelSealed && m.role == client && m.phase == done {
			m.Confirm()
		}
	case wire.TLVClose:
		// Once the peer can seal, only a sealed one is its word.
		if level == wire.LevelSealed || !m.tls.peerSeals(m.role) {
			m.end(&Error{Kind: kindOf(v.Code), Remote: true, Peer: m.peerName(), Reason: printable(v.Data)})
		}
	}
}

// peerName is what errors call the peer.
func (m *Machine) peerName() string {
	switch m.role {
	case client:
		return "server"
	case server:
		return "client"
	}
	return "peer"
}

// fail ends the exchange and tells the peer why.
func (m *Machine) fail(err error, code uint32, reason string) {
	if m.phase == failed {
		return
	}
	sealed := m.tls.write != nil && (m.role == client || m.tls.opened)
	m.end(err)
	if m.sendToken != [8]byte{} {
		m.out.closing = wire.AppendClose(nil, code, reason)
		m.out.closeSealed = sealed
		m.out.closeDue = true
	}
}

// repeatClose answers a client that has not heard why we failed. Only servers do,
// or two that have failed would never stop.
func (m *Machine) repeatClose() {
	m.out.closeDue = m.role == server && m.out.closing != nil
}

// end ends the exchange.
func (m *Machine) end(err error) {
	if m.phase == failed || m.confirmed && m.role == client {
		return
	}
	if m.role == server && m.phase == done {
		return // what comes now is for the connection
	}
	m.phase = failed
	m.err = err
	m.tls.close()
	m.out.drop()
}

// advance takes the time and ends what has lasted too long.
func (m *Machine) advance(now time.Time) {
	m.now = now
	if now.Before(m.deadline) || m.phase == failed || m.confirmed {
		return
	}
	m.fail(&Error{Kind: ErrTimeout, Peer: m.peerName(), Reason: m.waitedFor()}, closeTimeout, "")
}

func (m *Machine) waitedFor() string {
	switch {
	case m.phase == inducing || m.phase == meeting:
		return "it does not answer"
	case !m.tls.heard:
		return "it does not answer the TLS handshake"
	}
	return "it does not complete the TLS handshake"
}
