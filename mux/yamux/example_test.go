package yamux_test

import (
	"bufio"
	"context"
	"fmt"
	"log"

	"github.com/udtgo/udtgo/mux/yamux"
	"github.com/udtgo/udtgo/udt"
)

// Both ends speak yamux over one UDT connection. Either end may be a program that uses
// hashicorp/yamux itself.
func Example() {
	l, err := udt.Listen("udt", "127.0.0.1:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		session, err := yamux.Server(conn, nil)
		if err != nil {
			return
		}
		defer session.Close()
		stream, err := session.Accept()
		if err != nil {
			return
		}
		defer stream.Close()
		name, err := bufio.NewReader(stream).ReadString('\n')
		if err == nil {
			fmt.Fprint(stream, "hello, ", name)
		}
		<-session.Done()
	}()

	conn, err := udt.Dial("udt", l.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	session, err := yamux.Client(conn, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	stream, err := session.OpenStream(context.Background())
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
