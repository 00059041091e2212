package udt

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/secure"
)

// Causes of errors. The methods of this package return them inside a *net.OpError,
// whose Net is that of every address, "udp"; test for them with errors.Is. Other
// causes are net.ErrClosed after our own Close, os.ErrDeadlineExceeded for deadlines,
// the context's error where there is a context, and syscall.EPIPE for writing to a
// connection that the peer has closed.
var (
	// ErrRefused means that there is no listener at the address, or that the listener
	// refused the connection. It is syscall.ECONNREFUSED.
	ErrRefused error = &cause{text: "connection refused", is: []error{syscall.ECONNREFUSED}}

	// ErrReset means that the peer aborted the connection, or that data are
	// missing at its end. It is syscall.ECONNRESET, and io.ErrUnexpectedEOF.
	ErrReset error = &cause{text: "connection reset by peer", is: []error{syscall.ECONNRESET, io.ErrUnexpectedEOF}}

	// ErrPeerTimeout means that the peer has stopped answering, or did not answer a
	// handshake. Its Timeout method returns true. It is
	// syscall.ETIMEDOUT.
	ErrPeerTimeout error = &cause{text: "peer does not answer", timeout: true, is: []error{syscall.ETIMEDOUT}}

	// ErrMessageTooLong means that a message does not fit the send buffer or the
	// peer's window, or that an incoming one does not fit Config.RecvBuffer.
	ErrMessageTooLong error = &cause{text: "message too long", is: []error{syscall.EMSGSIZE}}

	// ErrMode means that a method needs the other Mode, or that the peer uses it.
	ErrMode error = &cause{text: "wrong mode for this connection"}

	// ErrProtocol means that the peer broke the protocol.
	ErrProtocol error = &cause{text: "protocol error"}

	// ErrPeerNotSecure means that the peer does not speak protected mode, which
	// Security.Policy requires.
	ErrPeerNotSecure error = &cause{text: "peer does not offer protected mode", is: []error{ErrRefused, syscall.ECONNREFUSED}}

	// ErrAuth means that one side did not accept the credential of the other; the
	// error's text says which side and why.
	ErrAuth error = &cause{text: "authentication failed", is: []error{syscall.EACCES}}

	// ErrDowngrade means that the handshake of a protected connection was changed on
	// its way.
	ErrDowngrade error = &cause{text: "handshake was changed in flight"}

	// ErrKeyLimit means that a protected connection ran out of packet numbers under
	// keys that the peer has confirmed.
	ErrKeyLimit error = &cause{text: "no packet number left"}

	// ErrNotProtected means that a method needs protected mode.
	ErrNotProtected error = &cause{text: "connection is not protected"}

	// ErrOptimisticACK means that the peer acknowledged what it cannot have
	// received, to get more than its path carries. It is ErrProtocol too.
	ErrOptimisticACK error = &cause{text: "peer acknowledges what it cannot have received", is: []error{ErrProtocol}}

	// ErrConfig means that an argument, or a field of a Config, an EndpointConfig or a
	// Dialer, is out of range; the error's text says which and what range it has.
	ErrConfig error = &cause{text: "invalid configuration"}
)

var errHandshakeTimeout error = &cause{
	text: "handshake timed out", timeout: true, is: []error{ErrPeerTimeout, syscall.ETIMEDOUT},
}

var errWrongMode = fmt.Errorf("%w: %w", ErrRefused, ErrMode)

// cause is an error that other errors are equal to.
type cause struct {
	text    string
	timeout bool
	is      []error
}

func (e *cause) Error() string   { return e.text }
func (e *cause) Timeout() bool   { return e.timeout }
func (e *cause) Temporary() bool { return e.timeout }

func (e *cause) Is(target error) bool {
	for _, err := range e.is {
		if target == err {
			return true
		}
	}
	return false
}

// configError says which setting is out of range.
func configError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
}

// fromCore turns the reason for which the protocol machine ended a connection
// into the cause that users see.
func fromCore(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, proto.ErrRefused) && errors.Is(err, proto.ErrMode):
		return errWrongMode
	case errors.Is(err, proto.ErrRefused):
		return ErrRefused
	case errors.Is(err, proto.ErrMode):
		return ErrMode
	case errors.Is(err, proto.ErrReset):
		return ErrReset
	case errors.Is(err, proto.ErrPeerTimeout):
		return ErrPeerTimeout
	case errors.Is(err, proto.ErrHandshakeTimeout), err == errHandshakeTimeout:
		return errHandshakeTimeout
	case errors.Is(err, proto.ErrMessageTooLong):
		return ErrMessageTooLong
	case errors.Is(err, proto.ErrPeerClosed):
		return io.EOF
	case errors.Is(err, ErrKeyLimit):
		return ErrKeyLimit
	case errors.As(err, new(*securityError)):
		return err
	case errors.Is(err, proto.ErrOptimisticACK):
		return ErrOptimisticACK
	case errors.Is(err, proto.ErrProtocol):
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return net.ErrClosed
}

// fromSecure is fromCore for the exchange that opens a protected connection.
func fromSecure(err error) error {
	for _, k := range []struct{ kind, cause error }{
		{secure.ErrPeerNotSecure, ErrPeerNotSecure}, {secure.ErrAuth, ErrAuth}, {secure.ErrDowngrade, ErrDowngrade},
		{secure.ErrMode, errWrongMode}, {secure.ErrRefused, ErrRefused}, {secure.ErrCancelled, ErrReset},
	} {
		if errors.Is(err, k.kind) {
			return &securityError{k.cause, err}
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, secure.ErrTimeout):
		return errHandshakeTimeout
	}
	return &securityError{ErrProtocol, err}
}

// opError wraps err as the methods of package net do. io.EOF and
// io.ErrShortBuffer stay bare: callers compare them.
func opError(op string, source, addr net.Addr, err error) error {
	if err == nil || err == io.EOF || err == io.ErrShortBuffer {
		return err
	}
	return &net.OpError{Op: op, Net: "udp", Source: source, Addr: addr, Err: err}
}

// unwrapOp returns the cause in err, which is put into an error of our own.
func unwrapOp(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// errTimeout is what calls return whose deadline has passed.
var errTimeout = os.ErrDeadlineExceeded
