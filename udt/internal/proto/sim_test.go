package proto

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/cc"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// epoch is when simulations begin.
var epoch = time.Unix(1_700_000_000, 0)

// sim is two connections, the paths between them and a clock of their own.
type sim struct {
	t       testing.TB
	seed    uint64
	rng     *rand.Rand
	now     time.Duration
	queue   deliveries
	sends   int
	spare   [][]byte
	a, b    *side
	actions []action
	steps   int
	every   int // invariants are checked every so many steps
	refuse  float64
	shared  float64 // share of datagrams that come with an owner
}

type action struct {
	at time.Duration
	do func()
}

// kind says who speaks what.
type kind struct {
	rendezvous bool
	message    bool
	legacyA    bool // a speaks as the reference does
	legacyB    bool
}

func (k kind) String() string {
	s := "client-server"
	if k.rendezvous {
		s = "rendezvous"
	}
	if k.message {
		s += "/message"
	} else {
		s += "/stream"
	}
	switch {
	case k.legacyA && k.legacyB:
		return s + "/legacy"
	case k.legacyA:
		return s + "/legacyA"
	case k.legacyB:
		return s + "/legacyB"
	}
	return s + "/extended"
}

// kinds returns all kinds of pairs.
func kinds() []kind {
	var all []kind
	for i := range 16 {
		all = append(all, kind{i&8 != 0, i&4 != 0, i&2 != 0, i&1 != 0})
	}
	return all
}

// side is one end of a simulated connection, with an application.
type side struct {
	*sim
	name   string
	c      *Conn
	cfg    Config
	mem    *testMemory
	ctl    *fixedController
	out    link
	peer   *side
	app    app
	appAt  time.Duration // when the application wants to run by itself
	next   time.Duration // when the Conn wants to be called, zero never
	batch  Batch
	idle   int // calls by the timer that sent nothing and changed nothing visible
	polls  int
	raw    func(b []byte) // plays the whole side
	listen bool           // plays the endpoint's part until a conclusion comes
	sent   int64
	born   time.Duration
}

// app is what uses a connection. Step reports whether it did anything.
type app interface{ step(s *side) bool }

func baseConfig(seed uint64) Config {
	return Config{
		MSS: 1500, FlowWindow: 25600, SendBuffer: 8 << 20, RecvBuffer: 8 << 20,
		HandshakeTimeout: 10 * time.Second, PeerTimeout: 10 * time.Second,
		IdleTimeout: 60 * time.Second, KeepAlivePeriod: 20 * time.Second,
		Remote: netip.MustParseAddrPort("192.0.2.7:9000"), Rand: newRand(seed),
	}
}

// newSim returns a pair that is about to connect, over a path of 5 ms each way.
func newSim(t testing.TB, seed uint64, k kind) *sim {
	s := &sim{t: t, seed: seed, rng: newRand(seed), every: 1}
	make := func(name string, id uint32, legacy bool) *side {
		x := &side{sim: s, name: name, mem: newTestMemory(), ctl: &fixedController{window: 64}}
		x.cfg = baseConfig(seed + uint64(id))
		x.cfg.Message = k.message
		x.cfg.NoExtensions = legacy
		x.cfg.LocalID = id
		x.cfg.InitialNumber = s.rng.Uint32() & wire.NumberMask
		x.cfg.Memory = x.mem
		x.cfg.Controller = x.ctl
		x.out.delay = 5 * time.Millisecond
		return x
	}
	s.a, s.b = make("a", 101, k.legacyA), make("b", 202, k.legacyB)
	s.a.peer, s.b.peer = s.b, s.a
	s.b.listen = !k.rendezvous
	return s
}

func (s *sim) sides() []*side { return []*side{s.a, s.b} }

// start makes the connections.
func (s *sim) start() *sim {
	if s.b.listen {
		s.a.begin(NewClient(s.a.time(), &s.a.cfg))
		return s
	}
	s.a.begin(NewRendezvous(s.a.time(), &s.a.cfg))
	s.b.begin(NewRendezvous(s.b.time(), &s.b.cfg))
	return s
}

func (x *side) begin(c *Conn) {
	x.c = c
	x.born = x.now
	x.pump()
}

func (s *sim) time() time.Time { return epoch.Add(s.now) }

// after plans something at a time from now.
func (s *sim) after(d time.Duration, do func()) {
	s.actions = append(s.actions, action{s.now + d, do})
}

func (s *sim) failf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("seed %d, %v, step %d: %s", s.seed, s.now, s.steps, fmt.Sprintf(format, args...))
}

// run lets time pass until done is true, or until the given time; it reports
// which.
func (s *sim) run(limit time.Duration, done func() bool) bool {
	s.t.Helper()
	for !done() {
		at := never
		if len(s.queue) > 0 {
			at = s.queue[0].at
		}
		for _, x := range s.sides() {
			if x.next != 0 && x.next < at {
				at = x.next
			}
			if x.appAt != 0 && x.appAt < at {
				at = x.appAt
			}
		}
		for _, a := range s.actions {
			at = min(at, a.at)
		}
		if at == never || at > limit {
			s.now = max(s.now, limit)
			return false
		}
		s.now = max(s.now, at)
		s.step()
	}
	return true
}

// pass lets d pass.
func (s *sim) pass(d time.Duration) { s.run(s.now+d, func() bool { return false }) }

func (s *sim) step() {
	s.steps++
	for i := range s.actions {
		if a := s.actions[i]; a.at <= s.now {
			s.actions = append(s.actions[:i], s.actions[i+1:]...)
			a.do()
			s.a.pump()
			s.b.pump()
			return
		}
	}
	if len(s.queue) > 0 && s.queue[0].at <= s.now {
		d := heap.Pop(&s.queue).(delivery)
		d.to.receive(d.b)
		d.to.pump()
		return
	}
	for _, x := range s.sides() {
		if x.appAt != 0 && x.appAt <= s.now {
			x.appAt = 0
			x.pump()
			return
		}
		if x.next != 0 && x.next <= s.now {
			if x.pump() == 0 {
				x.idle++
			}
			return
		}
	}
}

// receive gives x a datagram, or plays its endpoint.
func (x *side) receive(b []byte) {
	if x.raw != nil {
		x.raw(b)
		return
	}
	if x.c == nil || wire.Dest(b) == 0 && x.c.server {
		x.endpoint(b)
		return
	}
	if x.shared > 0 && x.rng.Float64() < x.shared {
		owner := x.mem.ref(b)
		give(x.c, x.time(), b, 0, owner)
		owner.Release()
		return
	}
	give(x.c, x.time(), b, 0, nil)
	for i := range b {
		b[i] = poison
	}
	x.spare = append(x.spare, b)
}

// endpoint is a listener: a cookie reply, then a connection.
func (x *side) endpoint(b []byte) {
	if !x.listen || !wire.IsControl(b) || wire.Dest(b) != 0 {
		return
	}
	head := wire.ParseControl(b)
	h, err := wire.ParseHandshake(b[wire.HeaderLen:])
	if err != nil || head.Type != wire.TypeHandshake {
		return
	}
	if h.Request == wire.RequestInduction {
		h.Cookie = 0xC00C1E
		marker, stamp := head.Info, head.Time
		if !x.cfg.NoExtensions {
			marker = uint32(wire.MarkerServer) | wire.CapExtendedAck
			stamp = uint32(x.now/time.Microsecond) | 1
		}
		x.out.send(x.sim, x.peer, appendHandshake(nil, &h, marker, stamp, h.SocketID))
		return
	}
	if h.Cookie != 0xC00C1E {
		return
	}
	if x.c != nil {
		x.c.HandleConclusion(x.time())
		return
	}
	a := &Acceptance{Handshake: h, Marker: wire.Marker(head.Info)}
	if head.Time != 0 {
		a.RTT = time.Duration(uint32(x.now/time.Microsecond)-head.Time) * time.Microsecond
	}
	x.begin(NewServer(x.time(), &x.cfg, a))
}

// pump runs application and connection until both have nothing to do, and
// returns how many datagrams left.
func (x *side) pump() int {
	if x.c == nil {
		return 0
	}
	total := 0
	for range 1 << 16 {
		busy := x.app != nil && x.app.step(x)
		for due := x.c.Poll(x.time(), nil).Due; poll(x.c, x.time(), &x.batch); due = x.c.Poll(x.time(), nil).Due {
			// Data may leave before a whole burst is due, and what takes their
			// place; what the peer waits for must be due.
			if first := x.batch.Runs[0].B; !due && (isType(wire.TypeAck)(first) || isType(wire.TypeNak)(first) ||
				isType(wire.TypeAck2)(first) || isType(wire.TypeShutdown)(first)) {
				x.failf("%s: not due, but sends %d runs: %s", x.name, len(x.batch.Runs), timers(x.c))
			}
			total += x.transmit()
			busy = true
		}
		if !x.batch.Empty() {
			x.failf("%s: Poll reported nothing but filled the batch", x.name)
		}
		x.polls++
		if busy {
			continue
		}
		x.settle()
		return total
	}
	x.failf("%s: never stops", x.name)
	return 0
}

// transmit carries a batch out. The network may refuse the end of it.
func (x *side) transmit() int {
	n := 0
	for _, r := range x.batch.Runs {
		n += r.Datagrams()
	}
	take := n
	if x.refuse > 0 && x.rng.Float64() < x.refuse {
		take = x.rng.IntN(n + 1)
	}
	i := 0
	for _, r := range x.batch.Runs {
		for b := r.B; len(b) > 0 && i < take; i++ {
			p := b
			if r.Segment > 0 && r.Segment < len(b) {
				p = b[:r.Segment]
			}
			b = b[len(p):]
			x.check(p)
			x.out.send(x.sim, x.peer, p)
		}
	}
	x.c.Sent(x.time(), &x.batch, take)
	return take
}

// check looks at one outgoing datagram.
func (x *side) check(p []byte) {
	if len(p)+wire.UDPOverhead > x.cfg.MSS {
		x.failf("%s sends %d bytes, MSS %d", x.name, len(p), x.cfg.MSS)
	}
	if wire.IsControl(p) {
		return
	}
	x.sent++
	n := wire.Unwrap(x.c.send.buf.una, wire.ParseData(p).Number)
	if n >= x.c.send.limit && n < x.c.send.buf.una {
		x.failf("%s sends %d, limit %d", x.name, n, x.c.send.limit)
	}
	// The peer's own view of what it has let in; its window in the handshake
	// is not binding before its first ACK.
	if r := x.peer.c; r != nil && r.phase != phaseConnecting && x.c.send.limit != x.c.first+int64(x.c.peerWindow) {
		if n >= r.recv.window.promised+windowReserve && n >= r.recv.buf.high+windowReserve {
			x.failf("%s sends %d, the peer promised %d", x.name, n, r.recv.window.promised)
		}
	}
}

// settle checks what holds when there is nothing to do now.
func (x *side) settle() {
	if x.steps%max(x.every, 1) == 0 {
		if err := invariants(x.c); err != nil {
			x.failf("%s: %v", x.name, err)
		}
	}
	x.bounded()
	if x.ctl != nil && x.ctl.bad != nil {
		x.failf("%s: %v", x.name, x.ctl.bad)
	}
	x.next = 0
	if next := nextOf(x.c, x.time()); !next.IsZero() {
		x.next = next.Sub(epoch)
		if x.next <= x.now {
			x.failf("%s: nothing to send, but Next is %v ago, phase %d: %s", x.name, x.now-x.next, x.c.phase, timers(x.c))
		}
	}
}

// bounded checks that buffers hold no more than they were configured to, but
// for the slabs at both ends of what is held.
func (x *side) bounded() {
	c := x.c
	packet := x.cfg.MSS
	if held := c.recv.buf.bytes; held > x.cfg.RecvBuffer+(windowReserve+2*minWindow)*packet {
		x.failf("%s holds %d bytes to read, RecvBuffer is %d", x.name, held, x.cfg.RecvBuffer)
	}
	if lent := x.mem.lent; lent > x.cfg.SendBuffer+4*LargeSlab {
		x.failf("%s holds %d bytes to send, SendBuffer is %d", x.name, lent, x.cfg.SendBuffer)
	}
}

// timers says when each of a Conn's timers is due.
func timers(c *Conn) string {
	return fmt.Sprintf("now %v death %v nak %v ack %v keep-alive %v test %v expire %v send %v (blocked %v, window %d, in flight %d) hole %v linger %v",
		c.now, c.deathTime(), c.nakDue(c.now), c.ackTime(c.now), c.keepAliveTime(), c.testTime(), c.expireTime(),
		c.sendTime(), c.blocked(), c.congestionWindow(), c.inFlight(), c.holeTime(), c.closing.deadline)
}

// quiet checks that a finished pair has given everything back and that it did
// not wake for nothing.
func (s *sim) quiet() {
	s.t.Helper()
	for _, x := range s.sides() {
		if x.c == nil {
			continue
		}
		require.True(s.t, x.c.Ended(), "seed %d: %s has not ended: phase %d", s.seed, x.name, x.c.phase)
		x.c.Free()
		require.NoError(s.t, x.mem.leaks(), "seed %d: %s", s.seed, x.name)
		x.notBusy()
	}
}

// notBusy checks that the timer did not fire much more often than packets left.
func (x *side) notBusy() {
	x.t.Helper()
	seconds := (x.now - x.born).Seconds()
	limit := 50 + 60*seconds + float64(x.out.sent)
	require.LessOrEqual(x.t, float64(x.idle), limit, "seed %d: %s was woken in vain", x.seed, x.name)
}

func (s *sim) connected() bool {
	return s.a.c != nil && s.b.c != nil && s.a.c.Open() && s.b.c.Open()
}

func (s *sim) ended() bool { return s.a.c.Ended() && s.b.c != nil && s.b.c.Ended() }

var _ cc.Controller = (*fixedController)(nil)
