package nettest_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"testing"
	"time"

	"github.com/udtgo/udtgo/nettest"
	"github.com/udtgo/udtgo/nettest/simnet"
)

// A client reaches a UDP server through 20 ms of delay each way.
func ExampleRelay() {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			server.WriteTo(b[:n], from)
		}
	}()

	link := simnet.Link{Delay: 20 * time.Millisecond}
	relay, err := nettest.NewRelay(nettest.RelayConfig{Target: server.LocalAddr().String(), Up: link, Down: link})
	if err != nil {
		log.Fatal(err)
	}
	defer relay.Close()

	client, err := net.Dial("udp4", relay.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	begin := time.Now()
	fmt.Fprint(client, "there and back")
	b := make([]byte, 1500)
	n, err := client.Read(b)
	fmt.Println(string(b[:n]), err, time.Since(begin) >= 40*time.Millisecond)
	// Output: there and back <nil> true
}

// A transport of one's own is held to what programs expect of TCP: here it is TCP
// itself. It passes all rows but those that say why not.
func ExampleTestDropIn() {
	_ = func(t *testing.T) { // the test of the transport
		nettest.TestDropIn(t, func() (net.Listener, func(context.Context) (net.Conn, error), func(), error) {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				return nil, nil, nil, err
			}
			dial := func(ctx context.Context) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp4", l.Addr().String())
			}
			return l, dial, func() { l.Close() }, nil
		}, nettest.DropInOptions{
			Network: "tcp4",
			Skip:    map[string]string{"row26": "a kernel connection has a descriptor of its own"},
		})
	}
}

// The checks of golang.org/x/net/nettest, in a bubble of testing/synctest or outside.
func ExampleConnChecks() {
	_ = func(t *testing.T) { // the test of the transport
		for _, check := range nettest.ConnChecks() {
			t.Run(check.Name, func(t *testing.T) {
				c1, c2 := net.Pipe()
				check.Run(t, c1, c2)
			})
		}
	}
}
