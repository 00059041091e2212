package udt_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/nettest/testkit"
	"github.com/udtgo/udtgo/udt"
)

// certificate stands for what a program has from an authority, or from its own.
func certificate() (tls.Certificate, *x509.CertPool) {
	a := testkit.NewAuthority()
	return a.Issue("server", time.Time{}, nil, netip.MustParseAddr("127.0.0.1")), a.Pool()
}

// Certificates, as for HTTPS: the client verifies the server's name, here its address.
// With ClientAuth set the server verifies clients too.
func ExampleSecurity() {
	cert, roots := certificate()

	l, err := udt.Listen("udt", "127.0.0.1:0", &udt.Config{
		Security: &udt.Security{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "sealed")
	}()

	conn, err := udt.Dial("udt", l.Addr().String(), &udt.Config{
		Security: &udt.Security{TLS: &tls.Config{RootCAs: roots}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	state, protected := conn.ConnectionState()
	fmt.Println(protected, tls.VersionName(state.Version))
	text, err := io.ReadAll(conn)
	fmt.Printf("%s %v\n", text, err)

	// A client that does not trust the server's authority is not connected.
	_, err = udt.Dial("udt", l.Addr().String(), &udt.Config{Security: &udt.Security{TLS: &tls.Config{}}})
	fmt.Println(errors.Is(err, udt.ErrAuth))
	// Output:
	// true TLS 1.3
	// sealed <nil>
	// true
}

// Keys that peers know of each other, as in SSH or WireGuard: no certificates, no
// names.
func ExamplePinnedKeys() {
	serverPublic, serverPrivate, _ := ed25519.GenerateKey(nil)
	clientPublic, clientPrivate, _ := ed25519.GenerateKey(nil)

	l, err := udt.Listen("udt", "127.0.0.1:0", &udt.Config{
		Security: &udt.Security{Pinned: &udt.PinnedKeys{Own: serverPrivate, Peers: []ed25519.PublicKey{clientPublic}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "sealed")
	}()

	conn, err := udt.Dial("udt", l.Addr().String(), &udt.Config{
		Security: &udt.Security{Pinned: &udt.PinnedKeys{Own: clientPrivate, Peers: []ed25519.PublicKey{serverPublic}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	fmt.Printf("%s %v\n", text, err)
	// Output: sealed <nil>
}

// A secret of 32 bytes that both sides have. A listener may have several, for
// different clients.
func ExamplePreSharedKey() {
	key := make([]byte, 32)
	rand.Read(key)
	config := &udt.Config{Security: &udt.Security{PSKs: []udt.PreSharedKey{{Identity: "backup", Key: key}}}}

	l, err := udt.Listen("udt", "127.0.0.1:0", config)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "sealed")
	}()

	conn, err := udt.Dial("udt", l.Addr().String(), config)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	fmt.Printf("%s %v\n", text, err)

	wrong := &udt.Config{Security: &udt.Security{PSKs: []udt.PreSharedKey{{Identity: "backup", Key: make([]byte, 31)}}}}
	_, err = udt.Dial("udt", l.Addr().String(), wrong)
	fmt.Println(errors.Is(err, udt.ErrConfig))
	// Output:
	// sealed <nil>
	// true
}

// A secret that people can say. Both sides make the same key of it, at the cost of
// some tenth of a second, and need the same salt for that.
func ExamplePSKFromPassphrase() {
	secured := func(passphrase string) *udt.Config {
		key := udt.PSKFromPassphrase([]byte(passphrase), []byte("alice and bob"))
		return &udt.Config{Security: &udt.Security{PSKs: []udt.PreSharedKey{{Identity: "alice and bob", Key: key}}}}
	}
	right := secured("correct horse battery staple")

	l, err := udt.Listen("udt", "127.0.0.1:0", right)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "sealed")
	}()

	conn, err := udt.Dial("udt", l.Addr().String(), right)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	fmt.Printf("%s %v\n", text, err)

	_, err = udt.Dial("udt", l.Addr().String(), secured("correct horse battery stable"))
	fmt.Println(errors.Is(err, udt.ErrAuth))
	// Output:
	// sealed <nil>
	// true
}
