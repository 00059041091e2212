package tlsadapter

import (
	"crypto/tls"

	"github.com/udtgo/udtgo/udt"
)

// Security makes the same TLS configuration protect UDT itself: as the Security of
// a udt.Config it goes to udt.Listen and udt.Dial in place of Listen and Dial here.
// Every packet is then encrypted and authenticated with keys from one TLS 1.3
// handshake, which takes no round trip of its own; both peers must be of this
// package's kind.
//
// A nil config is the zero tls.Config, which suits a client. A config without
// ServerName verifies the host that is dialed. The configuration of a listener needs
// a certificate; that is an error of udt.Listen. Peers must agree on NextProtos:
// either both have none or they have one in common. What config says of versions
// below TLS 1.3, of cipher suites and of session resumption does not matter. It must
// not be modified afterwards.
//
// The result requires protection. Set its Policy to udt.SecurityPrefer to go on with
// peers that do not have it, in the clear and without authentication.
func Security(config *tls.Config) *udt.Security {
	if config == nil {
		config = &tls.Config{}
	}
	return &udt.Security{TLS: config}
}
