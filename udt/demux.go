package udt

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Tombstones (SPEC.md#tombstones).
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
	id     uint32  // the client's socket ID
	number uint32  // its initial sequence number
	nonce  [8]byte // of its TLS handshake, zero if it has none: others know the rest
}

// grave is what is left of a connection whose peer may not know that it ended.
type grave struct {
	id       uint32
	peerID   uint32
	local    netip.Addr // address that the peer knows
	addr     netip.AddrPort
	conclude acceptKey
	shutdown wire.Shutdown
	sealed   bool   // the connection was protected
	farewell []byte // its last Shutdown, if it was and has sent one
	buried   time.Time
	answered time.Time // when the peer was told last
}

// refusal is a conclusion that was refused, and until when a copy of it may come.
type refusal struct {
	conclude acceptKey
	till     time.Time
	parting  []byte // what answers a copy, if a TLS handshake has ended so, else nil
}

// demux finds the connection that a packet is for. It has a lock of its own,
// taken once per run of packets and held for look-ups only, after any other lock.
type demux struct {
	mu           sync.Mutex
	conns        map[uint32]*Conn
	accepted     map[acceptKey]*Conn
	meeting      map[netip.AddrPort]*Conn     // rendezvous, by the other side's address
	exchanges    map[uint32]*exchange         // that open protected connections
	halfOpen     map[acceptKey]*exchange      // of these, a listener's
	pendingOrder []*exchange                  // these by age, with some that are gone
	meetings     map[netip.AddrPort]*exchange // of these, of a rendezvous
	tokens       map[resetToken]*Conn         // of their peers
	graves       map[uint32]*grave
	dead         map[acceptKey]*grave
	order        []*grave      // by age
	refused      []refusal     // the last maxRefusals, a ring
	refusals     int           // ever
	openTill     time.Time     // a peer that may not know of an end speaks until then
	empty        chan struct{} // closed when conns becomes empty; nil if nobody waits
}

func (d *demux) init() {
	d.conns = make(map[uint32]*Conn)
	d.accepted = make(map[acceptKey]*Conn)
	d.meeting = make(map[netip.AddrPort]*Conn)
	d.exchanges = make(map[uint32]*exchange)
	d.halfOpen = make(map[acceptKey]*exchange)
	d.meetings = make(map[netip.AddrPort]*exchange)
	d.tokens = make(map[resetToken]*Conn)
	d.graves = make(map[uint32]*grave)
	d.dead = make(map[acceptKey]*grave)
}

func (d *demux) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

// pending returns how many exchanges are under way.
func (d *demux) pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.exchanges)
}

func (d *demux) known(id uint32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conns[id] != nil || d.graves[id] != nil || d.exchanges[id] != nil
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
	if d.meeting[c.addr] != nil || d.meetings[c.addr] != nil {
		return false
	}
	d.meeting[c.addr] = c
	d.conns[c.id] = c
	return true
}

// meetExchange is meet for a rendezvous in protected mode.
func (d *demux) meetExchange(x *exchange) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.meeting[x.addr] != nil || d.meetings[x.addr] != nil {
		return false
	}
	d.meetings[x.addr] = x
	d.exchanges[x.id] = x
	return true
}

// addExchange adds an exchange. It reports whether there was none, nor a connection,
// of the same conclusion, and fewer than most of a listener's.
func (d *demux) addExchange(x *exchange, most int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if x.key.id != 0 {
		if d.halfOpen[x.key] != nil || d.accepted[x.key] != nil || len(d.halfOpen) >= most && !d.shedLocked(x.began) {
			return false
		}
		d.halfOpen[x.key] = x
		d.pendingOrder = append(d.pendingOrder, x)
	}
	d.exchanges[x.id] = x
	return true
}

// shedLocked ends the oldest exchange of a listener, if that is old enough for an
// honest one to be over, and reports whether it did.
func (d *demux) shedLocked(now time.Time) bool {
	for len(d.pendingOrder) > 0 {
		x := d.pendingOrder[0]
		if d.halfOpen[x.key] == x {
			if now.Sub(x.began) < exchangeGrace {
				return false
			}
			d.removeExchangeLocked(x)
			close(x.shed)
			return true
		}
		d.pendingOrder[0] = nil
		d.pendingOrder = d.pendingOrder[1:]
	}
	return false
}

func (d *demux) removeExchange(x *exchange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removeExchangeLocked(x)
}

func (d *demux) removeExchangeLocked(x *exchange) {
	if d.exchanges[x.id] == x {
		delete(d.exchanges, x.id)
	}
	if x.key.id != 0 && d.halfOpen[x.key] == x {
		delete(d.halfOpen, x.key)
		for len(d.pendingOrder) > 0 && d.halfOpen[d.pendingOrder[0].key] != d.pendingOrder[0] {
			d.pendingOrder[0] = nil
			d.pendingOrder = d.pendingOrder[1:]
		}
	}
	if d.meetings[x.addr] == x {
		delete(d.meetings, x.addr)
	}
}

// opened puts the connection that x has opened in its place.
func (d *demux) opened(x *exchange, c *Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removeExchangeLocked(x)
	d.conns[c.id] = c
	if c.conclude.id != 0 {
		d.accepted[c.conclude] = c
	}
	if x.meeting {
		d.meeting[c.addr] = c
	}
	if t := c.guard.peerToken; t != (resetToken{}) {
		d.tokens[t] = c
	}
}

// exchange returns the exchange with the given ID with from.
func (d *demux) exchange(id uint32, from netip.AddrPort) *exchange {
	d.mu.Lock()
	defer d.mu.Unlock()
	if x := d.exchanges[id]; x != nil && x.addr == from {
		return x
	}
	return nil
}

// exchangesRefused notes that the port at addr is closed.
func (d *demux) exchangesRefused(addr netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range d.exchanges {
		if x.addr == addr && x.key.id == 0 {
			select {
			case x.wake <- struct{}{}:
			default:
			}
		}
	}
}

// exchangeOf returns what a handshake without our ID is for: the exchange that a
// conclusion has begun, or a rendezvous with from.
func (d *demux) exchangeOf(k acceptKey, cookie uint32) *exchange {
	d.mu.Lock()
	defer d.mu.Unlock()
	if x := d.halfOpen[k]; x != nil {
		return x
	}
	if cookie != 0 {
		return nil // for the listener
	}
	return d.meetings[k.from]
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
func (d *demux) refuse(k acceptKey, now time.Time, parting []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := refusal{k, now.Add(concludedLife), parting}
	if len(d.refused) < maxRefusals {
		d.refused = append(d.refused, r) // most endpoints never refuse
	} else {
		d.refused[d.refusals%maxRefusals] = r
	}
	d.refusals++
}

// wasRefused reports whether a conclusion, or one that it is a copy of, is known
// to have been refused, and in which words if there were any. The oldest of many
// refusals are forgotten.
func (d *demux) wasRefused(k acceptKey, now time.Time) (parting []byte, refused bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.refused {
		if r := &d.refused[i]; r.conclude == k && now.Before(r.till) {
			return r.parting, true
		}
	}
	return nil, false
}

// at returns the connections to addr.
func (d *demux) at(addr netip.AddrPort) []*Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []*Conn
	for _, c := range d.conns {
		if c.path.Load().addr == addr {
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
	if c.guard != nil && d.tokens[c.guard.peerToken] == c {
		delete(d.tokens, c.guard.peerToken)
	}
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
	g := &grave{id: c.id, peerID: peerID, local: c.local.Addr(), addr: c.path.Load().addr, conclude: c.conclude, shutdown: shutdown, buried: now}
	if c.guard != nil {
		g.sealed = true
		if farewell := c.guard.farewell.Load(); farewell != nil {
			g.farewell = *farewell
		}
	}
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
