package simnet_test

import (
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// In a program's own tests this is a test: in a bubble of testing/synctest the clock is
// virtual, so that a transfer over a long path takes no time, and time can be asserted.
func Example() {
	_ = func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { transferInBubble(t) })
	}
}

// A transfer through a simulated path is done in the time that the path needs.
func TestExample(t *testing.T) { synctest.Test(t, transferInBubble) }

func transferInBubble(t *testing.T) {
	network := simnet.New(simnet.Config{Default: simnet.Link{Delay: 50 * time.Millisecond, Rate: 100e6}})
	defer network.Close()
	endpoint := func(addr string) *udt.Endpoint {
		pc, err := network.Listen(netip.MustParseAddrPort(addr))
		if err != nil {
			t.Fatal(err)
		}
		e, err := udt.NewEndpoint(pc, nil)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	server, client := endpoint("10.0.0.1:9000"), endpoint("10.0.0.2:0")
	defer server.Close()
	defer client.Close()

	l, err := server.Listen(nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.Write(make([]byte, 10<<20))
	}()

	begin := time.Now()
	c, err := (&udt.Dialer{Endpoint: client}).Dial("udt", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := io.Copy(io.Discard, c); n != 10<<20 || err != nil {
		t.Fatal(n, err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Fatalf("10 MiB at 100 Mbit/s took %v", took)
	}
}
