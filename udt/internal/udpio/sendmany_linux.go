//go:build !udtnooffload

package udpio

import "golang.org/x/sys/unix"

// An envelope is one sendmmsg: a message for each datagram. All have the same
// destination and control messages.
type envelope struct {
	messages [maxSegments]message
	count    int // messages in use; 0 if the transmission is one message
	used     int // messages to clear after the Send
	taken    int // by the kernel
}

// spread gives each of the datagrams at c a message of its own, at most maxSegments
// of them. It returns the position after them and their number. A single one is for
// sendmsg instead.
func (t *transmission) spread(c cursor, p *Peer) (next cursor, count int) {
	if t.many == nil {
		t.many = new(envelope)
	}
	e := t.many
	p.sys.address(&t.header, 1, 0)
	for ; count < maxSegments; count++ {
		d := c.peek()
		if d == nil {
			break
		}
		t.pieces[count].Base = &d[0]
		t.pieces[count].SetLen(len(d))
		h := &e.messages[count].header
		h.Name, h.Namelen = t.header.Name, t.header.Namelen
		h.Control, h.Controllen = t.header.Control, t.header.Controllen
		h.Iov = &t.pieces[count]
		h.SetIovlen(1)
		c.advance(d)
	}
	t.used, e.used = max(t.used, count), max(e.used, count)
	if e.count = count; count <= 1 {
		e.count = 0
	}
	return c, count
}

// onceMany sends what spread has prepared, without waiting.
func (t *transmission) onceMany(fd uintptr) unix.Errno {
	e := t.many
	var errno unix.Errno
	e.taken, errno = t.sendmmsg(fd, e.messages[:e.count], unix.MSG_DONTWAIT)
	return errno
}

// sendMany sends the datagrams at c, at most maxSegments of them, in one call. It
// returns the position after those that were taken, and their number. The kernel
// reports an error only of the first datagram: of a later one it returns the number of
// those before, and forgets the error unless it happens again. So an ICMP message that
// a connected socket was to report may be missed here; the next is not.
func (s *systemSocket) sendMany(t *transmission, p *Peer, c cursor, wait bool) (next cursor, taken int, err error) {
	next, count := t.spread(c, p)
	if count == 0 {
		return c, 0, nil
	}
	if count == 1 {
		t.header.SetIovlen(1)
		err = s.transmit(t, wait)
		return next, 1, err
	}
	err = s.transmit(t, wait)
	t.many.count = 0
	switch {
	case err != nil:
		return c, 0, err
	case t.errno != 0:
		taken = 1
	case t.many.taken == count:
		return next, count, nil
	default:
		taken = t.many.taken
	}
	for range taken {
		c.advance(c.peek())
	}
	return c, taken, nil
}
