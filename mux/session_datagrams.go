package mux

import (
	"context"
	"net"
	"time"

	"github.com/udtgo/udtgo/mux/internal/proto"
)

// SendDatagram sends b as a whole, outside of all streams and in no order. b may be
// empty, and may be reused. It must fit a packet, see Stats.MaxDatagram, or the error
// is ErrDatagramTooLarge. It is repeated while it is lost, until ttl has passed; zero
// means without end. SendDatagram waits for room in the connection's buffer until the
// session ends. The error is ErrNoDatagrams unless the carrier keeps message
// boundaries.
func (s *Session) SendDatagram(b []byte, ttl time.Duration) error {
	switch {
	case s.maxDatagram() == 0:
		return s.opError("write", ErrNoDatagrams)
	case len(b) > s.maxDatagram():
		return s.opError("write", ErrDatagramTooLarge)
	}
	p := proto.AppendDatagram(make([]byte, 0, s.carrier.packetSize()), b)
	for {
		if err := s.Err(); err != nil {
			return s.opError("write", err)
		}
		err := s.carrier.writeDatagram(p, ttl)
		if ne, ok := err.(net.Error); ok && ne.Timeout() && s.Err() == nil {
			continue // a Write was interrupted
		}
		if err != nil {
			return s.opError("write", err)
		}
		return nil
	}
}

func (s *Session) maxDatagram() int {
	if _, ok := s.carrier.(*messageCarrier); !ok {
		return 0
	}
	return s.carrier.packetSize() - 1
}

// ReceiveDatagram waits for the next datagram until ctx ends. At most 128 datagrams
// wait; the oldest is dropped for another. The error is ErrNoDatagrams unless the
// carrier keeps message boundaries.
func (s *Session) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b []byte
	err := s.awaitLocked(ctx, &s.datagrams, func() (ok bool, err error) {
		if b, ok = s.core.Datagram(); ok {
			return true, nil
		}
		if s.maxDatagram() == 0 {
			return false, ErrNoDatagrams
		}
		return false, s.core.Err()
	})
	if err != nil {
		return nil, s.opError("read", err)
	}
	s.noteLocked()
	return b, nil
}
