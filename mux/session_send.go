package mux

import (
	"errors"
	"os"
	"time"

	"github.com/udtgo/udtgo/udt"
)

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// kickLocked starts a goroutine that writes, if there is something to write and
// nobody else does. Only a Write writes itself; whatever else needs frames sent must
// not wait for the carrier.
func (s *Session) kickLocked() {
	if s.writing || s.flushing || s.batch == nil && !s.core.Ready() {
		return
	}
	s.flushing = true
	go s.flush()
}

// flush writes until there is nothing to write.
func (s *Session) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.writing && s.core.Err() == nil && (s.batch != nil || s.core.Ready()) {
		s.sendLocked(nil)
	}
	s.flushing = false
	s.armLocked()
}

// sendLocked writes one batch, of whichever streams have the turn. The writer is
// the Write of stream by, or none.
func (s *Session) sendLocked(by *Stream) {
	s.writing, s.inline = true, by
	var err error
	if s.filler != nil {
		s.mu.Unlock()
		_, err = s.filler.FillMessages(s.packRoom, udt.MessageOptions{Unordered: true})
		s.mu.Lock()
	} else {
		err = s.writeBatchLocked()
	}
	if s.interrupted {
		s.interrupted = false
		_ = s.conn.SetWriteDeadline(s.closeBy)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
	}
	s.writing, s.inline = false, nil
	if err != nil {
		s.failLocked(err)
	}
	if s.core.Err() != nil {
		s.turn.Broadcast()
	}
}

// writeBatchLocked gives the carrier what is left of the batch, or a new one.
func (s *Session) writeBatchLocked() (err error) {
	if s.batch == nil {
		if s.inline != nil && s.carrier.gathers() {
			s.packOwn = &s.inline.core // its Write waits for us
		}
		s.batch = s.fillLocked()
		s.packOwn = nil
	}
	b := s.batch
	s.wakeLocked()
	s.mu.Unlock()
	if !b.empty() {
		err = s.carrier.write(b)
	}
	s.mu.Lock()
	if b.empty() {
		clear(b.pieces)
		batches.Put(b)
		s.batch = nil
	} else {
		b.own()
	}
	return err
}

// packInto packs packets into v, the room that the carrier has now, and returns how
// many there are.
func (s *Session) packInto(v [][]byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for i, b := range v {
		n := s.core.Pack(now, b)
		if n == 0 {
			v = v[:i]
			break
		}
		v[i] = b[:n]
	}
	s.wakeLocked()
	return len(v)
}

// fillLocked packs what is to be sent next.
func (s *Session) fillLocked() *batch {
	b := batches.Get().(*batch)
	s.packAt = time.Now()
	s.carrier.fill(b, s.pack)
	return b
}

// interruptLocked ends the call of the carrier that the Write of st is in, if any;
// what is left of the batch is for the next writer.
func (s *Session) interruptLocked(st *Stream) {
	if s.inline == st && !s.interrupted {
		s.interrupted = true
		_ = s.conn.SetWriteDeadline(longAgo)
	}
}
