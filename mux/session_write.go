package mux

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/udtgo/udtgo/mux/internal/proto"
	"github.com/udtgo/udtgo/udt"
)

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// A writerLease is the right to pack packets and to write them to the carrier. A Write
// takes it when it is free and the carrier can be interrupted, so that no goroutine has
// to be woken; otherwise a goroutine does, which flush runs.
//
// These always hold:
//
//   - At most one goroutine packs and writes.
//   - While a session lives and something is to be sent, somebody writes or is about to:
//     a Write, or the goroutine, which goes on until there is nothing to write.
//   - Only a Write is interrupted, once for each batch. What is left of its batch is
//     for the next writer.
//   - When the session has ended, finish takes the lease and keeps it.
//
// The session's mutex guards it.
type writerLease struct {
	busy        bool      // somebody has it
	free        sync.Cond // finish waits here
	inline      *Stream   // the stream whose Write has it, nil if a goroutine has it
	interrupted bool      // its call of the carrier was ended by a deadline
	flushing    bool      // a goroutine that writes runs, or is about to
	batch       *batch    // not nil if something is left in it

	packAt time.Time     // for pack: the time
	lent   *proto.Stream // for pack: the stream whose data need not be copied
}

// kickLocked starts a goroutine that writes, if there is something to write and nobody
// writes. Only a Write writes itself: other calls must not wait for the carrier.
func (s *Session) kickLocked() {
	if s.writer.busy || s.writer.flushing || s.writer.batch == nil && !s.core.Ready() {
		return
	}
	s.writer.flushing = true
	go s.flush()
}

// flush writes until there is nothing to write.
func (s *Session) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.writer.busy && s.core.Err() == nil && (s.writer.batch != nil || s.core.Ready()) {
		s.sendLocked(nil)
	}
	s.writer.flushing = false
	s.armLocked()
}

// sendLocked writes one batch, of the streams that the scheduler chooses. The writer is
// the Write of stream by, or a goroutine if by is nil.
func (s *Session) sendLocked(by *Stream) {
	s.writer.busy, s.writer.inline = true, by
	var err error
	if s.filler != nil {
		s.mu.Unlock()
		_, err = s.filler.FillMessages(s.packRoom, udt.MessageOptions{Unordered: true})
		s.mu.Lock()
	} else {
		err = s.writeBatchLocked()
	}
	if s.writer.interrupted {
		s.writer.interrupted = false
		_ = s.conn.SetWriteDeadline(s.closeBy)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
	}
	s.writer.busy, s.writer.inline = false, nil
	if err != nil {
		s.failLocked(err)
	}
	if s.core.Err() != nil {
		s.writer.free.Broadcast()
	}
}

// writeBatchLocked gives the carrier what is left of the batch, or a new one.
func (s *Session) writeBatchLocked() (err error) {
	if s.writer.batch == nil {
		if s.writer.inline != nil && s.carrier.gathers() {
			s.writer.lent = &s.writer.inline.core // its Write waits for us
		}
		s.writer.batch = s.fillLocked()
		s.writer.lent = nil
	}
	b := s.writer.batch
	s.wakeLocked()
	s.mu.Unlock()
	if !b.empty() {
		err = s.carrier.write(b)
	}
	s.mu.Lock()
	if b.empty() {
		clear(b.pieces)
		batches.Put(b)
		s.writer.batch = nil
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
	s.writer.packAt = time.Now()
	s.carrier.fill(b, s.pack)
	return b
}

// interruptLocked ends the call of the carrier that the Write of st is in, if any;
// what is left of the batch is for the next writer.
func (s *Session) interruptLocked(st *Stream) {
	if s.writer.inline == st && !s.writer.interrupted {
		s.writer.interrupted = true
		_ = s.conn.SetWriteDeadline(longAgo)
	}
}
