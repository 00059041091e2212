package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"time"
)

var tlsOverTCP = &Contender{
	Name: "tls", Note: "crypto/tls over kernel TCP",
	Listen: func(addr string, o Options) (net.Listener, error) {
		config, err := serverTLS()
		if err != nil {
			return nil, err
		}
		l, err := listenTCP(addr, o)
		if err != nil {
			return nil, err
		}
		return eagerListener{tls.NewListener(l, config)}, nil
	},
	Dial: func(ctx context.Context, addr string, o Options) (net.Conn, error) {
		c, err := dialTCP(ctx, addr, o)
		if err != nil {
			return nil, err
		}
		t := tls.Client(c, clientTLS())
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}
		return t, nil
	},
}

// An eagerListener begins the handshake of a connection when it is accepted, as a
// work that dials all its connections before it uses them needs.
type eagerListener struct{ net.Listener }

func (l eagerListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		go c.(*tls.Conn).Handshake() // its error is that of the first Read
	}
	return c, err
}

// alpn is the application protocol of the contenders with TLS.
const alpn = "bench"

// serverTLS returns a configuration with a new self-signed certificate.
func serverTLS() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{alpn},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{alpn},
	}, nil
}

// clientTLS returns a configuration that trusts anyone: the certificate is made
// for the run and what it costs to verify it is not the transport's.
func clientTLS() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ServerName: alpn, NextProtos: []string{alpn}}
}
