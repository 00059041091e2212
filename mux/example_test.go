package mux_test

import (
	"context"
	"fmt"
	"io"
	"log"

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
