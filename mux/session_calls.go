package mux

import (
	"context"
	"net"
	"time"

	"github.com/udtgo/udtgo/mux/internal/proto"
)

// OpenStream opens a bidirectional stream. It waits while the peer allows no more
// of them, until ctx ends, but not for the peer otherwise. The peer sees the stream at
// once, so either side may speak first. The error is ErrGoAway after the peer's GoAway,
// and after the end of the session that of Err.
func (s *Session) OpenStream(ctx context.Context) (*Stream, error) { return s.open(ctx, proto.Bidi) }

// OpenUniStream is like OpenStream for a stream on which only we send. The two kinds
// are counted separately.
func (s *Session) OpenUniStream(ctx context.Context) (*Stream, error) { return s.open(ctx, proto.Uni) }

func (s *Session) open(ctx context.Context, kind proto.Kind) (*Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var st *proto.Stream
	err := s.awaitLocked(ctx, &s.openable, func() (ok bool, err error) {
		st, err = s.core.Open(kind)
		return st != nil, err
	})
	if err != nil {
		return nil, s.opError("open", err)
	}
	s.noteLocked()
	return st.Owner.(*Stream), nil
}

// Open is OpenStream without a context.
func (s *Session) Open() (net.Conn, error) { return asConn(s.OpenStream(context.Background())) }

// DialContext is OpenStream with the signature that http.Transport and other clients
// want. Network and address do not matter: the session leads to one peer.
func (s *Session) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return asConn(s.OpenStream(ctx))
}

// AcceptStream waits for the next stream that the peer opens, of either kind, until
// ctx ends. Streams that arrived before the peer closed the session, or the connection
// was lost, are still returned; after that the error is that of Err, and final.
func (s *Session) AcceptStream(ctx context.Context) (*Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var st *proto.Stream
	err := s.awaitLocked(ctx, &s.acceptable, func() (bool, error) {
		if !s.local {
			st = s.core.Accept()
		}
		if st != nil {
			return true, nil
		}
		if err := s.core.Err(); err != nil {
			return false, endError{fromCore(err)}
		}
		return false, nil
	})
	if err != nil {
		return nil, s.opError("accept", err)
	}
	s.noteLocked()
	return st.Owner.(*Stream), nil
}

// Accept is AcceptStream without a context.
func (s *Session) Accept() (net.Conn, error) { return asConn(s.AcceptStream(context.Background())) }

// AcceptContext is AcceptStream that returns the interface.
func (s *Session) AcceptContext(ctx context.Context) (net.Conn, error) {
	return asConn(s.AcceptStream(ctx))
}

// Ping measures the round trip through the peer's session. Concurrent calls share
// a ping; many in a short time wait, as peers do not like floods.
func (s *Session) Ping(ctx context.Context) (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := s.core.RequestPing(time.Now())
	s.noteLocked()
	var rtt time.Duration
	err := s.awaitLocked(ctx, &s.ponged, func() (bool, error) {
		answered, last := s.core.Pong()
		rtt = last
		return answered >= number, s.core.Err()
	})
	if err != nil {
		return 0, s.opError("ping", err)
	}
	return rtt, nil
}

// GoAway tells the peer to open no more streams: its OpenStream fails with ErrGoAway.
// It does not wait. Open streams continue, and streams that the peer opened before it
// heard still arrive, for about a round trip; the Ping that follows takes as long.
// When NumStreams is 0 after that, Close ends nothing early. Our own OpenStream goes
// on as before.
func (s *Session) GoAway() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.core.Err(); err != nil {
		return s.opError("go away", err)
	}
	s.core.GoAway()
	s.noteLocked()
	return nil
}

// SendDatagram sends b as a whole, outside of all streams and in no order. b must fit
// a packet, see Stats.MaxDatagram, or the error is ErrDatagramTooLarge; it may be
// empty, and may be reused. It is sent, and sent again when it was lost, until ttl has
// passed; zero means for ever. SendDatagram waits for room in the connection's buffer,
// until the session ends. The error is ErrNoDatagrams unless the carrier keeps message
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

// ReceiveDatagram waits for the next datagram until ctx ends. When 128 wait the oldest
// is dropped. The error is ErrNoDatagrams unless the carrier keeps message boundaries.
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

// Stats are figures of a session.
type Stats struct {
	RTT             time.Duration // smoothed; zero if not measured yet
	Streams         int           // open now
	StreamsOpened   int64         // by us
	StreamsAccepted int64

	BytesSent, BytesReceived     int64 // of streams
	PacketsSent, PacketsReceived int64 // of the session: groups of frames

	DatagramsReceived int64
	DatagramsDropped  int64 // because nobody received them in time
	MaxDatagram       int   // bytes that SendDatagram takes; zero if the carrier has none
}

// Stats returns figures of the session.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.core.Stats()
	return Stats{
		RTT: c.RTT, Streams: s.core.Len(), StreamsOpened: c.StreamsOpened, StreamsAccepted: c.StreamsAccepted,
		BytesSent: c.BytesSent, BytesReceived: c.BytesReceived,
		PacketsSent: c.PacketsSent, PacketsReceived: c.PacketsReceived,
		DatagramsReceived: c.DatagramsReceived, DatagramsDropped: c.DatagramsDropped,
		MaxDatagram: s.maxDatagram(),
	}
}
