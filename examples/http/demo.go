package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/udtgo/udtgo/examples/internal/pin"
	"github.com/udtgo/udtgo/nettest"
	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/tlsadapter"
	"github.com/udtgo/udtgo/udt"
)

// packetSize is that of a full IP packet, what the path's rate is measured in.
const packetSize = 1500 // bytes

// demonstrate fetches a file from a server in this process through a simulated
// path and reports how that went.
func demonstrate(ctx context.Context, o *options) error {
	l, fingerprint, err := listen(o, "127.0.0.1:0")
	if err != nil {
		return err
	}
	var sender atomic.Pointer[udt.Conn]
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, &content{size: o.bytes()})
	}))
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		sender.Store(udtUnder(c))
		return ctx
	}
	go server.Serve(l)
	defer server.Close()

	relay, err := nettest.NewRelay(nettest.RelayConfig{Target: l.Addr().String(), Up: o.link(), Down: o.link(), Seed: 1})
	if err != nil {
		return err
	}
	defer relay.Close()
	var config *tls.Config
	if fingerprint != "" {
		if config, err = pin.ClientConfig(fingerprint); err != nil {
			return err
		}
		config.NextProtos = o.protocols()
	}
	transport := newTransport(o, relay.Addr().String(), config)
	defer transport.CloseIdleConnections()

	describe(o, l.Addr(), relay.Addr())
	got, err := download(ctx, o, transport)
	if err != nil {
		return err
	}
	got.sender, got.path = sender.Load().Stats(), relay.Stats().Down
	got.report(o)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return got.verify()
}

// A result is what a download gave.
type result struct {
	bytes   int64
	hash    hash.Hash
	elapsed time.Duration
	sender  udt.Stats    // of the server's connection
	path    simnet.Stats // from the server to the client
}

// download fetches the file, or what of it comes in time. The time counts from
// before the connection is made.
func download(ctx context.Context, o *options, transport *http.Transport) (*result, error) {
	bar := newProgress(os.Stdout, o.bytes(), o.limit)
	// The limit is tested between reads; this one is for a path where nothing comes.
	ctx, cancel := context.WithTimeout(ctx, o.limit+10*time.Second)
	defer cancel()
	scheme := "http"
	if o.tls {
		scheme = "https"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://demonstration/file", nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	r := &result{hash: sha256.New()}
	body := io.TeeReader(bar.reader(response.Body), r.hash)
	buf := make([]byte, 64<<10)
	for err == nil && time.Since(bar.start) < o.limit {
		var n int
		n, err = body.Read(buf)
		r.bytes += int64(n)
	}
	r.elapsed = time.Since(bar.start)
	bar.finish()
	if err != nil && err != io.EOF && ctx.Err() == nil {
		return nil, err
	}
	return r, nil
}

// verify compares the hash of what was received with that of what was to be sent.
func (r *result) verify() error {
	want := sha256.New()
	if _, err := io.Copy(want, &content{size: r.bytes}); err != nil {
		return err
	}
	if string(want.Sum(nil)) != string(r.hash.Sum(nil)) {
		return errors.New("the bytes received are not those that were sent")
	}
	fmt.Printf("SHA-256   %x, as it has to be\n", r.hash.Sum(nil))
	return nil
}

// link is one direction of the simulated path.
func (o *options) link() simnet.Link {
	bitsPerSecond := o.rate * 1e6
	return simnet.Link{
		Rate:  int64(bitsPerSecond),
		Delay: o.rtt / 2,
		Loss:  o.loss / 100,
		Queue: max(int(bitsPerSecond*o.rtt.Seconds()/8/packetSize), 10), // one bandwidth-delay product
	}
}

func (o *options) bytes() int64 { return int64(o.size * 1e6) }

// udtUnder returns the UDT connection that the server accepted as c.
func udtUnder(c net.Conn) *udt.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return tlsadapter.NetConn(t)
	}
	return c.(*udt.Conn)
}
