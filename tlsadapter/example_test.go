package tlsadapter_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/udtgo/udtgo/tlsadapter"
	"github.com/udtgo/udtgo/udt"
)

// exampleConfigs stands for certificates that a program has from elsewhere.
func exampleConfigs() (client, server *tls.Config) { return configs() }

func Example() {
	clientConfig, serverConfig := exampleConfigs()
	l, err := tlsadapter.Listen("udt", "127.0.0.1:0", serverConfig, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		io.WriteString(c, "hello over TLS over UDT")
	}()

	c, err := tlsadapter.Dial("udt", l.Addr().String(), clientConfig)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	greeting, err := io.ReadAll(c)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(greeting))
	// Output: hello over TLS over UDT
}

// An HTTPS server and client, with HTTP/2, need one line each.
func ExampleDialer_DialContext() {
	clientConfig, serverConfig := exampleConfigs()
	serverConfig.NextProtos = []string{"h2", "http/1.1"}
	clientConfig.NextProtos = []string{"h2"}
	l, err := tlsadapter.Listen("udt", "127.0.0.1:0", serverConfig, nil)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "served by", r.Proto)
	})}
	go server.Serve(l)
	defer server.Close()

	dialer := &tlsadapter.Dialer{Config: clientConfig}
	transport := &http.Transport{
		ForceAttemptHTTP2: true,
		DialTLSContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, "udt", addr)
		},
	}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("https://" + l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(body))
	// Output: served by HTTP/2.0
}

// The same configurations protect UDT itself: every packet is sealed, and the
// connection is an ordinary *udt.Conn.
func ExampleSecurity() {
	clientConfig, serverConfig := exampleConfigs()
	l, err := udt.Listen("udt", "127.0.0.1:0", &udt.Config{Security: tlsadapter.Security(serverConfig)})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		io.WriteString(c, "hello over UDT, sealed")
	}()

	c, err := udt.Dial("udt", l.Addr().String(), &udt.Config{Security: tlsadapter.Security(clientConfig)})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	greeting, err := io.ReadAll(c)
	fmt.Println(string(greeting), err)
	// Output: hello over UDT, sealed <nil>
}

// One limit for name resolution, UDT's handshake and that of TLS.
func ExampleDialer() {
	clientConfig, _ := exampleConfigs()
	dialer := tlsadapter.Dialer{
		UDT:    &udt.Dialer{Timeout: 5 * time.Second},
		Config: clientConfig,
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0") // which never answers
	if err != nil {
		log.Fatal(err)
	}
	defer pc.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = dialer.DialContext(ctx, "udt", pc.LocalAddr().String())
	var timeout net.Error
	fmt.Println(errors.As(err, &timeout) && timeout.Timeout())
	// Output: true
}

// ExampleNetConn reads the counters of the connection under TLS.
func ExampleNetConn() {
	clientConfig, serverConfig := exampleConfigs()
	l, err := tlsadapter.Listen("udt", "127.0.0.1:0", serverConfig, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	c, err := tlsadapter.Dial("udt", l.Addr().String(), clientConfig)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(tlsadapter.NetConn(c).Stats().PacketsSent > 0)
	// Output: true
}
