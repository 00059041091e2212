package udt

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/udtgo/udtgo/udt/internal/proto"
)

// halfOpenGrace is how old a half-open connection must be to give way to another:
// a live peer has been asked and has answered by then.
const halfOpenGrace = 3 * time.Second

// halfOpen keeps the accepted connections whose peers have not been heard since
// the handshake, the oldest first, and counts accepted ones per prefix. Its lock is
// taken after any other.
type halfOpen struct {
	mu     sync.Mutex
	conns  list.List
	prefix map[[16]byte]int
}

// halfOpenConn is a Conn's place in it.
type halfOpenConn struct {
	place   *list.Element // nil once the peer was heard
	since   time.Time
	counted bool
}

func (h *halfOpen) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conns.Len()
}

func userPrefix(a netip.AddrPort) [16]byte { return prefixOf(a.Addr(), prefixBits(a.Addr())) }

// add adds a connection that has just been made.
func (h *halfOpen) add(c *Conn, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.countLocked(c)
	c.half.place, c.half.since = h.conns.PushBack(c), now
}

// count adds a connection whose peer has been heard already: a protected one.
func (h *halfOpen) count(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.countLocked(c)
}

func (h *halfOpen) countLocked(c *Conn) {
	if h.prefix == nil {
		h.prefix = make(map[[16]byte]int)
	}
	h.prefix[userPrefix(c.addr)]++
	c.half.counted = true
}

// of returns how many accepted connections the prefix of a has.
func (h *halfOpen) of(a netip.AddrPort) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.prefix[userPrefix(a)]
}

// heard takes c out, whose peer was heard.
func (h *halfOpen) heard(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.half.place != nil {
		h.conns.Remove(c.half.place)
		c.half.place = nil
	}
}

// ended forgets c.
func (h *halfOpen) ended(c *Conn) {
	h.heard(c)
	h.mu.Lock()
	defer h.mu.Unlock()
	if !c.half.counted {
		return
	}
	c.half.counted = false
	p := userPrefix(c.addr)
	if h.prefix[p]--; h.prefix[p] <= 0 {
		delete(h.prefix, p)
	}
}

// oldest returns the oldest one if it may give way.
func (h *halfOpen) oldest(now time.Time) *Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.conns.Front(); e != nil {
		if c := e.Value.(*Conn); now.Sub(c.half.since) >= halfOpenGrace {
			return c
		}
	}
	return nil
}

// shed ends the oldest half-open connection if it may give way, and reports whether
// it did.
func (e *Endpoint) shed(now time.Time) bool {
	c := e.halfOpen.oldest(now)
	if c == nil {
		return false
	}
	c.fail(proto.ErrPeerTimeout)
	e.counts.shed.Add(1)
	return true
}
