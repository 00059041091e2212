package udt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/udt"
)

// One UDP port listens and dials. Its configuration holds for all connections on it.
func ExampleListenEndpoint() {
	port, err := udt.ListenEndpoint("udt", "127.0.0.1:0", &udt.EndpointConfig{MemoryLimit: 256 << 20})
	if err != nil {
		log.Fatal(err)
	}
	defer port.Close()
	l, err := port.Listen(nil)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		if conn, err := l.Accept(); err == nil {
			fmt.Fprint(conn, "from the same port")
			conn.Close()
		}
	}()

	conn, err := port.DialContext(context.Background(), "udt", l.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	fmt.Printf("%s %v\n", text, err)
	fmt.Println(conn.LocalAddr().String() == conn.RemoteAddr().String())
	// Output:
	// from the same port <nil>
	// true
}

// A socket of the program's own, on which it also exchanges datagrams that are not
// UDT's, as STUN does.
func ExampleNewEndpoint() {
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		log.Fatal(err)
	}
	answers := make(chan string, 1)
	port, err := udt.NewEndpoint(pc, &udt.EndpointConfig{
		OnForeignPacket: func(b []byte, _ netip.AddrPort) {
			select {
			case answers <- string(b): // a copy, as b is lent
			default: // it must not block
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer port.Close()

	// The server answers with the address that it sees.
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	go func() {
		b := make([]byte, 1500)
		if _, from, err := server.ReadFromUDPAddrPort(b); err == nil {
			server.WriteToUDPAddrPort([]byte("you are "+from.String()), from)
		}
	}()

	if err := port.WriteTo([]byte("who am I?"), server.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-answers == "you are "+port.LocalAddr().String())
	// Output: true
}

// A server that ends in order: it takes no new clients, and waits until those that it
// has are served, but not for ever.
func ExampleEndpoint_Shutdown() {
	l, err := udt.Listen("udt", "127.0.0.1:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				served <- err
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(io.Discard, conn) // until the client has closed
			}()
		}
	}()
	conn, err := udt.Dial("udt", l.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		fmt.Fprint(conn, "the last request")
		conn.Close()
	}()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	fmt.Println(l.Endpoint().Shutdown(ctx))
	fmt.Println(errors.Is(<-served, net.ErrClosed))
	// Output:
	// <nil>
	// true
}

// net/http over UDT: the server gets the listener. It ends in two steps: first its
// requests, then what the connections have still to deliver.
func ExampleListener() {
	l, err := udt.Listen("udt", "127.0.0.1:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "served over UDT")
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()

	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return udt.DialContext(ctx, "udt", address, nil)
		},
	}}
	response, err := client.Get("http://" + l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	fmt.Printf("%s %v\n", body, err)

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	fmt.Println(server.Shutdown(ctx), l.Endpoint().Shutdown(ctx))
	fmt.Println(<-served == http.ErrServerClosed)
	// Output:
	// served over UDT <nil>
	// <nil> <nil>
	// true
}

// A sender that wants to know whether everything has arrived before it ends.
func ExampleConn_CloseContext() {
	l, err := udt.Listen("udt", "127.0.0.1:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	received := make(chan int64, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		n, _ := io.Copy(io.Discard, conn)
		received <- n
	}()

	conn, err := udt.Dial("udt", l.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := conn.CloseContext(ctx); err != nil {
		log.Fatal(err) // not known to have arrived
	}
	fmt.Println(<-received)
	// Output: 1048576
}
