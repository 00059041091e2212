package mux

import (
	"context"
	"time"
)

// Ping measures the round trip through the peer's session. It waits for the answer
// until ctx ends. Concurrent calls share a ping. Calls that follow each other quickly
// wait before they send one, as peers do not accept floods.
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

// Stats are figures of a session.
type Stats struct {
	RTT             time.Duration // smoothed; zero if not measured yet
	Streams         int           // that are open
	StreamsOpened   int64         // by us
	StreamsAccepted int64

	BytesSent, BytesReceived     int64 // of streams
	PacketsSent, PacketsReceived int64 // of the session: groups of frames

	DatagramsReceived int64
	DatagramsDropped  int64 // because nobody received them in time
	MaxDatagram       int   // bytes that SendDatagram takes; zero if the carrier has no datagrams
}

// Stats returns figures of the session. It does not wait.
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
