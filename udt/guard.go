package udt

import (
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"github.com/udtgo/udtgo/udt/internal/protect"
	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/secure"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A guard seals and opens the packets of a protected connection, outside Conn.mu:
// its halves belong to two roles.
type guard struct {
	// Set before the connection is shared.
	state     tls.ConnectionState
	exchange  *exchange
	migrates  bool       // the peer may change its address
	peerToken resetToken // zero if it has none

	update   atomic.Bool            // a new key is wanted
	farewell atomic.Pointer[[]byte] // the last Shutdown, sealed: the tombstone repeats it

	// Whoever has the sending role.
	sealer *protect.Sealer
	data   numberMarks // by transmission number
	acks   numberMarks // by number of the ACK
	key    uint64      // epoch of sealer
	keyAt  time.Time   // when that was first seen

	// Whoever reads the socket.
	opener  *protect.Opener
	opened  [][]byte // what it has made of one read
	own     [][]byte // of that, what is not for the core
	newest  bool     // the largest number so far was among them
	epoch   uint64   // of opener
	epochAt time.Time

	rejected [rejectReasons]atomic.Uint64

	// Conn.mu guards the rest.
	challenges, moves uint64 // to and of the peer's path
}

// Why packets were not opened.
const (
	rejectedForged = iota // or damaged; also those for which there is no key
	rejectedReplayed
	rejectReasons
)

// previousLife is for how long late packets of the epoch before can be opened.
const previousLife = 3 * time.Second

// maxKeyAge is how long a key is used for sealing, however few packets there are.
const maxKeyAge = time.Hour

// numberMarks remember the packet numbers of some packets whose arrival the peer
// will tell by another number, to confirm them to the sealer.
type numberMarks struct {
	marks [16]numberMark // a ring
	first int
	n     int
	last  uint64 // packet number marked last
}

type numberMark struct {
	told   uint32 // low bits of the other number, as many as a message number has
	packet uint64
}

// note marks a packet, if the last mark is some time ago.
func (m *numberMarks) note(told uint32, packet, every uint64) {
	if m.n == len(m.marks) || m.n > 0 && packet-m.last < every {
		return
	}
	m.marks[(m.first+m.n)%len(m.marks)] = numberMark{told, packet}
	m.n++
	m.last = packet
}

// confirm takes away the marks up to what the peer has told, and tells the sealer.
func (m *numberMarks) confirm(s *protect.Sealer, told uint32) {
	for m.n > 0 && wire.UnwrapMessage(0, told-m.marks[m.first].told) >= 0 {
		s.Confirm(m.marks[m.first].packet)
		m.first = (m.first + 1) % len(m.marks)
		m.n--
	}
}

func newGuard(r *secure.Result, epochBits uint) (*guard, error) {
	config := protect.Config{EpochBits: epochBits}
	suite := protect.Suite(r.Suite)
	sealer, err := protect.NewSealer(suite, r.WriteSecret, config)
	if err != nil {
		return nil, err
	}
	opener, err := protect.NewOpener(suite, r.ReadSecret, config)
	if err != nil {
		return nil, err
	}
	g := &guard{state: r.State, sealer: sealer, opener: opener}
	copy(g.peerToken[:], r.Params.ResetToken)
	clear(r.WriteSecret)
	clear(r.ReadSecret)
	r.WriteSecret, r.ReadSecret = nil, nil
	return g, nil
}

// A sealedBatch is a proto.Batch on its way to the socket. It is plain memory.
type sealedBatch struct {
	runs []wire.Run
	mem  []byte
}

var sealedBatches = sync.Pool{New: func() any { return new(sealedBatch) }}

// paceLocked tells the sealer what the peer has received, and the core how much it
// may send: with Conn.mu held. What is in flight is bounded so that the peer is never
// more than an epoch behind; where it might be nevertheless, only what probes the
// path is sent until it has confirmed something. A key that is old gives way.
func (g *guard) paceLocked(now time.Time, core *proto.Conn) {
	transmission, ack := core.Told()
	g.data.confirm(g.sealer, transmission)
	g.acks.confirm(g.sealer, ack)
	if e := g.sealer.Epoch(); e != g.key || g.keyAt.IsZero() {
		g.key, g.keyAt = e, now
	} else if now.Sub(g.keyAt) >= maxKeyAge {
		g.keyAt = now
		g.sealer.ForceUpdate()
	}
	if g.sealer.MaySeal() {
		core.SetMaxInFlight(int(g.sealer.EpochLength() / 4))
	} else {
		core.SetMaxInFlight(1)
	}
}

// seal fills s with the packets of runs, in their order.
func (g *guard) seal(s *sealedBatch, runs []wire.Run) error {
	s.runs = s.runs[:0]
	size := 0
	for _, r := range runs {
		size += len(r.B) + r.Datagrams()*protect.Overhead
	}
	if cap(s.mem) < size {
		s.mem = make([]byte, 0, max(size, proto.LargeSlab))
	}
	mem := s.mem[:0]
	if g.update.Load() && g.update.Swap(false) {
		g.sealer.ForceUpdate()
	}
	every := g.sealer.EpochLength() / uint64(len(g.data.marks))
	for _, r := range runs {
		segment := r.Segment
		if segment <= 0 {
			segment = len(r.B)
		}
		first := len(mem)
		for b := r.B; len(b) > 0; {
			p := b[:min(segment, len(b))]
			b = b[len(p):]
			if !wire.IsControl(p) {
				g.data.note(proto.Transmission(p), g.sealer.Number(), every)
			} else if h := wire.ParseControl(p); h.Type == wire.TypeAck && h.Info != 0 {
				g.acks.note(h.Info, g.sealer.Number(), every)
			}
			start := len(mem)
			mem = append(mem, p[:wire.HeaderLen]...)
			var err error
			if mem, err = g.sealer.Seal(mem, p[wire.HeaderLen:]); err != nil {
				return err
			}
			if wire.IsControl(p) && wire.ParseControl(p).Type == wire.TypeShutdown {
				farewell := append([]byte(nil), mem[start:]...)
				g.farewell.Store(&farewell)
			}
		}
		s.runs = append(s.runs, wire.Run{B: mem[first:len(mem):len(mem)], Segment: segment + protect.Overhead})
	}
	s.mem = mem
	return nil
}

// open takes the packets of one read out of their protection, in place, and gives
// handshakes in the clear to the exchange. What does not open is dropped and counted;
// the error is protect.ErrLimit, with which the connection must end.
func (g *guard) open(now time.Time, b []byte, segment int) (err error) {
	g.opened, g.own, g.newest = g.opened[:0], g.own[:0], false
	for len(b) > 0 {
		p := b
		if segment > 0 && segment < len(b) {
			p = b[:segment]
		}
		b = b[len(p):]
		if wire.IsHandshake(p) {
			g.exchange.late(p)
			continue
		}
		payload, number, openErr := g.opener.Open(p)
		switch openErr {
		case nil:
			g.take(p[:wire.HeaderLen+len(payload)], number)
		case protect.ErrLimit:
			err = openErr
		case protect.ErrReplay:
			g.rejected[rejectedReplayed].Add(1)
		default:
			g.rejected[rejectedForged].Add(1)
		}
	}
	if len(g.opened) == 0 {
		return err
	}
	if !g.exchange.settled.Load() {
		g.exchange.confirm()
	}
	if e := g.opener.Epoch(); e != g.epoch {
		g.epoch, g.epochAt = e, now
	} else if e > 0 && now.Sub(g.epochAt) > previousLife {
		g.opener.DropPrevious()
	}
	return err
}

// take sorts a packet that was opened.
func (g *guard) take(p []byte, number uint64) {
	if largest, _ := g.opener.Largest(); number == largest {
		g.newest = true
	}
	if wire.IsControl(p) {
		if h := wire.ParseControl(p); h.Type == wire.TypeUser && h.Ext >= wire.FirstOwnExt {
			g.own = append(g.own, p)
			return
		}
	}
	g.opened = append(g.opened, p)
}
