package udt

import (
	"context"
	"math/rand/v2"
	"net/netip"

	"github.com/udtgo/udtgo/udt/internal/udpio"
)

// ListenLossy returns an endpoint on a socket of the system, at addr, that loses a
// share of the datagrams that arrive.
func ListenLossy(addr netip.AddrPort, loss float64) (*Endpoint, error) {
	options := udpio.Options{RecvBuffer: defaultUDPRecvBuffer, SendBuffer: defaultUDPSendBuffer}
	sock, err := udpio.Listen(context.Background(), "udp", addr, options)
	if err != nil {
		return nil, err
	}
	e := startEndpoint(&lossySocket{Socket: sock, loss: loss}, false, nil)
	e.lease.Start()
	return e, nil
}

type lossySocket struct {
	udpio.Socket
	loss float64
}

func (s *lossySocket) Recv(b []byte) (udpio.Received, error) {
	for {
		r, err := s.Socket.Recv(b)
		if err != nil {
			return r, err
		}
		kept := 0
		for rest := b[:r.N]; len(rest) > 0; {
			datagram := rest[:min(r.Segment, len(rest))]
			rest = rest[len(datagram):]
			if rand.Float64() >= s.loss {
				kept += copy(b[kept:], datagram)
			}
		}
		if kept > 0 {
			r.N, r.Segment = kept, min(r.Segment, kept)
			return r, nil
		}
	}
}
