package tlsadapter_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

const serverName = "tlsadapter.invalid"

var (
	clientIP = netip.MustParseAddr("10.0.0.1")
	serverIP = netip.MustParseAddr("10.0.0.2")
)

// testCert is a self-signed certificate for serverName, serverIP and loopback. It
// is valid in a bubble too, where time begins in 2000.
var testCert = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: serverName},
		DNSNames:              []string{serverName},
		IPAddresses:           []net.IP{serverIP.AsSlice(), net.IPv4(127, 0, 0, 1)},
		NotBefore:             time.Unix(0, 0),
		NotAfter:              time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
})

// configs returns configurations that fit each other.
func configs(t testing.TB, protos ...string) (client, server *tls.Config) {
	t.Helper()
	cert, err := testCert()
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	return &tls.Config{RootCAs: roots, NextProtos: protos},
		&tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: protos}
}

// delay is what a packet takes from one host of a world to the other.
const delay = 50 * time.Millisecond

// A world is two hosts on a simulated network, with a listener on one of them.
type world struct {
	network  *simnet.Network
	client   *udt.Endpoint
	server   *udt.Endpoint
	listener *udt.Listener
}

// inWorld runs f in a bubble, whose end proves that no goroutine is left.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		network := simnet.New(simnet.Config{Default: simnet.Link{Delay: delay}})
		w := &world{network: network, client: host(t, network, clientIP), server: host(t, network, serverIP)}
		var err error
		w.listener, err = w.server.Listen(nil)
		require.NoError(t, err)
		t.Cleanup(func() {
			w.client.Close()
			w.server.Close()
			network.Close()
		})
		f(t, w)
	})
}

func host(t *testing.T, network *simnet.Network, ip netip.Addr) *udt.Endpoint {
	t.Helper()
	pc, err := network.Listen(netip.AddrPortFrom(ip, 0))
	require.NoError(t, err)
	e, err := udt.NewEndpoint(pc, nil)
	require.NoError(t, err)
	return e
}

// dialer returns a dialer of the client's host.
func (w *world) dialer() *udt.Dialer { return &udt.Dialer{Endpoint: w.client} }

func (w *world) addr() string { return w.listener.Addr().String() }

// accept starts to accept one connection and to do the server's handshake on it.
func (w *world) accept(config *tls.Config) <-chan accepted {
	result := make(chan accepted, 1)
	go func() {
		raw, err := w.listener.AcceptUDT()
		if err != nil {
			result <- accepted{err: err}
			return
		}
		c := tls.Server(raw, config)
		result <- accepted{c, c.HandshakeContext(context.Background())}
	}()
	return result
}

type accepted struct {
	conn *tls.Conn
	err  error
}
