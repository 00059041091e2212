package udt

import (
	"crypto/rand"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/udtgo/udtgo/udt/internal/udpio"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A path is where the packets of a connection go.
type path struct {
	addr   netip.AddrPort
	remote *net.UDPAddr
	peer   *udpio.Peer // belongs to the holder of the sending role
}

// newPath returns the path to remote from a socket. Local is the address that the
// peer knows, if the socket has several.
func newPath(e *Endpoint, local netip.Addr, remote netip.AddrPort) *path {
	source := netip.Addr{}
	if e.sock.LocalAddr().Addr().IsUnspecified() && local.IsValid() && !local.IsUnspecified() {
		source = local
	}
	return &path{addr: remote, remote: net.UDPAddrFromAddrPort(remote), peer: udpio.NewPeer(remote, source)}
}

// Path validation (SPEC.md#path-validation).
const (
	maxChallenges     = 3
	challengeInterval = 100 * time.Millisecond
	probeTurn         = time.Second      // for how long another address has to wait
	probeLife         = 10 * time.Second // after which an address may be challenged anew
	challengeLen      = 8
)

// A pathProbe finds out whether the peer of a protected connection has moved to the
// address from which its newest packet came. Until it has answered from there a
// challenge that was sent there, packets go on to where they went before: whoever
// sends copies of its packets from a false address changes nothing, and gets, or
// brings on another, three small packets for each that it caught.
type pathProbe struct {
	path       *path
	began      time.Time
	challenge  [challengeLen]byte
	challenges int // sent
	due        time.Time
	wanted     bool // a newer packet has come from there
}

// noteSourceLocked takes the source of the newest packet of the peer, if it is not
// that of the path in use.
func (c *Conn) noteSourceLocked(now time.Time, r *udpio.Received) {
	if !c.guard.migrates {
		return
	}
	p := c.probe
	if p != nil && p.path.addr != r.From && now.Sub(p.began) < probeTurn {
		return // one at a time, each with time to answer
	}
	if p == nil || p.path.addr != r.From || now.Sub(p.began) > probeLife {
		c.probe = &pathProbe{path: newPath(c.endpoint, r.Local, r.From), began: now}
		rand.Read(c.probe.challenge[:])
	}
	c.probe.wanted = true
}

// challengeLocked sends the challenge that is due, with mu given up meanwhile. The
// caller has the sending role.
func (c *Conn) challengeLocked(now time.Time) {
	p := c.probe
	if p == nil || !p.wanted || p.challenges == maxChallenges || now.Before(p.due) {
		return
	}
	p.wanted = false
	p.challenges++
	c.guard.challenges++
	p.due = now.Add(challengeInterval)
	b := make([]byte, wire.HeaderLen, 64)
	(&wire.Control{Type: wire.TypeUser, Ext: wire.ExtPathChallenge, Dest: c.core.PeerID()}).Put(b)
	to := p.path.peer
	challenge := p.challenge
	c.mu.Unlock()
	defer c.mu.Lock()
	if b, err := c.guard.sealer.Seal(b, challenge[:]); err == nil {
		c.endpoint.send(to, b)
	}
}

// handleOwnLocked takes a control packet of our own range, from the given address.
func (c *Conn) handleOwnLocked(now time.Time, b []byte, from netip.AddrPort) {
	body := b[wire.HeaderLen:]
	if len(body) != challengeLen {
		return
	}
	switch wire.ParseControl(b).Ext {
	case wire.ExtPathChallenge:
		c.core.AnswerChallenge(now, body)
	case wire.ExtPathResponse:
		p := c.probe
		if p == nil || p.challenges == 0 || p.path.addr != from || subtle.ConstantTimeCompare(p.challenge[:], body) == 0 {
			return
		}
		former := c.path.Swap(p.path).addr
		c.probe = nil
		c.guard.moves++
		c.core.PathChanged()
		c.endpoint.event(now, eventMoved, from, slog.Any("former", former))
	}
}
