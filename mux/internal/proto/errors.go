package proto

import (
	"errors"
	"fmt"
)

// Codes from 2^32 on are the protocol's own; smaller ones are the application's.
const (
	CodeProtocol    uint64 = 1<<32 + iota // the peer broke the protocol
	CodeFlowControl                       // the peer sent more than it was allowed to
	CodeFlood                             // the peer makes work without purpose
	CodeRefused                           // a stream that was not wanted
)

// A StreamError is the end of a stream's direction by reset.
type StreamError struct {
	Code   uint64
	Remote bool // the peer did it
}

func (e *StreamError) Error() string { return fmt.Sprintf("stream reset with code %d", e.Code) }

// A ProtocolError is a violation by the peer, which ends the session.
type ProtocolError struct {
	Code   uint64
	Reason string
}

func (e *ProtocolError) Error() string { return e.Reason }

func violation(code uint64, format string, args ...any) error {
	return &ProtocolError{code, fmt.Sprintf(format, args...)}
}

// A ClosedError is the end of the session by the peer.
type ClosedError struct {
	Code   uint64
	Reason string
}

func (e *ClosedError) Error() string { return fmt.Sprintf("closed with code %d: %s", e.Code, e.Reason) }

// Reasons for which commands fail and sessions end.
var (
	ErrClosed = errors.New("closed")            // by the application
	ErrGoAway = errors.New("session goes away") // no new streams
	ErrIdle   = errors.New("peer is silent")
)
