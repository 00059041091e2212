package udt

import (
	"sync"
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
)

// maxSolos is how many messages of a packet each are put into the send buffer at
// once at most.
const maxSolos = 64

var solos = sync.Pool{New: func() any { return new([maxSolos][]byte) }}

// FillMessages sends messages of at most one packet each that fill makes in the send
// buffer itself, so that they are not copied, and are not made before there is room
// for them. It waits for room under the write deadline, and then calls fill with the
// room of some packets, which have PacketPayload bytes each. Fill makes a message of
// each of the first elements of v, sets the element to the part of it that the message
// takes, at least one byte from its start on, and returns how many messages it made.
// It may be called again if it used all of v, for 64 messages in all at most.
//
// FillMessages returns how many messages were sent, zero if fill made none. Fill must
// not use c, nor v after it has returned. The options must have no TTL; the error is
// ErrMode in ModeStream.
func (c *Conn) FillMessages(fill func(v [][]byte) int, opts MessageOptions) (int, error) {
	switch {
	case c.mode != ModeMessage:
		return 0, c.opError("write", ErrMode)
	case opts.TTL != 0:
		return 0, c.opError("write", configError("TTL is %v, must be zero here", opts.TTL))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.beginWriteLocked(); err != nil {
		return 0, c.opError("write", err)
	}
	defer c.endWriteLocked()
	rooms := solos.Get().(*[maxSolos][]byte)
	defer func() {
		clear(rooms[:])
		solos.Put(rooms)
	}()
	total := 0
	for total == 0 || total < maxSolos && c.core.WritableMessage(c.core.Payload()) {
		n := maxSolos - total
		if c.core.Acknowledged() {
			n = 1 // fill may have no more, and a little should take little memory
		}
		r, err := c.reserveSolosLocked(n, c.core.Payload())
		if err != nil {
			return total, c.opError("write", err)
		}
		v := rooms[:r.Rooms(rooms[:])]
		n = c.fillLocked(&r, v, fill, !opts.Unordered)
		total += n
		if n < len(v) {
			break
		}
	}
	if total > 0 {
		c.committedLocked(time.Now())
	}
	return total, nil
}

// reserveSolosLocked waits for room for a message of size bytes, and reserves some
// for up to n.
func (c *Conn) reserveSolosLocked(n, size int) (proto.Reservation, error) {
	for {
		r := c.core.ReserveSolos(n, size)
		if r.Size() > 0 {
			return r, nil
		}
		if err := c.awaitRoomLocked(size); err != nil {
			return r, err
		}
	}
}

// fillLocked has fill make messages in v, the rooms of r, with the lock given up.
func (c *Conn) fillLocked(r *proto.Reservation, v [][]byte, fill func([][]byte) int, ordered bool) (n int) {
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.core.CommitSolos(time.Now(), r, v[:n], ordered)
	}()
	made := min(fill(v), len(v))
	for made > n && len(v[n]) > 0 {
		n++
	}
	return n
}
