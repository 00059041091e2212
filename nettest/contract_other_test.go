//go:build !linux

package nettest_test

import (
	"context"
	"net"
	"testing"
)

// silentTCP returns nil: only on Linux a listener is known to ignore dials.
func silentTCP(*testing.T) func(context.Context) (net.Conn, error) { return nil }
