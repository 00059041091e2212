package mux

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/udtgo/udtgo/mux/internal/proto"
)

// Codes of a StreamError or a SessionError from 2^32 on. Smaller codes are the
// application's.
const (
	CodeProtocolError uint64 = proto.CodeProtocol    // the peer broke the protocol
	CodeFlowControl   uint64 = proto.CodeFlowControl // the peer sent more than it was allowed to
	CodeFlood         uint64 = proto.CodeFlood       // the peer caused work to no purpose
	CodeRefused       uint64 = proto.CodeRefused     // the peer did not want the stream, and did not handle it
)

// Causes of errors.
var (
	// ErrConfig means that a field of a Config is negative or out of range; the
	// error's text says which.
	ErrConfig = errors.New("invalid configuration")

	// ErrGoAway means that the peer accepts no more streams.
	ErrGoAway = errors.New("peer accepts no more streams")

	// ErrPeerTimeout means that nothing arrived from the peer for
	// Config.IdleTimeout. Its Timeout method returns true, and it is
	// syscall.ETIMEDOUT.
	ErrPeerTimeout error = timeoutError{}

	// ErrNoDatagrams means that the connection under the session does not keep
	// message boundaries. It is errors.ErrUnsupported.
	ErrNoDatagrams = fmt.Errorf("carrier has no datagrams: %w", errors.ErrUnsupported)

	// ErrDatagramTooLarge means that a datagram does not fit a packet of the carrier.
	ErrDatagramTooLarge = errors.New("datagram too large")
)

type timeoutError struct{}

func (timeoutError) Error() string        { return "peer is silent" }
func (timeoutError) Timeout() bool        { return true }
func (timeoutError) Temporary() bool      { return true }
func (timeoutError) Is(target error) bool { return target == syscall.ETIMEDOUT }

// A StreamError reports that a stream was reset.
//
// For errors.Is it is syscall.ECONNRESET and syscall.EPIPE if the peer reset the stream,
// and net.ErrClosed if this side did.
type StreamError struct {
	Code   uint64 // that of Reset, 0 for Close and CloseRead, or one of this package
	Remote bool   // the peer reset it
}

// Error says which side reset the stream, and the code.
func (e *StreamError) Error() string {
	if e.Remote {
		return fmt.Sprintf("stream reset by peer with code %d", e.Code)
	}
	return fmt.Sprintf("stream reset with code %d", e.Code)
}

// Is reports whether e is target.
func (e *StreamError) Is(target error) bool { return isEnd(e.Remote, target) }

// A SessionError reports why a session ended.
//
// For errors.Is it is syscall.ECONNRESET and syscall.EPIPE if the peer closed the
// session, and net.ErrClosed if this side did. This side also closes a session whose
// peer breaks the protocol: Code says so.
type SessionError struct {
	Code   uint64 // that of CloseWithError, 0 for Close, or one of this package
	Reason string // for people; from the peer if Remote is set
	Remote bool   // the peer closed the session
}

// Error says which side closed the session, the code and the reason.
func (e *SessionError) Error() string {
	who := ""
	if e.Remote {
		who = " by peer"
	}
	if e.Code == 0 && e.Reason == "" {
		return "session closed" + who
	}
	return fmt.Sprintf("session closed%s with code %d: %s", who, e.Code, e.Reason)
}

// Is reports whether e is target.
func (e *SessionError) Is(target error) bool { return isEnd(e.Remote, target) }

func isEnd(remote bool, target error) bool {
	if remote {
		return target == syscall.ECONNRESET || target == syscall.EPIPE
	}
	return target == net.ErrClosed
}

// fromCore turns an error of the state machine into the cause that users see.
func fromCore(err error) error {
	switch e := err.(type) {
	case *proto.StreamError:
		return &StreamError{e.Code, e.Remote}
	case *proto.ProtocolError:
		return &SessionError{e.Code, e.Reason, false}
	case *proto.ClosedError:
		return &SessionError{e.Code, e.Reason, true}
	}
	switch err {
	case proto.ErrClosed:
		return net.ErrClosed
	case proto.ErrGoAway:
		return ErrGoAway
	case proto.ErrIdle:
		return ErrPeerTimeout
	}
	return err
}

// opError wraps err as the methods of package net do. io.EOF stays bare: callers
// compare it.
func (s *Session) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "mux", Source: s.conn.LocalAddr(), Addr: s.conn.RemoteAddr(), Err: fromCore(err)}
}

// An endError is the end of a session as Accept returns it. It hides that a timeout
// calls itself temporary: servers would call Accept again, for ever.
type endError struct{ err error }

func (e endError) Error() string { return e.err.Error() }
func (e endError) Unwrap() error { return e.err }

// errTimeout is what calls return whose deadline has passed.
var errTimeout = os.ErrDeadlineExceeded
