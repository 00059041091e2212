package mux_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/udt"
)

// A session over a message-mode connection: streams do not wait for each other's
// losses.
func Example() {
	config := &udt.Config{Mode: udt.ModeMessage}
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
		session, err := mux.Server(conn, nil)
		if err != nil {
			return
		}
		for {
			stream, err := session.Accept()
			if err != nil {
				return
			}
			go func() {
				defer stream.Close()
				_, _ = io.Copy(stream, stream)
			}()
		}
	}()

	conn, err := (&udt.Dialer{Config: config}).Dial("udt", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	session, err := mux.Client(conn, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	for i := range 3 {
		stream, err := session.OpenStream(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintf(stream, "echo %d", i)
		_ = stream.CloseWrite()
		answer, err := io.ReadAll(stream)
		if err != nil {
			log.Fatal(err)
		}
		_ = stream.Close()
		fmt.Println(string(answer))
	}
	// Output:
	// echo 0
	// echo 1
	// echo 2
}

// A program that uses the methods of a Muxer speaks mux or yamux: only the lines that
// make the sessions differ.
func ExampleMuxer() {
	near, far := net.Pipe()
	// For peers that speak yamux: client, err := yamux.Client(near, nil)
	client, err := mux.Client(near, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	// For peers that speak yamux: server, err := yamux.Server(far, nil)
	server, err := mux.Server(far, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	go greet(server)

	stream, err := client.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	fmt.Fprintln(stream, "gopher")
	answer, err := bufio.NewReader(stream).ReadString('\n')
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(answer)
	// Output:
	// hello, gopher
}

// greet serves one stream of any Muxer.
func greet(m mux.Muxer) {
	stream, err := m.Accept()
	if err != nil {
		return
	}
	defer stream.Close()
	name, err := bufio.NewReader(stream).ReadString('\n')
	if err == nil {
		fmt.Fprint(stream, "hello, ", name)
	}
}
