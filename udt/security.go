package udt

import (
	"crypto/ed25519"
	"crypto/tls"

	"github.com/udtgo/udtgo/udt/internal/secure"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A Security turns on protected mode: every packet, data and control, is encrypted
// and authenticated, with keys from a TLS 1.3 handshake that takes no more round
// trips than the plain one. Both peers need it, and the same kind of credential:
// exactly one of TLS, Pinned and PSKs must be set.
//
// A Security must not be modified after it was passed to a function of this package,
// and may be shared by connections. SECURITY.md says what it protects against.
type Security struct {
	// Policy says what to do with peers that do not speak protected mode.
	Policy SecurityPolicy

	// TLS is a credential of X.509 certificates. Versions below 1.3, cipher suites
	// and session resumption in it do not matter. A dialed connection verifies the
	// name in ServerName, or else the host that was dialed. Without NextProtos the
	// application protocol is "udt/1"; with some, peers must have one in common.
	TLS *tls.Config

	// Pinned is a credential of keys that peers know of each other.
	Pinned *PinnedKeys

	// PSKs are secrets that both peers have. A listener accepts clients with any of
	// them. A dialer, and a rendezvous, uses the first.
	PSKs []PreSharedKey

	// VerifyPeer, if not nil, is called after the peer's credential was accepted. An
	// error refuses the peer, which learns only that it is not authorized. It
	// may be called by several handshakes at a time, and may block: other
	// connections do not wait for it.
	VerifyPeer func(tls.ConnectionState) error

	// BindAddresses makes the handshake fail if an address was translated on the
	// way, on either side that sets it; such a connection does not migrate.
	BindAddresses bool

	// DisableMigration keeps connections to the address that the peer had at first.
	// By default a peer whose address changes, as behind a NAT that has forgotten it,
	// is followed once it has shown that it receives at the new one.
	DisableMigration bool

	epochBits uint // set by tests that need keys to change soon
}

// A SecurityPolicy says what to do with peers without protected mode.
type SecurityPolicy uint8

const (
	// SecurityRequire refuses them: a dial returns ErrPeerNotSecure before it has
	// told the peer anything, a listener refuses as a plain one does. It is the
	// default.
	SecurityRequire SecurityPolicy = iota

	// SecurityPrefer goes on without protection. An attacker on the path can cause
	// this. Conn.ConnectionState reports whether a connection is protected.
	SecurityPrefer

	// SecurityOff is as if there were no Security.
	SecurityOff
)

// PinnedKeys are a credential without certificates, as those of SSH or WireGuard.
type PinnedKeys struct {
	Own   ed25519.PrivateKey
	Peers []ed25519.PublicKey // any of them is accepted
}

// A PreSharedKey is a secret that two or more peers share. Any of them can be either
// side.
type PreSharedKey struct {
	// Identity names the key to a listener that has several. It travels hashed and
	// is no secret. It must not be made of the key.
	Identity string

	// Key is 32 unpredictable bytes, or what PSKFromPassphrase returns.
	Key []byte
}

// PSKFromPassphrase makes a key of a passphrase by Argon2id with 64 MiB. It takes some
// tenths of a second on purpose. The salt is the same on both sides, and should differ
// for each pair of peers. The passphrase must be a strong one: an active attacker who
// has made a server answer once can test guesses against that answer.
func PSKFromPassphrase(passphrase, salt []byte) []byte {
	key := secure.PassphraseKey(passphrase, salt)
	return key[:]
}

// on reports whether connections are to be protected.
func (s *Security) on() bool { return s != nil && s.Policy != SecurityOff }

// required reports whether plain peers are refused.
func (s *Security) required() bool { return s.on() && s.Policy == SecurityRequire }

// advert is what a listener says of itself in its cookie replies.
func (s *Security) advert() wire.Advert {
	a := wire.Advert{Version: wire.SecureVersion, Flags: wire.AdvertTLS}
	if s.required() {
		a.Flags |= wire.AdvertRequired
	}
	return a
}

// check reports what is wrong, whatever the role.
func (s *Security) check() error {
	if !s.on() {
		return nil
	}
	credentials := 0
	for _, set := range []bool{s.TLS != nil, s.Pinned != nil, s.PSKs != nil} {
		if set {
			credentials++
		}
	}
	switch {
	case s.Policy > SecurityOff:
		return configError("Security.Policy is %d", s.Policy)
	case credentials != 1:
		return configError("Security has %d credentials: set one of TLS, Pinned and PSKs", credentials)
	}
	for _, k := range s.PSKs {
		if len(k.Key) != 32 {
			return configError("Security.PSKs: the key %q has %d bytes, must have 32", k.Identity, len(k.Key))
		}
	}
	return nil
}

// secrets returns PSKs as package secure wants them.
func (s *Security) secrets() []secure.PSK {
	var keys []secure.PSK
	for _, k := range s.PSKs {
		keys = append(keys, secure.PSK{Identity: k.Identity, Key: [32]byte(k.Key)})
	}
	return keys
}

func (s *Security) pinned() (*tls.Config, error) {
	p := secure.Pinned{Own: s.Pinned.Own, Peers: s.Pinned.Peers, Verify: s.VerifyPeer}
	return p.Config()
}

// client returns the TLS configuration for dialing host.
func (s *Security) client(host string) (c *tls.Config, err error) {
	switch {
	case s.TLS != nil:
		c, err = secure.X509Client(s.TLS, host, s.VerifyPeer)
	case s.Pinned != nil:
		c, err = s.pinned()
	default:
		c, err = secure.PSKClient(&s.secrets()[0], s.VerifyPeer)
	}
	if err != nil {
		return nil, configError("Security: %v", err)
	}
	return c, nil
}

// server returns the TLS configuration of a listener.
func (s *Security) server() (c *tls.Config, err error) {
	switch {
	case s.TLS != nil:
		c, err = secure.X509Server(s.TLS, s.VerifyPeer)
	case s.Pinned != nil:
		c, err = s.pinned()
	default:
		c, err = secure.PSKServer(s.secrets(), s.VerifyPeer)
	}
	if err != nil {
		return nil, configError("Security: %v", err)
	}
	return c, nil
}

// policy returns the part of Policy that an exchange has to know.
func (s *Security) policy() secure.Policy {
	if s.Policy == SecurityPrefer {
		return secure.Prefer
	}
	return secure.Require
}

// ConnectionState returns the TLS state of a protected connection, such as the peer's
// certificates and the application protocol. It reports whether the connection is
// protected.
func (c *Conn) ConnectionState() (state tls.ConnectionState, protected bool) {
	if c.guard == nil {
		return tls.ConnectionState{}, false
	}
	return c.guard.state, true
}

// ExportKeyingMaterial returns n bytes of key material that both peers of a
// protected connection, and nobody else, can compute (RFC 8446, section 7.5).
func (c *Conn) ExportKeyingMaterial(label string, context []byte, n int) ([]byte, error) {
	if c.guard == nil {
		return nil, c.opError("export", ErrNotProtected)
	}
	return c.guard.state.ExportKeyingMaterial(label, context, n)
}

// UpdateKeys changes the key of packets sent, as soon as the peer has received one with
// the present key. Keys change by themselves every 2^23 packets.
// It is ErrNotProtected on a connection without protection.
func (c *Conn) UpdateKeys() error {
	if c.guard == nil {
		return c.opError("update keys", ErrNotProtected)
	}
	c.guard.update.Store(true)
	return nil
}

// securityError is an error of package secure, which says which side refused what.
type securityError struct{ kind, err error }

func (e *securityError) Error() string   { return e.err.Error() }
func (e *securityError) Unwrap() []error { return []error{e.kind, e.err} }
