package proto

import (
	"errors"
	"fmt"
)

// Why a connection ended.
var (
	ErrPeerClosed       = errors.New("closed by peer")
	ErrReset            = errors.New("connection reset by peer")
	ErrPeerTimeout      = errors.New("peer does not answer")
	ErrRefused          = errors.New("connection refused")
	ErrMode             = errors.New("peer uses another mode")
	ErrProtocol         = errors.New("protocol error")
	ErrHandshakeTimeout = errors.New("handshake timed out")
	ErrClosed           = errors.New("closed")
	ErrOptimisticACK    = fmt.Errorf("%w: peer acknowledges what it cannot have received", ErrProtocol)
	ErrMessageTooLong   = errors.New("message too long")
)
