package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"

	"github.com/udtgo/udtgo/examples/internal/pin"
	"github.com/udtgo/udtgo/tlsadapter"
	"github.com/udtgo/udtgo/udt"
)

// fetch is the real client.
func fetch(ctx context.Context, o *options) error {
	u, err := url.Parse(o.get)
	if err != nil {
		return err
	}
	if u.Scheme != "udt" || u.Port() == "" {
		return fmt.Errorf("%q is not udt://host:port/path", o.get)
	}
	u.Scheme = "http"
	if o.tls {
		u.Scheme = "https"
	}
	output := o.output
	if output == "" {
		if output = path.Base(u.Path); output == "/" || output == "." {
			return errors.New("the URL names no file; say -o FILE")
		}
	}
	config, err := clientTLS(o)
	if err != nil {
		return err
	}
	transport := newTransport(o, "", config)
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		// When it is read the connection is idle, and closed in order.
		io.CopyN(io.Discard, response.Body, 64<<10)
		return errors.New(response.Status)
	}
	bar := newProgress(os.Stderr, response.ContentLength, 0)
	if output == "-" {
		_, err = io.Copy(os.Stdout, bar.reader(response.Body))
	} else {
		err = save(output, bar.reader(response.Body))
	}
	bar.finish()
	return err
}

// save writes a file, which gets its name when it is complete.
func save(name string, r io.Reader) error {
	part, err := os.CreateTemp(path.Dir(name), path.Base(name)+".*.part")
	if err != nil {
		return err
	}
	_, err = io.Copy(part, r)
	err = errors.Join(err, part.Chmod(0o644), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), name)
	}
	if err != nil {
		os.Remove(part.Name())
	}
	return err
}

// newTransport returns an HTTP client's transport over UDT. If address is not
// empty it is what is dialed, whatever the URL says.
func newTransport(o *options, address string, config *tls.Config) *http.Transport {
	plain := &udt.Dialer{}
	if o.secure {
		plain.Config = &udt.Config{Security: tlsadapter.Security(config)}
	}
	secure := &tlsadapter.Dialer{UDT: plain, Config: config}
	to := func(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, _, addr string) (net.Conn, error) {
			if address != "" {
				addr = address
			}
			return dial(ctx, "udt", addr) // net/http asks for "tcp"
		}
	}
	return &http.Transport{
		DialContext:        to(plain.DialContext),
		DialTLSContext:     to(secure.DialContext),
		ForceAttemptHTTP2:  true,
		DisableCompression: true,
	}
}

// clientTLS says which servers to trust. It returns nil without -tls and -secure.
func clientTLS(o *options) (*tls.Config, error) {
	if !o.tls && !o.secure {
		return nil, nil
	}
	config := &tls.Config{}
	switch {
	case o.pin != "":
		pinned, err := pin.ClientConfig(o.pin)
		if err != nil {
			return nil, err
		}
		config = pinned
	case o.ca != "":
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificates in %s", o.ca)
		}
	}
	config.NextProtos = o.protocols()
	return config, nil
}
