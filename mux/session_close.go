package mux

import (
	"log/slog"
	"time"

	"github.com/udtgo/udtgo/mux/internal/proto"
)

// Limits of how long the end of a session takes with a peer that does not answer.
const (
	closeWait = 3 * time.Second // to get our last packet to the carrier
	drainWait = time.Second     // for the peer to close as well
)

// Close closes the session and every stream with code 0. It delivers what streams were
// given before, and the ends of streams that were closed before; all other streams fail
// at the peer with a *SessionError. Close waits until the peer has closed too, usually
// one round trip, and 4 seconds at most. Closing again waits for the first Close and
// changes nothing. The error is always nil.
func (s *Session) Close() error { return s.CloseWithError(0, "") }

// CloseWithError is Close with a code, which should be below 2^32, and a reason for
// people. The peer sees both in a *SessionError. At most 128 bytes of the reason are
// sent.
func (s *Session) CloseWithError(code uint64, reason string) error {
	s.mu.Lock()
	if s.core.Err() == nil {
		s.closeLocked(&SessionError{code, reason, false}, min(code, maxCode), reason)
	}
	s.mu.Unlock()
	<-s.finished
	return nil
}

// maxCode is the largest code that frames can carry.
const maxCode = 1<<62 - 1

// closeLocked ends the session with err and tells the peer.
func (s *Session) closeLocked(err error, code uint64, reason string) {
	if s.core.Err() != nil {
		return
	}
	s.local = true
	s.core.Close(err, code, reason)
	s.endedLocked(err)
}

// failLocked ends the session with err, without a word to the peer.
func (s *Session) failLocked(err error) {
	if s.core.Err() != nil {
		return
	}
	s.core.Fail(err)
	s.endedLocked(err)
}

func (s *Session) endedLocked(err error) {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.wakeLocked()
	s.reader.closeLocked()
	s.acceptable.Broadcast()
	s.closeBy = time.Now().Add(closeWait)
	_ = s.conn.SetWriteDeadline(s.closeBy)
	close(s.done)
	go s.finish()
	if s.logger != nil {
		// Its handler is the user's: it may call any method of the session, Close included,
		// so nothing waits for it.
		go s.logger.Debug("mux session ended", slog.Any("error", err))
	}
}

// finish sends what is left when the session has ended, and closes the connection.
func (s *Session) finish() {
	defer close(s.finished)
	// Some connections ignore the deadline that was set.
	guard := time.AfterFunc(closeWait+drainWait, func() { _ = s.conn.Close() })
	defer guard.Stop()
	s.mu.Lock()
	for s.writer.busy {
		s.writer.free.Wait()
	}
	s.writer.busy = true // for good
	said := s.local && s.sayGoodbyeLocked()
	s.mu.Unlock()
	if said && !s.carrier.endsTogether() {
		// Some connections, such as TCP, discard what is on its way when they are closed
		// with something unread.
		limit := time.NewTimer(drainWait)
		defer limit.Stop()
		select {
		case <-s.readDone:
		case <-limit.C:
		}
	}
	_ = s.conn.Close()
	<-s.readDone
}

// sayGoodbyeLocked writes the frames that are left, the last of which is CLOSE.
func (s *Session) sayGoodbyeLocked() bool {
	for {
		b := s.writer.batch
		s.writer.batch = nil
		if b == nil {
			b = s.fillLocked()
		}
		if b.empty() {
			batches.Put(b)
			break
		}
		s.mu.Unlock()
		err := s.carrier.write(b)
		s.mu.Lock()
		if err != nil {
			return false
		}
		batches.Put(b)
	}
	buf := make([]byte, proto.MinPacket)
	buf = buf[:s.core.PackClose(buf)]
	s.mu.Unlock()
	defer s.mu.Lock()
	return len(buf) > 0 && s.carrier.writeLast(buf) == nil
}

// Done returns a channel that is closed when the session ends; Err then says why.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended, nil while it lives: a *SessionError if either side
// closed it, ErrPeerTimeout, or the error of the connection under it. It does not wait.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.Err()
}
