package mux_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"

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

// HTTP over UDT, with a stream for each request. The server shuts down gracefully:
// Listener sends GoAway when it is closed, and lets the requests under way finish.
func ExampleListener() {
	config := &udt.Config{Mode: udt.ModeMessage}
	l, err := udt.Listen("udt", "127.0.0.1:0", config)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "you asked for %s", r.URL.Path)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		session, err := mux.Server(conn, nil)
		if err != nil {
			return
		}
		defer session.Close()
		_ = server.Serve(mux.Listener(session))
		// Serve returns as soon as Shutdown begins: the session ends with its client.
		<-session.Done()
	}()

	conn, err := (&udt.Dialer{Config: config}).Dial("udt", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	session, err := mux.Client(conn, nil)
	if err != nil {
		log.Fatal(err)
	}
	// Opening a stream costs no round trip, so there is nothing to keep alive.
	client := &http.Client{Transport: &http.Transport{DialContext: session.DialContext, DisableKeepAlives: true}}
	for _, path := range []string{"/one", "/two"} {
		r, err := client.Get("http://peer" + path)
		if err != nil {
			log.Fatal(err)
		}
		answer, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(answer))
	}

	if err := server.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	session.Close()
	<-done
	// Output:
	// you asked for /one
	// you asked for /two
}

// A server ends a session without cutting a stream off: it asks the peer to open no
// more, serves those that are open, and closes the session after the last.
func ExampleSession_GoAway() {
	near, far := net.Pipe()
	client, err := mux.Client(near, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	server, err := mux.Server(far, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	ctx := context.Background()
	stream, err := client.OpenStream(ctx)
	if err != nil {
		log.Fatal(err)
	}
	accepted, err := server.AcceptStream(ctx)
	if err != nil {
		log.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		defer accepted.Close()
		_, _ = io.Copy(accepted, accepted)
	})

	if err := server.GoAway(); err != nil {
		log.Fatal(err)
	}
	if _, err := server.Ping(ctx); err != nil { // its answer comes after the last stream
		log.Fatal(err)
	}
	_, err = client.OpenStream(ctx)
	fmt.Println("another stream:", errors.Is(err, mux.ErrGoAway))

	fmt.Fprint(stream, "the open one goes on")
	_ = stream.CloseWrite()
	answer, err := io.ReadAll(stream)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(answer))
	serving.Wait()
	server.Close()
	fmt.Println(client.Err())
	// Output:
	// another stream: true
	// the open one goes on
	// session closed by peer
}

// Close delivers what the streams were given before. The peer reads it, and then
// learns that the session was closed, and with CloseWithError why.
func ExampleSession_CloseWithError() {
	near, far := net.Pipe()
	client, err := mux.Client(near, nil)
	if err != nil {
		log.Fatal(err)
	}
	server, err := mux.Server(far, nil)
	if err != nil {
		log.Fatal(err)
	}
	stream, err := client.OpenUniStream(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(stream, "last words")
	_ = stream.Close()
	const codeMaintenance = 7 // codes below 2^32 are the application's
	closed := make(chan error, 1)
	go func() { closed <- client.CloseWithError(codeMaintenance, "back at noon") }()

	accepted, err := server.AcceptStream(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	text, err := io.ReadAll(accepted)
	fmt.Println(string(text), err)
	_, err = server.AcceptStream(context.Background())
	var why *mux.SessionError
	if errors.As(err, &why) {
		fmt.Println(why.Remote, why.Code, why.Reason)
	}
	server.Close()
	<-closed
	// Output:
	// last words <nil>
	// true 7 back at noon
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
