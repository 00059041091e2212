package tlsadapter

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/udtgo/udtgo/udt"
)

// Dial connects to the address on the named network, one of udt.Dial's, does the
// TLS handshake and returns the connection. A nil config is the zero
// tls.Config. If config has no ServerName it is the host of the address.
//
// The UDT handshake has udt.Config's limit. That of TLS has none, as with
// tls.Dial: use a Dialer to set one.
func Dial(network, address string, config *tls.Config) (*tls.Conn, error) {
	return (&Dialer{Config: config}).dial(context.Background(), network, address)
}

// A Dialer dials TLS over UDT. Its zero value is ready to use. It is safe to call
// its methods concurrently.
type Dialer struct {
	// UDT makes the connections. Its Timeout and Deadline bound both
	// handshakes together. Nil means the zero Dialer.
	UDT *udt.Dialer

	// Config is for TLS. If it has no ServerName it is the host of the address.
	// Nil means the zero Config, as for crypto/tls. It must not be modified
	// during a dial.
	Config *tls.Config
}

// Dial is DialContext with the background context.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext connects and does the TLS handshake, both within ctx. Once it has
// returned, the end of ctx does not affect the connection. The returned Conn, if
// any, is always of type *tls.Conn.
//
// If UDT cannot connect, or ctx, Timeout or Deadline end the dial, or the peer
// closes the connection in the middle of it, the error is a *net.OpError, and
// errors.Is finds the cause: the context's error, os.ErrDeadlineExceeded, or one
// of package udt. What is wrong with the TLS handshake itself is returned as
// crypto/tls has it, a *tls.CertificateVerificationError for instance.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err // not a nil *tls.Conn in a net.Conn
	}
	return c, nil
}

func (d *Dialer) dial(ctx context.Context, network, address string) (*tls.Conn, error) {
	var dialer udt.Dialer
	if d.UDT != nil {
		dialer = *d.UDT
	}
	if !streams(dialer.Config) {
		return nil, &net.OpError{Op: "dial", Net: "udp", Source: dialer.LocalAddr, Err: errMode}
	}
	ctx, cancel := bound(ctx, &dialer)
	defer cancel()
	config := withServerName(d.Config, address)
	c, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return handshake(ctx, c.(*udt.Conn), config)
}

// bound puts the dialer's own limits into the context, so that they hold for
// both handshakes and begin once.
func bound(ctx context.Context, d *udt.Dialer) (context.Context, context.CancelFunc) {
	deadline := d.Deadline
	if d.Timeout != 0 {
		if t := time.Now().Add(d.Timeout); deadline.IsZero() || t.Before(deadline) {
			deadline = t
		}
	}
	d.Timeout, d.Deadline = 0, time.Time{}
	if deadline.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline)
}

// withServerName returns config with a ServerName, as tls.Dial does.
func withServerName(config *tls.Config, address string) *tls.Config {
	if config == nil {
		config = &tls.Config{}
	}
	if config.ServerName != "" {
		return config
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	config = config.Clone()
	config.ServerName = host
	return config
}

// handshake does the client's TLS handshake on conn, which it closes if that
// fails.
func handshake(ctx context.Context, conn *udt.Conn, config *tls.Config) (*tls.Conn, error) {
	// HandshakeContext ends a handshake by Close, which waits for
	// acknowledgements of what was sent. Abort does not wait, nor does Close once
	// the connection was aborted.
	stop := context.AfterFunc(ctx, func() { conn.Abort() })
	c := tls.Client(conn, config)
	err := c.HandshakeContext(ctx)
	switch {
	case err == nil && stop():
		return c, nil
	case ctx.Err() != nil:
		err = contextError(ctx)
	}
	conn.Close() // waits until the alert has arrived, within ctx
	stop()
	if wrapped, ok := endOfDial(err); ok {
		return nil, &net.OpError{Op: "dial", Net: "udp", Source: conn.LocalAddr(), Addr: conn.RemoteAddr(), Err: wrapped}
	}
	return nil, err
}

// endOfDial returns the cause of an error that ended the dial from below or
// above TLS. Others are those of TLS.
func endOfDial(err error) (cause error, ok bool) {
	var op *net.OpError
	switch {
	case errors.Is(err, errTimeout), errors.Is(err, context.Canceled), err == io.EOF:
		return err, true
	case errors.As(err, &op) && op.Net == "udp":
		return op.Err, true // reading or writing was how the dial failed, not what was asked for
	}
	return nil, false
}

// contextError is the error of a handshake whose context has ended.
func contextError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errTimeout
	}
	return ctx.Err()
}

// errTimeout is what a dial's deadline ends with, equal to the same errors as
// that of the UDT handshake.
var errTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func (timeoutError) Is(target error) bool {
	return target == context.DeadlineExceeded || target == os.ErrDeadlineExceeded || target == syscall.ETIMEDOUT
}
