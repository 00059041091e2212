package udt_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/udtgo/udtgo/udt"
)

// A server and a client that exchange a line and end in order.
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
		defer conn.Close()
		io.Copy(conn, io.LimitReader(conn, 5)) // echo five bytes
	}()

	conn, err := udt.Dial("udt", l.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "hello")
	answer, err := io.ReadAll(conn)
	fmt.Printf("%s %v\n", answer, err)
	// Output: hello <nil>
}

// net/http over UDT: the server gets the listener, the client a function that
// dials.
func ExampleDialer_DialContext() {
	l, err := udt.Listen("udt", "127.0.0.1:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "over UDT")
	})}
	go server.Serve(l)
	defer server.Close()

	dialer := &udt.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "udt", address)
		},
	}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("http://" + l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Printf("%s %v\n", body, err)
	// Output: over UDT <nil>
}

// Two peers dial each other from known ports, with no listener: the way through
// most address translators.
func ExampleDialer_rendezvous() {
	a, err := udt.ListenEndpoint("udt", "127.0.0.1:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	b, err := udt.ListenEndpoint("udt", "127.0.0.1:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	defer b.Close()

	go func() {
		d := &udt.Dialer{Endpoint: b, Rendezvous: true}
		if conn, err := d.Dial("udt", a.LocalAddr().String()); err == nil {
			fmt.Fprint(conn, "met")
			conn.Close()
		}
	}()
	d := &udt.Dialer{Endpoint: a, Rendezvous: true}
	conn, err := d.Dial("udt", b.LocalAddr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	got, err := io.ReadAll(conn)
	fmt.Printf("%s %v\n", got, err)
	// Output: met <nil>
}

// Messages keep their boundaries. One that is not ordered need not wait for those
// before it.
func ExampleConn_WriteMessage() {
	config := &udt.Config{Mode: udt.ModeMessage}
	l, err := udt.Listen("udt", "127.0.0.1:0", config)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	conn, err := udt.Dial("udt", l.Addr().String(), config)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	peer, err := l.AcceptUDT()
	if err != nil {
		log.Fatal(err)
	}
	defer peer.Close()

	conn.WriteMessage([]byte("one"), udt.MessageOptions{})
	conn.WriteMessage([]byte("two"), udt.MessageOptions{TTL: time.Minute})
	buf := make([]byte, 1024)
	for range 2 {
		n, err := peer.ReadMessage(buf)
		fmt.Printf("%s %v\n", buf[:n], err)
	}
	// Output:
	// one <nil>
	// two <nil>
}

// One port exchanges reliable messages with any number of peers.
func ExampleListenPacket() {
	a, err := udt.ListenPacket("udt", "127.0.0.1:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	b, err := udt.ListenPacket("udt", "127.0.0.1:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	if _, err := a.WriteTo([]byte("ping"), b.LocalAddr()); err != nil {
		log.Fatal(err)
	}
	buf := make([]byte, 1024)
	n, from, err := b.ReadFrom(buf)
	fmt.Printf("%s %v %v\n", buf[:n], from.String() == a.LocalAddr().String(), err)
	// Output: ping true <nil>
}

// fixedRate is a controller that sends at a constant rate, whatever happens.
type fixedRate struct{ bytesPerSecond int64 }

func (f fixedRate) Init(_ time.Time, s *udt.CongestionState) {
	s.PacingRate = f.bytesPerSecond
	s.Window = s.MaxWindow
}
func (fixedRate) OnAck(time.Time, *udt.CongestionState, *udt.AckSample)   {}
func (fixedRate) OnLoss(time.Time, *udt.CongestionState, *udt.LossSample) {}
func (fixedRate) OnTimeout(time.Time, *udt.CongestionState)               {}

func ExampleCongestionControl() {
	config := &udt.Config{
		CongestionControl: func() udt.CongestionControl { return fixedRate{bytesPerSecond: 1e6} },
	}
	l, err := udt.Listen("udt", "127.0.0.1:0", config)
	fmt.Println(l != nil, err)
	l.Close()
	// Output: true <nil>
}
