package tlsadapter

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/udtgo/udtgo/udt"
)

// errMode refuses connections without a stream.
var errMode = fmt.Errorf("%w: TLS needs a stream", udt.ErrMode)

var errNoCertificate = errors.New("tls: neither Certificates, GetCertificate, nor GetConfigForClient set in Config")

// Listen accepts UDT connections on the local address and wraps each with
// tls.Server. The config must not be nil and must have a certificate or a way to
// get one. A nil uc means the zero udt.Config.
//
// Accept returns a *tls.Conn before its TLS handshake, which its first Read or
// Write does: one client that is slow there holds up no other. Servers with a
// limit for it, as net/http has, call HandshakeContext.
//
// To serve from an endpoint of one's own, use tls.NewListener with the
// endpoint's listener.
func Listen(network, address string, config *tls.Config, uc *udt.Config) (net.Listener, error) {
	if config == nil || len(config.Certificates) == 0 && config.GetCertificate == nil && config.GetConfigForClient == nil {
		return nil, &net.OpError{Op: "listen", Net: "udp", Err: errNoCertificate}
	}
	if !streams(uc) {
		return nil, &net.OpError{Op: "listen", Net: "udp", Err: errMode}
	}
	l, err := udt.Listen(network, address, uc)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(l, config), nil
}

// NetConn returns the UDT connection under c, for its Stats for instance, or nil
// if there is none. It looks through wrappers that have a NetConn method, as
// *tls.Conn has, so it finds the connection under TLS in TLS too. Reading from
// the result or writing to it breaks the TLS stream.
func NetConn(c *tls.Conn) *udt.Conn {
	if c == nil {
		return nil
	}
	for under := c.NetConn(); ; {
		switch conn := under.(type) {
		case *udt.Conn:
			return conn
		case interface{ NetConn() net.Conn }:
			under = conn.NetConn()
		default:
			return nil
		}
	}
}

// streams reports whether connections with this configuration are streams.
func streams(config *udt.Config) bool {
	return config == nil || config.Mode == udt.ModeStream
}
