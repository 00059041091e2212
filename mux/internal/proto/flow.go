package proto

import "time"

// minRound is the shortest round trip that windows are sized for: on a path that
// is shorter, what counts is how late goroutines run.
const minRound = time.Millisecond

// consumed notes that the application has read n bytes of st, and moves limits
// where that is worth a frame. The window of a stream doubles when half of it was
// read within two round trips, so it becomes four times what is on the path: as much
// as a stream needs to go on while a lost packet is sent again. Growth comes out of
// half of the session's window, so that streams which are not read cannot use up
// all of it by having grown.
func (s *Session) consumed(now time.Time, st *Stream, n int64) {
	r := &st.recv
	s.release(n)
	if r.final >= 0 || r.dropping {
		return
	}
	if r.limit-r.buf.start > r.window/2 {
		return
	}
	at := s.at(now)
	if r.grown > 0 && at-r.grown < 2*max(s.ping.rtt, minRound) {
		more := min(r.window, s.cfg.MaxStreamWindow-r.window, s.cfg.SessionWindow/2-s.grown)
		if more > 0 {
			r.window += more
			s.grown += more
		}
	}
	r.grown = max(at, 1)
	r.limit = r.buf.start + r.window
	st.mark(ctlWindow)
	if s.ping.stale(at) {
		s.RequestPing(now)
	}
}

// release notes that n bytes that arrived are held no more.
func (s *Session) release(n int64) {
	s.done += n
	if limit := s.done + s.cfg.SessionWindow; limit-s.recvLimit >= s.cfg.SessionWindow/4 {
		s.recvLimit = limit
		s.toSend |= sendMaxData
	}
}

// arrived notes that stream st reaches to end, which must be allowed.
func (s *Session) arrived(st *Stream, end int64) error {
	r := &st.recv
	if end <= r.highest {
		return nil
	}
	if end > r.limit {
		return violation(CodeFlowControl, "stream %d got more than its window", st.id)
	}
	more := end - r.highest
	if s.received+more > s.recvLimit {
		return violation(CodeFlowControl, "session got more than its window")
	}
	s.received += more
	r.highest = end
	return nil
}

// maxFragments is how many holes there may be in all streams together beyond what
// each may have. A program that writes byte by byte makes many when packets are lost.
const maxFragments = 4096

// fragmented counts the holes in st, and reports whether they are few enough: what
// is remembered of them takes memory that no window counts.
func (s *Session) fragmented(st *Stream) bool {
	n := st.recv.buf.fragments()
	s.fragments += n - st.recv.fragments
	st.recv.fragments = n
	return n == 0 || s.fragments <= maxFragments
}
