//go:build !linux

package udpio

import "net"

// maxWrites is how many datagrams one call sends at most.
const maxWrites = 1

// A batchWriter does not exist: where x/net knows no call for several datagrams, its
// WriteBatch sends one, more slowly than package net.
type batchWriter interface{}

func newBatchWriter(*net.UDPConn, bool) batchWriter { return nil }

func (s *systemSocket) writeMany(*Peer, cursor) (int, error) { return 0, nil }
