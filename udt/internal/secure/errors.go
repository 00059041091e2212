package secure

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
)

// Why an exchange failed. Err returns an error that wraps one of them.
var (
	// ErrPeerNotSecure means that the peer does not speak protected mode.
	ErrPeerNotSecure = errors.New("peer does not offer protected mode")

	// ErrDowngrade means that handshake fields differ from those that the peer
	// authenticated: somebody changed them on their way.
	ErrDowngrade = errors.New("handshake was changed in flight")

	// ErrAuth means that one side did not accept the credential of the other.
	ErrAuth = errors.New("authentication failed")

	// ErrProtocol means any other failure of the exchange.
	ErrProtocol = errors.New("secure handshake failed")

	// ErrRefused means that the listener refused without saying why.
	ErrRefused = errors.New("connection refused")

	// ErrMode means that the listener refused because its mode is another.
	ErrMode = errors.New("peer uses another mode")

	// ErrTimeout means that the peer stopped to answer.
	ErrTimeout = errors.New("secure handshake timed out")

	// ErrCancelled means that one side gave up.
	ErrCancelled = errors.New("secure handshake given up")
)

// An Error says which side refused what.
type Error struct {
	Kind   error  // one of the sentinels above
	Remote bool   // the peer refused us, and not we the peer
	Peer   string // what the peer is in this exchange: "server" or "client"
	Reason string // of the side that refused
	Err    error  // our own error, nil if Remote
}

func (e *Error) Error() string {
	who, why := "we refused the "+e.Peer, e.Reason
	if e.Remote {
		who = "the " + e.Peer + " refused us"
	}
	if e.Err != nil {
		why = e.Err.Error()
	}
	s := e.Kind.Error() + ": " + who
	if why != "" {
		s += ": " + why
	}
	return s
}

// Unwrap returns the sentinel and what we found ourselves.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// The codes of a TLVClose. From closeAlert on they are TLS alerts.
const (
	closeCancelled = 1
	closeDowngrade = 2
	closeTimeout   = 3
	closeProtocol  = 4
	closeMode      = 5
	closeAlert     = 0x100
)

// The alerts that concern a credential (RFC 8446, section 6.2).
const (
	alertNoCertificate       = 41
	alertUnknownCA           = 48
	alertAccessDenied        = 49
	alertDecryptError        = 51
	alertUnrecognizedName    = 112
	alertUnknownPSK          = 115
	alertCertificateRequired = 116
)

func kindOf(code uint32) error {
	switch {
	case code == closeCancelled:
		return ErrCancelled
	case code == closeDowngrade:
		return ErrDowngrade
	case code == closeTimeout:
		return ErrTimeout
	case code == closeMode:
		return ErrMode
	case code < closeAlert:
		return ErrProtocol
	}
	switch a := code - closeAlert; a {
	case alertAccessDenied, alertDecryptError, alertUnrecognizedName, alertUnknownPSK, alertCertificateRequired:
		return ErrAuth
	default:
		if a >= alertNoCertificate && a <= alertUnknownCA {
			return ErrAuth
		}
		return ErrProtocol
	}
}

var (
	errNotPinned = errors.New("its key is not one of the pinned keys")
	errOtherPSK  = errors.New("its pre-shared key is another")
)

// unauthorizedError is what VerifyPeer returned.
type unauthorizedError struct{ err error }

func (e unauthorizedError) Error() string { return "peer not authorized: " + e.err.Error() }
func (e unauthorizedError) Unwrap() error { return e.err }

// explain turns an error of crypto/tls into the code and the reason that the
// peer is told. Of an application's own error it is told nothing.
func explain(err error) (code uint32, reason string) {
	alert, ok := errors.AsType[tls.AlertError](err)
	if !ok {
		return closeProtocol, ""
	}
	code = closeAlert + uint32(alert)
	if _, ok := errors.AsType[unauthorizedError](err); ok {
		return closeAlert + alertAccessDenied, "not authorized"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return code, "certificate has expired or is not yet valid"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return code, "certificate signed by unknown authority"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return code, "certificate is for another name"
	}
	switch {
	case errors.Is(err, errNotPinned):
		return code, "key is not one of the pinned keys"
	case errors.Is(err, errOtherPSK):
		return code, "pre-shared key is another"
	case alert == alertUnrecognizedName:
		return code, "unknown name or identity"
	case alert == alertCertificateRequired:
		return code, "certificate required"
	}
	return code, strings.TrimPrefix(alert.Error(), "tls: ")
}

// printable makes a peer's words fit for a log.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, string(b))
}
