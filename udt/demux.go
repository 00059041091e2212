package udt

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Tombstones (design decisions, section 8.5).
const (
	graveLife     = 60 * time.Second  // for how long the peer is told
	concludedLife = 130 * time.Second // longer than a cookie is valid: no late conclusion comes to life
	maxGraves     = 16384
	graveInterval = 100 * time.Millisecond
	maxRefusals   = 64
)

// acceptKey is the conclusion that made a connection: the same one again is not
// another connection.
type acceptKey struct {
	from   netip.AddrPort
	id     uint32 // the client's socket ID
	number uint32 // its initial sequence number
}

// grave is what is left of a connection whose peer may not know that it ended.
type grave struct {
	id       uint32
	peerID   uint32
	local    netip.Addr // address that the peer knows
	addr     netip.AddrPort
	conclude acceptKey
	shutdown wire.Shutdown
	buried   time.Time
	answered time.Time // when the peer was told last
}

// refusal is a conclusion that was refused, and until when a copy of it may come.
type refusal struct {
	conclude acceptKey
	till     time.Time
}

// demux finds the connection that a packet is for. It has a lock of its own,
// taken once per run of packets and held for look-ups only, after any other lock.
type demux struct {
	mu       sync.Mutex
	conns    map[uint32]*Conn
	accepted map[acceptKey]*Conn
	meeting  map[netip.AddrPort]*Conn // rendezvous, by the other side's address
	graves   map[uint32]*grave
	dead     map[acceptKey]*grave
	order    []*grave // by age
	refused  [maxRefusals]refusal
	refusals int           // ever
	openTill time.Time     // a peer that may not know of an end speaks until then
	empty    chan struct{} // closed when conns becomes empty; nil if nobody waits
}

func (d *demux) init() {
	d.conns = make(map[uint32]*Conn)
	d.accepted = make(map[acceptKey]*Conn)
	d.meeting = make(map[netip.AddrPort]*Conn)
	d.graves = make(map[uint32]*grave)
	d.dead = make(map[acceptKey]*grave)
}

func (d *demux) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

func (d *demux) known(id uint32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conns[id] != nil || d.graves[id] != nil
}

func (d *demux) add(c *Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns[c.id] = c
	if c.conclude.id != 0 {
		d.accepted[c.conclude] = c
	}
}

// meet adds a connection that makes a rendezvous. It reports whether there was
// none with the same peer.
func (d *demux) meet(c *Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.meeting[c.addr] != nil {
		return false
	}
	d.meeting[c.addr] = c
	d.conns[c.id] = c
	return true
}

// rendezvous returns the connection that makes, or made, a rendezvous with from.
func (d *demux) rendezvous(from netip.AddrPort) *Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.meeting[from]
}

// lookup returns the connection with the given ID, or its tombstone if it was
// the one to from.
func (d *demux) lookup(id uint32, from netip.AddrPort) (*Conn, *grave) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.conns[id]; c != nil {
		return c, nil
	}
	if g := d.graves[id]; g != nil && g.addr == from {
		return nil, g
	}
	return nil, nil
}

// concluded returns the connection that a conclusion has made already, and
// whether it has made one that is over.
func (d *demux) concluded(k acceptKey, now time.Time) (c *Conn, over bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.decayLocked(now)
	return d.accepted[k], d.dead[k] != nil
}

// refuse remembers that a conclusion was refused. Its client has given up, so a
// copy that comes when there is room must not become a connection without peer.
func (d *demux) refuse(k acceptKey, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused[d.refusals%maxRefusals] = refusal{k, now.Add(concludedLife)}
	d.refusals++
}

// wasRefused reports whether a conclusion, or one that it is a copy of, is known
// to have been refused. The oldest of many refusals are forgotten.
func (d *demux) wasRefused(k acceptKey, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.refused[:min(d.refusals, maxRefusals)] {
		if r := &d.refused[i]; r.conclude == k && now.Before(r.till) {
			return true
		}
	}
	return false
}

// at returns the connections to addr.
func (d *demux) at(addr netip.AddrPort) []*Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []*Conn
	for _, c := range d.conns {
		if c.addr == addr {
			found = append(found, c)
		}
	}
	return found
}

func (d *demux) all() []*Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*Conn, 0, len(d.conns))
	for _, c := range d.conns {
		all = append(all, c)
	}
	return all
}

// remove forgets c, and buries it if its peer may not know that it is over. It
// is called with c.mu held.
func (d *demux) remove(c *Conn, bury bool, now time.Time) {
	peerID, shutdown, graveTime := c.core.PeerID(), c.core.Shutdown(), c.core.GraveTime()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conns[c.id] != c {
		return
	}
	delete(d.conns, c.id)
	accepted := c.conclude.id != 0
	if accepted {
		delete(d.accepted, c.conclude)
	}
	if d.meeting[c.addr] == c {
		delete(d.meeting, c.addr)
	}
	if len(d.conns) == 0 && d.empty != nil {
		close(d.empty)
		d.empty = nil
	}
	if bury = bury && peerID != 0; bury {
		if till := now.Add(graveTime); till.After(d.openTill) {
			d.openTill = till
		}
	}
	if !bury && !accepted {
		return
	}
	d.decayLocked(now)
	if len(d.order) >= maxGraves {
		d.digLocked()
	}
	// A connection whose peer knows is remembered too, so that a late copy of
	// its conclusion does not come to life.
	g := &grave{id: c.id, peerID: peerID, local: c.local.AddrPort().Addr(), addr: c.addr, conclude: c.conclude, shutdown: shutdown, buried: now}
	d.order = append(d.order, g)
	d.graves[c.id] = g
	if accepted {
		d.dead[c.conclude] = g
	}
}

func (d *demux) decayLocked(now time.Time) {
	for len(d.order) > 0 && now.Sub(d.order[0].buried) > concludedLife {
		d.digLocked()
	}
}

// digLocked removes the oldest tombstone.
func (d *demux) digLocked() {
	g := d.order[0]
	d.order[0] = nil
	d.order = d.order[1:]
	delete(d.graves, g.id)
	if d.dead[g.conclude] == g {
		delete(d.dead, g.conclude)
	}
}

// graveLeft returns for how much longer peers that may not know of the end of
// their connection may speak.
func (d *demux) graveLeft(now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.openTill.Sub(now)
}

// mayAnswer reports whether the peer of g may be told again.
func (d *demux) mayAnswer(g *grave, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(g.buried) > graveLife || now.Sub(g.answered) < graveInterval {
		return false
	}
	g.answered = now
	return true
}

// awaitEmpty waits until there is no connection.
func (d *demux) awaitEmpty(ctx context.Context) error {
	d.mu.Lock()
	if len(d.conns) == 0 {
		d.mu.Unlock()
		return nil
	}
	if d.empty == nil {
		d.empty = make(chan struct{})
	}
	empty := d.empty
	d.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
